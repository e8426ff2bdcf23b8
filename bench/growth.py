"""Whether ours stays what it is as a configuration grows: start-up, and the cost of a request."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from bench import wrk
from bench.contender import CALLERS_OWN, CREDENTIAL, Contender
from bench.contenders import run_ours
from bench.rounds import Extent, Rows, WrongAnswers, in_turn
from bench.servers import free_port, resident_mebibytes, start, usage, wait_for_port
from bench.stage import Stage

_START_UPS = {"5 providers": 5, "1,000 providers": 1000, "five vendors' presets": None}
# Row: providers, routes.
_SIZES = {"1 route": (1, 1), "100 routes": (1, 100), "10,000 routes": (1, 10_000), "1,000 providers": (1000, 1000)}
_READY_SECONDS = 120


def startup(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    """Milliseconds from the command to the first 200 of /readyz, as an orchestrator sees it."""
    commands = {
        f"{own.title}, {row}": partial(_started, stage, own.checkout, count)
        for own in contenders
        if own.checkout is not None
        for row, count in _START_UPS.items()
    }
    return in_turn(list(commands), extent.rounds, lambda row: commands[row]())


def _started(stage: Stage, checkout: Path, count: int | None) -> dict[str, float]:
    folder, port, admin = stage.own_folder("startup"), free_port(), free_port()
    if count is None:
        config = _written(folder, _presets(port, admin))
    else:
        config = _written(folder, _configuration(stage.upstream.plain, port, admin, count, count))
    with ExitStack() as running:
        began = time.perf_counter()
        process = start(run_ours(checkout, config), folder, running)
        while not _is_ready(admin):
            if process.poll() is not None or time.perf_counter() - began > _READY_SECONDS:
                raise WrongAnswers((folder / "output").read_text()[-2000:])
            time.sleep(0.002)
        return {
            "ready_ms": (time.perf_counter() - began) * 1e3,
            "cpu_ms": usage(process.pid).cpu * 1e3,
            "idle_mib": resident_mebibytes(process.pid),
        }


def growth(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    """The cost of a request on a route in the middle, for configurations of several sizes."""
    own = next((one for one in contenders if one.checkout is not None), None)
    if own is None or own.checkout is None:
        return {}
    servers = {}
    for row, (providers, routes) in _SIZES.items():
        folder, port = stage.own_folder("growth"), free_port()
        config = _written(folder, _configuration(stage.upstream.plain, port, free_port(), providers, routes))
        process = start(run_ours(own.checkout, config), folder, stage.running)
        wait_for_port(port, process, folder, _READY_SECONDS)
        servers[row] = process, f"http://127.0.0.1:{port}/route-{routes // 2}/small"

    def measure(row: str) -> dict[str, float]:
        process, url = servers[row]
        before = usage(process.pid)
        report = wrk.run(url, CALLERS_OWN, extent.seconds)
        used = usage(process.pid) - before
        if report.failures or report.broken:
            raise WrongAnswers(f"{row}: {report}")
        figures = {"cpu_us": used.cpu / report.requests * 1e6, "rps": report.requests / report.seconds}
        return figures | {"others": used.others / report.seconds, "idle_mib": resident_mebibytes(process.pid)}

    return in_turn(list(servers), extent.rounds, measure)


def _is_ready(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n" % port)
            return connection.recv(64).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


def _written(folder: Path, configuration: dict[str, Any]) -> str:
    path = folder / "authproxy.yaml"
    path.write_text(json.dumps(configuration, indent=1))
    return str(path)


def _configuration(upstream: int, port: int, admin: int, providers: int, routes: int) -> dict[str, Any]:
    """JSON is YAML. Every second provider keeps a token that it signs itself."""
    fixed = {"scheme": "static", "headers": {"Authorization": {"value": CREDENTIAL}}}
    minted = {
        "scheme": "jwt",
        "key": {"value": "bench-key-0123456789abcdef0123456789"},
        "variables": {"credential": {"value": CREDENTIAL}},
        "headers": {"Authorization": "{{credential}}", "X-Token": "{{token}}"},
    }
    base = f"http://localhost:{upstream}"
    return {
        "server": {"listen": f"127.0.0.1:{port}", "admin": f"127.0.0.1:{admin}"},
        "providers": {
            f"provider-{number}": {"base_url": base, "auth": minted if number % 2 else fixed}
            for number in range(providers)
        },
        "routes": {f"/route-{number}": f"provider-{number % providers}" for number in range(routes)},
    }


def _presets(port: int, admin: int) -> dict[str, Any]:
    """One provider of each vendor, none of which is called."""
    secret = {"value": "bench-secret-0123456789abcdef0123456789"}
    site = "https://app.example.com"
    sign_in = {"private_key": {"value": "0x" + "11" * 32}, "domain": site, "uri": site}
    providers = {
        "iofinnet": {"client_id": secret, "client_secret": secret},
        "wyre": {"api_key": secret, "secret_key": secret},
        "defactor": {"base_url": "https://engage.example.com", **sign_in},
        "original": {"api_key": secret, "api_secret": secret},
        "one45": {"base_url": "https://school.example.com", "client_key": secret, "client_secret": secret},
    }
    return {
        "server": {"listen": f"127.0.0.1:{port}", "admin": f"127.0.0.1:{admin}"},
        "providers": {name: {"preset": name, **keys} for name, keys in providers.items()},
        "routes": {f"/{name}": name for name in providers},
    }
