"""What is measured: each case takes its slices of all contenders in turn, round by round.

A case gives, for each row and each quantity, one value a round. A first round warms up and is not kept.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import open_loop, wrk
from bench.contender import Contender
from bench.stage import Server, Stage

# Row, quantity, one value a round.
Rows = dict[str, dict[str, list[float]]]

RATE = 2000
_POST = 'wrk.method = "POST"\nwrk.body = string.rep("x", 1024)\nwrk.headers["Content-Type"] = "text/plain"\n'
# What ours can do besides adding a fixed header, and what it is to be compared with: row, route, path.
_CREDENTIALS = (
    ("GET, fixed header", "plain", "/small"),
    ("GET, minted JWT, kept", "minted", "/small"),
    ("GET, fetched token, kept", "fetched", "/small"),
    ("POST, fixed header", "plain", "/post"),
    ("POST, HMAC over URL and body", "signed", "/post"),
)


@dataclass(frozen=True)
class Extent:
    """How long a slice is, and how many rounds are kept."""

    seconds: int
    rounds: int


class WrongAnswers(Exception):
    """Requests that were not answered with success: what was measured is not the job."""


def get(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    servers = _servers(stage, contenders)
    return _saturated({key: (server, "plain", "/small") for key, server in servers.items()}, extent, stage)


def tls(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    servers = _servers(stage, [one for one in contenders if not one.is_direct], "tls")
    return _saturated({key: (server, "plain", "/small") for key, server in servers.items()}, extent, stage)


def post(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    servers = _servers(stage, contenders)
    return _saturated({key: (server, "plain", "/post") for key, server in servers.items()}, extent, stage)


def credentials(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    own = next((one for one in contenders if one.is_ours), None)
    if own is None:
        return {}
    server = stage.server(own)
    return _saturated({row: (server, route, path) for row, route, path in _CREDENTIALS}, extent, stage)


def rate(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    """2,000 requests a second: what latency a proxy adds when it is not driven to its limit."""
    servers = _servers(stage, contenders)

    def measure(row: str) -> dict[str, float]:
        server = servers[row]
        before = server.cpu_seconds()
        report = open_loop.run(server.port, server.head("/small"), RATE, extent.seconds)
        if report.failures:
            raise WrongAnswers(f"{row}: {report.failures} failures at {RATE} requests a second")
        cost = (server.cpu_seconds() - before) / report.requests * 1e6
        figures = {"p50_ms": report.p50_ms, "p99_ms": report.p99_ms, "worst_ms": report.worst_ms}
        return figures | {"late_p99_ms": report.lateness_ms, "cpu_us": cost}

    return in_turn(list(servers), extent.rounds, measure, warm_up=0)


def _servers(stage: Stage, contenders: Sequence[Contender], upstream: str = "plain") -> dict[str, Server]:
    return {one.key: stage.server(one, upstream) for one in contenders if not one.is_for_bodies}


def in_turn(rows: Sequence[str], rounds: int, measure: Callable[[str], dict[str, float]], *, warm_up: int = 1) -> Rows:
    """One slice of each row, round after round; what the first rounds give is dropped."""
    kept: Rows = {row: {} for row in rows}
    for number in range(warm_up + rounds):
        for row in rows:
            for quantity, value in measure(row).items():
                if number >= warm_up:
                    kept[row].setdefault(quantity, []).append(value)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return kept


def _saturated(rows: dict[str, tuple[Server, str, str]], extent: Extent, stage: Stage) -> Rows:
    script = Path(stage.folder / "post.lua")
    script.write_text(_POST)

    def measure(row: str) -> dict[str, float]:
        server, route, path = rows[row]
        before = server.cpu_seconds()
        lua = script if path == "/post" else None
        report = wrk.run(server.url(path, route), server.authorization, extent.seconds, lua)
        cpu = server.cpu_seconds() - before
        if report.failures or report.broken or not report.requests:
            raise WrongAnswers(f"{row}: {report}")
        rps = report.requests / report.seconds
        return {"cpu_us": cpu / report.requests * 1e6, "rps": rps, "saturated_p99_ms": report.p99_ms}

    return in_turn(list(rows), extent.rounds, measure)


CASES: dict[str, Callable[[Stage, Sequence[Contender], Extent], Rows]] = {
    "get": get,
    "tls": tls,
    "post": post,
    "credentials": credentials,
    "rate": rate,
}
