"""Several things that happen within one turn of the event loop, in the order in which they do most harm."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from math import inf

import pytest

from proxy.errors import CredentialRejected, UpstreamTimeout
from proxy.gateway.caller import HEAD_SECONDS
from proxy.gateway.held_body import ROOM
from proxy.gateway.route import Route
from proxy.schemes.base import Injection, OutboundRequest
from tests.raw_upstream import OK, RawUpstream, Received, Respond
from tests.served import Fixed, Served, callers, fill, provider, serve, stays


def kernel_takes(writer: asyncio.StreamWriter, octets: bytes) -> None:
    """Write past the event loop: who reads has it before this turn goes on."""
    assert os.write(writer.get_extra_info("socket").fileno(), octets) == len(octets)


@asynccontextmanager
async def between(respond: Respond) -> AsyncIterator[tuple[Served, socket.socket]]:
    """The proxy, and the socket of a caller of it."""
    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as caller:
            caller.setblocking(False)
            yield proxy, caller


async def asked(caller: socket.socket, proxy: Served, line: str, *fields: str, body: bytes = b"") -> None:
    lines = [f"{line} HTTP/1.1", f"Host: 127.0.0.1:{proxy.port}", *fields, "", ""]
    await asyncio.get_running_loop().sock_sendall(caller, "\r\n".join(lines).encode() + body)


async def received(caller: socket.socket, ending: bytes) -> bytes:
    octets, loop = b"", asyncio.get_running_loop()
    async with asyncio.timeout(5):
        while not octets.endswith(ending) and (piece := await loop.sock_recv(caller, 65536)):
            octets += piece
    return octets


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_a_caller_who_ends_his_sending_as_his_answer_is_written_gets_it() -> None:
    """The answer waits for the end of the turn, and the end of file comes before that."""

    async def respond(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kernel_takes(writer, OK)
        asyncio.get_running_loop().call_soon(caller.shutdown, socket.SHUT_WR)

    async with between(respond) as (proxy, caller):
        await asked(caller, proxy, "GET /a/x")
        assert (await received(caller, b"ok")).endswith(b"\r\n\r\nok")


async def test_a_piece_of_a_body_that_nobody_wants_any_more_takes_no_room() -> None:
    """It comes after the answer that the vendor gave before he had all, and before the upload learns of its end."""
    loop = asyncio.get_running_loop()

    async def respond(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(10_000)
        kernel_takes(writer, OK)
        loop.call_soon(caller.send, bytes(10_000))

    async with between(respond) as (proxy, caller):
        await asked(caller, proxy, "POST /a/x", "Content-Length: 500000", body=bytes(10_000))
        assert (await received(caller, b"ok")).endswith(b"\r\n\r\nok")
        await until(lambda: not proxy.listener.connections)
        assert proxy.gateway.room.take(ROOM)


async def test_a_caller_whose_upload_ends_with_its_answer_has_as_long_as_others_for_his_next_request() -> None:
    loop = asyncio.get_running_loop()

    async def respond(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(99_999)
        kernel_takes(writer, OK)
        loop.call_soon(caller.send, b"x")

    async with between(respond) as (proxy, caller):
        await asked(caller, proxy, "POST /a/x", "Content-Length: 100000", body=bytes(99_999))
        assert (await received(caller, b"ok")).endswith(b"\r\n\r\nok")
        (connection,) = callers(proxy)
        assert connection.may_stay()
        for _ in range(10):
            await asyncio.sleep(0)
        assert connection.deadline._at < inf


async def test_a_drain_lasts_as_long_as_anything_is_under_way_whatever_ended_before() -> None:
    """Between the end of one request and the drain another may have begun, on a connection that was kept."""
    may_end = asyncio.Event()

    async def respond(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if request.target == "/slow":
            await may_end.wait()
        writer.write(OK)

    async with between(respond) as (proxy, caller):
        proxy.gateway.is_draining = True
        assert (await proxy.ask("GET /a/x")).endswith(b"ok")
        await asked(caller, proxy, "GET /a/slow")
        await until(lambda: proxy.gateway.in_flight)
        draining = asyncio.create_task(proxy.gateway.drain(10))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not draining.done()
        may_end.set()
        await draining
        assert not proxy.gateway.in_flight
        assert (await received(caller, b"ok")).endswith(b"\r\n\r\nok")


async def test_the_last_answer_before_the_end_reaches_a_slow_caller_too() -> None:
    """One behind which the connection is closed is whole like any other, and is not cut off with those that are not."""
    body = os.urandom(60_000)
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async def respond(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK if request.target == "/last" else raw)

    async with between(respond) as (proxy, caller):
        asked_for = await fill(proxy, lambda: asked(caller, proxy, "GET /a/x"))
        proxy.gateway.is_draining = True
        await asked(caller, proxy, "GET /a/last")
        await until(lambda: len(proxy.passages) > asked_for)
        closing = asyncio.create_task(proxy.listener.close())
        await stays(lambda: not closing.done())
        octets = await received(caller, b"ok")
        await closing
        assert octets.count(body) == asked_for
        assert octets.endswith(b"\r\n\r\nok")


async def test_an_answer_that_ends_with_the_connection_is_whole_at_its_end_whatever_becomes_of_the_upload() -> None:
    """The vendor said that this was all; that it does not take the rest of the request is no news."""
    loop = asyncio.get_running_loop()

    async def respond(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        (connection,) = acme.pool._open
        await until(lambda: connection.writing_paused)
        writer.write(b"HTTP/1.1 413 X\r\n\r\nno")
        writer.write_eof()
        await until(lambda: not connection.is_open())
        reset(writer)

    async with RawUpstream(respond=respond) as vendor:
        acme = provider(vendor.url)
        async with serve(Route.to(acme, "/a")) as proxy:
            with socket.create_connection(("127.0.0.1", proxy.port)) as caller:
                caller.setblocking(False)
                await asked(caller, proxy, "POST /a/x", "Content-Length: 100000000")
                sending = asyncio.create_task(loop.sock_sendall(caller, bytes(100_000_000)))
                answer = await received(caller, b"0\r\n\r\n")
                assert answer.endswith(b"\r\n\r\n2\r\nno\r\n0\r\n\r\n")
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)


def reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_refusals_too_wait_for_a_caller_who_pipelines_and_never_reads() -> None:
    loop = asyncio.get_running_loop()

    class Refused(Fixed):
        async def authorize(self, request: OutboundRequest) -> Injection:
            raise CredentialRejected

    async with serve(Route.to(provider("http://127.0.0.1:1", Refused()), "/a")) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as caller:
            caller.setblocking(False)
            request = f"GET /a/x HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\n\r\n".encode()
            await until(lambda: callers(proxy))
            (connection,) = callers(proxy)
            assert connection.socket is not None
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            asking = asyncio.create_task(loop.sock_sendall(caller, request * 20_000))
            seen = -1
            while len(proxy.passages) != seen:  # Until it stands still.
                seen = len(proxy.passages)
                await asyncio.sleep(0.1)
            assert 0 < seen < 5000
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)


async def test_a_vendor_that_answers_early_has_its_time_from_the_end_of_the_upload() -> None:
    """Until then it is the caller who is waited for, and the vendor may have nothing to say before it has all."""
    loop = asyncio.get_running_loop()

    async def respond(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nfirst-")
        await reader.readexactly(100_000)
        writer.write(b"second")

    async with (
        RawUpstream(respond=respond) as vendor,
        serve(Route.to(provider(vendor.url), "/a", timeout=0.2)) as proxy,
    ):
        with socket.create_connection(("127.0.0.1", proxy.port)) as caller:
            caller.setblocking(False)
            await asked(caller, proxy, "POST /a/x", "Content-Length: 100000")
            for _ in range(5):
                await asyncio.sleep(0.1)
                await loop.sock_sendall(caller, bytes(20_000))
            assert (await received(caller, b"second")).endswith(b"\r\n\r\nfirst-second")
        await until(lambda: proxy.passages)


async def test_a_vendor_that_answers_early_and_says_no_more_behind_the_upload_is_given_up() -> None:
    async def respond(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nfirst-")
        await reader.read()

    async with (
        RawUpstream(respond=respond) as vendor,
        serve(Route.to(provider(vendor.url), "/a", timeout=0.2)) as proxy,
    ):
        with socket.create_connection(("127.0.0.1", proxy.port)) as caller:
            caller.setblocking(False)
            await asked(caller, proxy, "POST /a/x", "Content-Length: 100000", body=bytes(99_999))
            await received(caller, b"first-")
            await asyncio.get_running_loop().sock_sendall(caller, b"x")
            with pytest.raises(ConnectionResetError):
                await received(caller, b"second")
        await until(lambda: proxy.passages)
        assert isinstance(proxy.passages[0].error, UpstreamTimeout)


@pytest.mark.parametrize("last", ["idle", "close", "eof"])
async def test_a_connection_that_is_closed_does_not_wait_for_ever_for_a_caller_who_takes_nothing(last: str) -> None:
    """What was written is still sent; so it is a whole answer's time until he is given up."""
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + bytes(60_000)

    async def respond(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK if request.target == "/last" else raw)

    async with between(respond) as (proxy, caller):
        await fill(proxy, lambda: asked(caller, proxy, "GET /a/x"))
        (connection,) = callers(proxy)
        match last:
            case "idle":
                connection.deadline.set(0)
            case "close":
                await asked(caller, proxy, "GET /a/last", "Connection: close")
            case "eof":
                caller.shutdown(socket.SHUT_WR)
        assert await stays(lambda: callers(proxy))
        assert asyncio.get_running_loop().time() + HEAD_SECONDS < connection.deadline._at < inf
        connection.deadline.set(0)
        await until(lambda: not callers(proxy))


@pytest.mark.parametrize(("method", "answers"), [("GET", b"\r\n\r\nok"), ("POST", b'"code": "upstream_disconnected"}')])
async def test_what_a_vendor_says_before_the_request_has_left_is_no_answer_to_it(method: str, answers: bytes) -> None:
    """Servers say 408 to a connection that was idle for too long. The request waits for the end of the turn meanwhile."""
    loop, writers = asyncio.get_running_loop(), []

    async def respond(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(OK)

    async with between(respond) as (proxy, caller):
        await asked(caller, proxy, "GET /a/first")
        await received(caller, b"ok")
        await asked(caller, proxy, f"{method} /a/second", "Content-Length: 0")
        loop.call_soon(kernel_takes, writers[0], b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 5\r\n\r\nstray")
        assert (await received(caller, answers)).endswith(answers)
        assert len(proxy.passages) == 2


async def test_callers_who_come_at_once_are_let_in_several_to_a_turn() -> None:
    """Whatever a turn costs is then not paid by each of them."""
    waiting = 16
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy, AsyncExitStack() as held:
        for _ in range(waiting):
            held.enter_context(socket.create_connection(("127.0.0.1", proxy.port)))
        turns = 0
        while len(callers(proxy)) < waiting:
            turns += 1
            assert turns < waiting / 2
            await asyncio.sleep(0)
