"""`python -m bench`: paired rounds of all contenders, as a table. `--seconds 1 --rounds 3` is the short form."""

from __future__ import annotations

import argparse
import shutil
import socket
import statistics
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.contenders import CA_NAME, CONTENDERS, Contender, Plan
from bench.measure import Slice, load, resident_mebibytes, start, wait_for_port
from bench.upstream import command as upstream_command

# Name, route, path, whether the upstream speaks TLS, and the wrk script for what is no plain GET.
SCENARIOS = (
    ("GET 1 KiB, static header", "plain", "/small", False, ""),
    ("GET 1 KiB, static header, TLS upstream", "plain", "/small", True, ""),
    ("POST 1 KiB, static header", "plain", "/post", False, "post.lua"),
    ("POST 1 KiB, HMAC over URL and body", "signed", "/post", False, "post.lua"),
    ("GET 1 KiB, minted JWT, cached", "minted", "/small", False, ""),
)
POST_SCRIPT = 'wrk.method = "POST"\nwrk.body = string.rep("x", 1024)\nwrk.headers["Content-Type"] = "text/plain"\n'


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--seconds", type=int, default=3, help="length of one slice")
    parser.add_argument("--rounds", type=int, default=5, help="slices of each contender, in turn")
    parser.add_argument("--only", default="", help="comma-separated contenders")
    options = parser.parse_args()
    missing = [program for program in ("wrk", "nginx", "taskset") if shutil.which(program) is None]
    if missing:
        parser.error(f"needs {', '.join(missing)}: apt-get install wrk nginx-light util-linux")
    chosen = [one for one in CONTENDERS if one.is_here and (not options.only or one.name in options.only.split(","))]
    with tempfile.TemporaryDirectory(prefix="authproxy-bench-") as folder, ExitStack() as running:
        Path(folder).chmod(0o755)  # nginx, started by root, reads as another user.
        bench = Bench(Path(folder), running, options.seconds, options.rounds)
        for name, route, path, is_tls, script in SCENARIOS:
            able = chosen if route == "plain" else [one for one in chosen if one.name == "authproxy"]
            bench.run(name, able, route, path, is_tls=is_tls, script=script)


class Bench:
    """All servers stay up; slices are taken in turn, so that what the machine does besides hits all alike."""

    def __init__(self, folder: Path, running: ExitStack, seconds: int, rounds: int) -> None:
        self._folder = folder
        self._running = running
        self._seconds = seconds
        self._rounds = rounds
        self._ports = {False: free_port(), True: free_port()}
        self._servers: dict[tuple[str, bool], tuple[subprocess.Popen[bytes], int]] = {}
        (folder / "post.lua").write_text(POST_SCRIPT)
        upstream = folder / "upstream"
        upstream.mkdir()
        process = start(upstream_command(upstream, self._ports[False], self._ports[True]), upstream, core="1")
        running.callback(stop, process)
        wait_for_port(self._ports[False], process)

    def run(self, name: str, contenders: list[Contender], route: str, path: str, *, is_tls: bool, script: str) -> None:
        """Measure one scenario and print its rows."""
        slices: dict[str, list[Slice]] = {one.name: [] for one in contenders}
        servers = {one.name: self._server(one, is_tls) for one in contenders}
        lua = self._folder / script if script else None
        for number in range(self._rounds + 1):
            for contender, (process, port) in servers.items():
                taken = load(f"http://127.0.0.1:{port}/{route}{path}", process, self._seconds, lua)
                if taken.failures:
                    raise RuntimeError(f"{contender}: {taken.failures} answers without the credential in {name}")
                if number:  # The first round warms up, and shows that the credential arrives.
                    slices[contender].append(taken)
        self._print(name, slices, servers)

    def _server(self, contender: Contender, is_tls: bool) -> tuple[subprocess.Popen[bytes], int]:
        key = contender.name, is_tls
        if key not in self._servers:
            folder = self._folder / f"{contender.name.replace(', ', '-')}-{is_tls}"
            folder.mkdir()
            ca = self._folder / "upstream" / CA_NAME if is_tls else None
            plan = Plan(folder, free_port(), self._ports[is_tls], ca)
            process = start(contender.command(plan), folder)
            self._running.callback(stop, process)
            wait_for_port(plan.port, process)
            self._servers[key] = process, plan.port
        return self._servers[key]

    def _print(
        self, name: str, slices: dict[str, list[Slice]], servers: dict[str, tuple[subprocess.Popen[bytes], int]]
    ) -> None:
        cost = {one: statistics.median(taken.cpu_microseconds for taken in rows) for one, rows in slices.items()}
        base = cost.get("nginx")
        print(f"\n{name}\n{'':18}{'CPU µs':>9}{'× nginx':>9}{'rps':>9}{'p99 ms':>9}{'RSS MiB':>9}", flush=True)
        for one, rows in slices.items():
            ratio = f"{base / cost[one]:9.2f}" if base else f"{'':9}"
            rps = statistics.median(taken.requests / taken.seconds for taken in rows)
            p99 = statistics.median(taken.p99 for taken in rows)
            memory = resident_mebibytes(servers[one][0].pid)
            print(f"{one:18}{cost[one]:9.1f}{ratio}{rps:9.0f}{p99:9.2f}{memory:9.1f}", flush=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


if __name__ == "__main__":
    main()
