"""Exchanges of every kind, many at once over few connections: each side gets what the other sent, and nothing else.

A real proxy between callers and a vendor that do as a seed says. Of each exchange it is known beforehand what either
side has to get, byte for byte and how often; at the end nothing may be left over. `python -m tests.property.test_exchanges
0 1000` runs a thousand seeds.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from random import Random

import pytest
import trustme

from proxy.gateway.held_body import ROOM
from proxy.gateway.route import Provider, Route
from proxy.upstream.dialing import Dialer
from proxy.upstream.origin import split_url
from proxy.upstream.pool import UpstreamPool
from proxy.wire.straight import StraightReading
from tests.scripted import Reply, ScriptedCaller, ScriptedVendor
from tests.scripts import Script, script
from tests.served import Fixed, Holding, Inspecting, Served, serve

REPLAYED = 1024 * 1024
SCHEMES = {"/streamed": Fixed, "/held": Holding, "/read": Inspecting}
CALLERS = 6
EACH = 5


@cache
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The vendor's, and one that trusts it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


async def exchanged(seed: int, *, with_tls: bool) -> int:
    """One crowd of callers, and what became of them; the number of exchanges."""
    draw = Random(seed)
    # Few connections, so that requests wait for each other's.
    is_crowded = draw.random() < 0.5
    crowd = [
        [script(number, draw, list(SCHEMES), with_tls=with_tls) for number in range(caller * EACH, (caller + 1) * EACH)]
        for caller in range(CALLERS)
    ]
    scripts = {one.number: one for some in crowd for one in some}
    vendor = ScriptedVendor(scripts)
    server_tls, client_tls = contexts() if with_tls else (None, None)
    server = await asyncio.start_server(vendor.accept, "127.0.0.1", 0, ssl=server_tls)
    port = server.sockets[0].getsockname()[1]
    origin, _ = split_url(f"https://localhost:{port}" if with_tls else f"http://127.0.0.1:{port}")
    pool = UpstreamPool(Dialer(origin, client_tls, 5.0), max_connections=2 if is_crowded else 256)
    routes = [
        Route.to(Provider("acme", origin, "", scheme(dead_status=401), pool), prefix)
        for prefix, scheme in SCHEMES.items()
    ]
    before = asyncio.all_tasks()
    async with serve(*routes) as proxy:
        callers = [ScriptedCaller(some, proxy.port, draw) for some in crowd]
        async with asyncio.timeout(30):
            await asyncio.gather(*(caller.run() for caller in callers))
            while proxy.listener.connections or pool.active or asyncio.all_tasks() - before - vendor.tasks:
                await asyncio.sleep(0)
        assert not vendor.wrong
        for caller in callers:
            for number, reply in caller.replies.items():
                check(scripts[number], reply, vendor.requests.get(number, []))
            for number in caller.left_behind:
                assert len(vendor.requests.get(number, ())) <= 2
        check_that_nothing_is_left(proxy, pool)
        check_the_story(proxy, callers, scripts)
    for task in vendor.tasks:
        task.cancel()
    await asyncio.gather(*vendor.tasks, return_exceptions=True)
    server.close()
    await server.wait_closed()
    return len(scripts)


def check(one: Script, reply: Reply, attempts: list[bytearray]) -> None:
    """One exchange by its script: what the vendor sent and the caller got, and the other way round."""
    if reply.status == 502 and one.method in ("POST", "PUT"):
        # A kept connection ended as the request was on its way; it was not sent again.
        assert len(attempts) <= one.is_rejected_first and b'"code": "upstream_' in reply.body
        return
    numbered = b"\r\nX-Number: %d\r\n" % one.number
    if one.is_rejected_first and reply.status == 401:
        assert one.request_size > REPLAYED and one.path != "/held", "it could have been sent again"
        assert (reply.body, len(attempts)) == (b"again" * (one.method != "HEAD"), 1)
        assert b"\r\nProxy-Status: " in reply.head
        return
    assert (reply.status, reply.body) == (one.status, one.content)
    assert numbered in reply.head
    assert len(attempts) == 1 + one.is_rejected_first
    for attempt in attempts:
        assert attempt == one.body[: len(attempt)]
        assert len(attempt) == one.request_size or one.timing in ("whole", "both")


def check_that_nothing_is_left(proxy: Served, pool: UpstreamPool) -> None:
    assert proxy.gateway.in_flight == pool.active == len(pool.queue) == pool.queue.reserved == 0
    assert proxy.gateway.room.take(ROOM)
    assert StraightReading.under_way == 0


def check_the_story(proxy: Served, callers: list[ScriptedCaller], scripts: dict[int, Script]) -> None:
    """What is told of the requests that were answered to the end."""
    told = {int(one.head.message.path.rpartition("/")[2]): one for one in proxy.passages if one.head is not None}
    for caller in callers:
        for number, reply in caller.replies.items():
            one, passage = scripts[number], told[number]
            assert passage.status == reply.status
            if reply.status < 400:
                assert passage.response_bytes == len(reply.body)
                assert passage.body.bytes_read == one.request_size or one.timing in ("whole", "both")
    assert len(told) == len(proxy.passages), "told twice"


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
if find_spec("uvloop"):
    LOOPS["uvloop"] = import_module("uvloop").new_event_loop


@pytest.mark.parametrize("with_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("loop", LOOPS)
def test_each_side_gets_what_the_other_sent_once_and_nothing_is_left(loop: str, with_tls: bool) -> None:
    for seed in range(12):
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(exchanged(seed, with_tls=with_tls))


def main(first: int, last: int) -> None:
    """All loops, for each seed; which one it was stands before what went wrong."""
    count = 0
    for seed, name, with_tls in product(range(first, last), LOOPS, (False, True)):
        sys.stderr.write(f"\rseed {seed}, {name}, TLS {with_tls}, {count} exchanges before  ")
        with asyncio.Runner(loop_factory=LOOPS[name]) as runner:
            count += runner.run(exchanged(seed, with_tls=with_tls))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
