"""Load without a rate: 64 kept connections ask as fast as they are answered. What wrk says, and what it means.

Good for throughput and for CPU per request. Not for latency: wrk waits for an answer before it asks again, and
then adds invented samples for what it did not ask meanwhile. `open_loop` measures latency.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.servers import LOAD_CORES

CONNECTIONS = 64
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class WrkReport:
    """Requests answered, those of them that were no success, connections that failed, p99 as wrk has it."""

    requests: int
    failures: int
    broken: int
    seconds: float
    p99_ms: float


def report_of(text: str) -> WrkReport:
    """Read wrk's report. Raises ValueError if it is none."""
    requests = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m)\b", text)
    p99 = re.search(r"\b99%\s+([\d.]+)(us|ms|s|m)\b", text)
    if requests is None or p99 is None:
        raise ValueError(f"not a report of wrk: {text}")
    failures = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return WrkReport(
        int(requests[1]),
        int(failures[1]) if failures else 0,
        sum(int(number) for number in sockets.groups()) if sockets else 0,
        float(requests[2]) * _MILLISECONDS[requests[3]] / 1000,
        float(p99[1]) * _MILLISECONDS[p99[2]],
    )


def run(
    url: str, authorization: str, seconds: int, script: Path | None = None, *, on_new_connections: bool = False
) -> WrkReport:
    """With `on_new_connections` each request says that it is its connection's last."""
    arguments = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-H", f"Authorization: {authorization}"]
    arguments += ["-H", "Connection: close"] if on_new_connections else []
    command = ["taskset", "-c", LOAD_CORES, "wrk", *arguments, *(["-s", str(script)] if script else []), url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60)
    return report_of(done.stdout)
