"""What is measured: each case takes its slices of all contenders in turn, round by round.

A case gives, for each row and each quantity, one value a round. A first round warms up and is not kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from bench import growth, memory, open_loop, transfers, wrk
from bench.contender import Contender, fit_for_bodies
from bench.rounds import Extent, Rows, WrongAnswers, in_turn
from bench.stage import Server, Stage
from bench.upstream import MEDIUM, SMALL

RATE = 2000
# Every request has another query, and so no head comes twice.
_UNLIKE = 'n = 0\nrequest = function()\n  n = n + 1\n  return wrk.format(nil, wrk.path .. "?id=" .. n)\nend\n'
_POST = 'wrk.method = "POST"\nwrk.body = string.rep("x", %d)\nwrk.headers["Content-Type"] = "text/plain"\n'
# What ours can do besides adding a fixed header, and what it is to be compared with: row, route, path.
_CREDENTIALS = (
    ("GET, fixed header", "plain", "/small"),
    ("GET, minted JWT, kept", "minted", "/small"),
    ("GET, fetched token, kept", "fetched", "/small"),
    ("POST, fixed header", "plain", "/post"),
    ("POST, HMAC over URL and body", "signed", "/post"),
)


def get(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    return _saturated(_alike(stage, contenders), extent, stage)


def tls(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    proxies = [one for one in contenders if not one.is_direct]
    return _saturated(_alike(stage, proxies, upstream="tls"), extent, stage)


def post(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    return _saturated(_alike(stage, contenders, "/post"), extent, stage)


def unlike(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    return _saturated(_alike(stage, contenders), extent, stage, script=_UNLIKE)


def fresh(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    return _saturated(_alike(stage, contenders), extent, stage, on_new_connections=True)


def medium(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    return _saturated(_alike(stage, contenders, "/medium", for_bodies=True), extent, stage)


def medium_up(stage: Stage, contenders: Sequence[Contender], extent: Extent) -> Rows:
    return _saturated(_alike(stage, contenders, "/take", for_bodies=True), extent, stage, script=_POST % MEDIUM)


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
        before, began = server.usage(), time.perf_counter()
        report = open_loop.run(server.port, server.head("/small"), RATE, extent.seconds)
        if report.failures:
            raise WrongAnswers(f"{row}: {report.failures} failures at {RATE} requests a second")
        used, seconds = server.usage() - before, time.perf_counter() - began
        figures = {"p50_ms": report.p50_ms, "p99_ms": report.p99_ms, "worst_ms": report.worst_ms}
        cost = used.cpu / report.asked * 1e6
        return figures | {"late_p99_ms": report.lateness_ms, "cpu_us": cost, "others": used.others / seconds}

    return in_turn(list(servers), extent.rounds, measure, warm_up=0)


def _servers(
    stage: Stage, contenders: Sequence[Contender], upstream: str = "plain", *, for_bodies: bool = False
) -> dict[str, Server]:
    fitting = fit_for_bodies(contenders) if for_bodies else [one for one in contenders if not one.is_for_bodies]
    return {one.key: stage.server(one, upstream) for one in fitting}


def _alike(
    stage: Stage,
    contenders: Sequence[Contender],
    path: str = "/small",
    upstream: str = "plain",
    *,
    for_bodies: bool = False,
) -> dict[str, tuple[Server, str, str]]:
    """All of them are asked for the same, with the fixed header."""
    servers = _servers(stage, contenders, upstream, for_bodies=for_bodies)
    return {key: (server, "plain", path) for key, server in servers.items()}


def _saturated(
    rows: dict[str, tuple[Server, str, str]],
    extent: Extent,
    stage: Stage,
    *,
    script: str = "",
    on_new_connections: bool = False,
) -> Rows:
    """`script` is wrk's, in Lua; POSTs have one of their own."""
    post_lua, own_lua = stage.folder / "post.lua", stage.folder / "own.lua"
    post_lua.write_text(_POST % SMALL)
    own_lua.write_text(script)

    def measure(row: str) -> dict[str, float]:
        server, route, path = rows[row]
        before = server.usage()
        lua = own_lua if script else post_lua if path == "/post" else None
        url, authorization = server.url(path, route), server.authorization
        report = wrk.run(url, authorization, extent.seconds, lua, on_new_connections=on_new_connections)
        used = server.usage() - before
        if report.failures or report.broken or not report.requests:
            raise WrongAnswers(f"{row}: {report}")
        return {
            "cpu_us": used.cpu / report.requests * 1e6,
            "rps": report.requests / report.seconds,
            "saturated_p99_ms": report.p99_ms,
            "others": used.others / report.seconds,
        }

    return in_turn(list(rows), extent.rounds, measure)


CASES: dict[str, Callable[[Stage, Sequence[Contender], Extent], Rows]] = {
    "get": get,
    "tls": tls,
    "post": post,
    "unlike": unlike,
    "fresh": fresh,
    "medium": medium,
    "medium-up": medium_up,
    "credentials": credentials,
    "rate": rate,
    "down": transfers.down,
    "up": transfers.up,
    "down-tls": transfers.down_tls,
    "up-tls": transfers.up_tls,
    "paced": transfers.paced,
    "paced-tls": transfers.paced_tls,
    "memory": memory.memory,
    "startup": growth.startup,
    "growth": growth.growth,
}
