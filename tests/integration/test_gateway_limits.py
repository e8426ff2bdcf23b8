"""How many requests may be under way at a vendor, and what becomes of those who come then."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from proxy.gateway.route import Provider, Route
from proxy.upstream.dialing import Dialer
from proxy.upstream.origin import split_url
from proxy.upstream.pool import MAX_IDLE_CONNECTIONS, UpstreamPool
from tests.abuse.test_slow_peers import Leaping
from tests.raw_upstream import OK, RawUpstream, Received
from tests.served import Fixed, provider, serve, status

UNAUTHORIZED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\ndead"
UNAUTHORIZED_AT_LENGTH = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 400000\r\n\r\ndead"


def limited(url: str, most: int, waiting: int, seconds: float = 5, scheme: Fixed | None = None) -> Route:
    origin, _ = split_url(url)
    pool = UpstreamPool(Dialer(origin, None, 2.0), max_connections=most, max_waiting=waiting, waiting_seconds=seconds)
    return Route.to(Provider("acme", origin, "", scheme or Fixed(), pool), "/a")


@dataclass
class Crowd:
    """A vendor who takes his time, and notes how many he answers at once."""

    hangs_up: bool = False
    at_once: int = 0
    most: int = 0

    async def respond(self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.005)
        self.at_once -= 1
        writer.write(OK)
        if self.hangs_up:
            writer.close()


async def test_whoever_comes_too_many_waits_for_a_connection_and_uses_it_again() -> None:
    crowd = Crowd()
    async with RawUpstream(respond=crowd.respond) as vendor, serve(limited(vendor.url, 3, 100)) as proxy:
        answers = await asyncio.gather(*(proxy.ask(f"POST /a/{n}", "Content-Length: 0") for n in range(40)))
    assert [status(answer) for answer in answers] == [200] * 40
    assert crowd.most == vendor.connections == 3
    assert len(vendor.requests) == 40


async def test_whoever_finds_the_queue_full_is_told_to_come_again() -> None:
    go_on = asyncio.Event()

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        writer.write(OK)

    async with RawUpstream(respond=respond) as vendor, serve(limited(vendor.url, 2, 3)) as proxy:
        asking = [asyncio.create_task(proxy.ask(f"GET /a/{n}")) for n in range(9)]
        done, _ = await asyncio.wait(asking, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 4:
            done, _ = await asyncio.wait(asking, timeout=0.05)
        refused = [task.result() for task in done]
        go_on.set()
        answers = await asyncio.gather(*asking)
    assert [status(answer) for answer in refused] == [503] * 4
    assert all(b"\r\nRetry-After: 1\r\n" in answer and b": upstream_busy\r\n" in answer for answer in refused)
    assert sorted(status(answer) for answer in answers) == [200] * 5 + [503] * 4


async def test_whoever_waits_too_long_or_leaves_takes_nobodys_turn() -> None:
    go_on = asyncio.Event()

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        writer.write(OK)

    async with RawUpstream(respond=respond) as vendor, serve(limited(vendor.url, 1, 9, seconds=0.1)) as proxy:
        first = asyncio.create_task(proxy.ask("GET /a/first"))
        while not vendor.requests:
            await asyncio.sleep(0)
        leaving = asyncio.create_task(proxy.ask("GET /a/leaving"))
        await asyncio.sleep(0.02)
        leaving.cancel()
        assert status(await proxy.ask("GET /a/late")) == 503
        go_on.set()
        assert status(await first) == 200
        assert status(await proxy.ask("GET /a/next")) == 200
    assert [received.target for received in vendor.requests] == ["/first", "/next"]


async def test_a_connection_that_breaks_makes_room() -> None:
    """The slot of a lost connection is the next one's, who makes a new one."""

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if received.target == "/broken":
            writer.close()
        else:
            writer.write(OK)

    async with RawUpstream(respond=respond) as vendor, serve(limited(vendor.url, 1, 99)) as proxy:
        targets = ["broken", "good"] * 10
        answers = await asyncio.gather(*(proxy.ask(f"POST /a/{t}", "Content-Length: 0") for t in targets))
    assert [status(answer) for answer in answers] == [502, 200] * 10


async def test_a_fresh_connection_is_kept_in_the_place_of_the_oldest() -> None:
    """Idle ones that are too old for a POST must not keep the POSTs' own from being used again."""
    clock = Leaping()
    everyone = asyncio.Event()

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(vendor.requests) == MAX_IDLE_CONNECTIONS:
            everyone.set()
        await everyone.wait()
        writer.write(OK)

    async with RawUpstream(respond=respond) as vendor, serve(limited(vendor.url, 256, 0)) as proxy:
        await asyncio.gather(*(proxy.ask("GET /a/x") for _ in range(MAX_IDLE_CONNECTIONS)))
        await clock.leap(3)
        for _ in range(5):
            assert status(await proxy.ask("POST /a/x", "Content-Length: 0")) == 200
    assert vendor.connections == MAX_IDLE_CONNECTIONS + 1


async def test_a_connection_that_ends_as_it_is_handed_on_is_made_anew_and_not_one_too_many() -> None:
    """Nothing was written on it: whoever waited for it need not know."""
    crowd = Crowd(hangs_up=True)
    async with RawUpstream(respond=crowd.respond) as vendor, serve(limited(vendor.url, 3, 100)) as proxy:
        answers = await asyncio.gather(*(proxy.ask(f"POST /a/{n}", "Content-Length: 0") for n in range(40)))
    assert [status(answer) for answer in answers] == [200] * 40
    assert len(vendor.requests) == 40
    assert crowd.most == 3


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("refusal", [UNAUTHORIZED, UNAUTHORIZED_AT_LENGTH], ids=["whole", "unread"])
async def test_second_attempts_do_not_wait_for_the_connections_of_their_first(method: str, refusal: bytes) -> None:
    """A token dies for all who are under way at once; the place of a refused request is that of its repetition."""
    refused = 0
    everyone = asyncio.Event()

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal refused
        if refused < 4:
            refused += 1
            if refused == 4:
                everyone.set()
            await everyone.wait()
            writer.write(refusal)
        else:
            writer.write(OK)

    async with (
        RawUpstream(respond=respond) as vendor,
        serve(limited(vendor.url, 4, 100, scheme=Fixed(dead_status=401))) as proxy,
    ):
        async with asyncio.timeout(4):
            answers = await asyncio.gather(*(proxy.ask(f"{method} /a/x", "Content-Length: 0") for _ in range(4)))
        assert [passage.repeats for passage in proxy.passages] == [1] * 4
    assert [status(answer) for answer in answers] == [200] * 4
    assert len(vendor.requests) == 8


async def test_a_caller_who_left_makes_room_for_another() -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        proxy.listener.max_connections = 2
        for _ in range(5):
            assert status(await proxy.ask("GET /a/x")) == 200
            async with asyncio.timeout(5):
                while proxy.listener.connections:
                    await asyncio.sleep(0)
        held = [(await asyncio.open_connection("127.0.0.1", proxy.port))[1] for _ in range(2)]
        assert status(await proxy.ask("GET /a/x")) == 503
        for writer in held:
            writer.close()
            await writer.wait_closed()
