"""Load, and the CPU time that it cost a process: the figure that varies least from slice to slice."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_LOAD_CORE, _PROXY_CORE = "1", "0"


@dataclass(frozen=True)
class Slice:
    """One second or so of load: requests answered, those that were no 200, CPU seconds of the proxy, worst 1 %."""

    requests: int
    failures: int
    cpu: float
    seconds: float
    p99: float

    @property
    def cpu_microseconds(self) -> float:
        return self.cpu / self.requests * 1e6


def start(command: list[str], folder: Path, core: str = _PROXY_CORE) -> subprocess.Popen[bytes]:
    """A process on one core, its output in a file of its folder."""
    with (folder / "output").open("wb") as output:
        return subprocess.Popen(["taskset", "-c", core, *command], stdout=output, stderr=output)


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


def load(url: str, process: subprocess.Popen[bytes], seconds: int, script: Path | None = None) -> Slice:
    """64 kept connections ask as fast as they are answered."""
    arguments = ["-t1", "-c64", f"-d{seconds}s", "--latency", *(["-s", str(script)] if script else []), url]
    before = cpu_seconds(process.pid)
    done = subprocess.run(
        ["taskset", "-c", _LOAD_CORE, "wrk", *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    cpu = cpu_seconds(process.pid) - before
    requests = re.search(r"(\d+) requests in ([\d.]+)s", done.stdout)
    assert requests is not None, done.stdout
    failures = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    return Slice(
        int(requests[1]),
        int(failures[1]) if failures else 0,
        cpu,
        float(requests[2]),
        float(p99[1]) * scale[p99[2]] if p99 else 0.0,
    )


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its descendants, so far."""
    total = 0
    for one in family(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def resident_mebibytes(pid: int) -> float:
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from family(int(child))
