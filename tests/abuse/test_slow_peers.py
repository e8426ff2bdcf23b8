"""Slow, idle and numerous peers (cases 37, 38, 64, 65, 70): bounded memory, bounded waiting, nobody else affected."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.gateway.gateway import Gateway
from proxy.gateway.guard import Guard
from proxy.gateway.route import Route, RouteTable
from proxy.gateway.server import Listener
from proxy.listening import bind
from tests.raw_upstream import OK, RawUpstream, Received
from tests.served import Fixed, Holding, Served, Witness, provider, serve, status

MEGABYTE = 1_000_000
PIECE = bytes(64 * 1024)


class Leaping:
    """Lets an event loop's clock leap, for limits that are longer than a test should be."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._begun, self._leapt = self._loop.time, 0.0
        self._loop.time = lambda: self._begun() + self._leapt  # type: ignore[method-assign]

    async def leap(self, seconds: float) -> None:
        self._leapt += seconds
        for _ in range(10):
            await asyncio.sleep(0)


def resident() -> int:
    """Bytes of memory that this process occupies."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def head(proxy: Served, line: str = "GET /a/x", *fields: str) -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", f"Host: 127.0.0.1:{proxy.port}", *fields, "", ""]).encode()


def pieces(total: int) -> Iterator[bytes]:
    for _ in range(total // len(PIECE)):
        yield PIECE


async def narrow_socket(port: int) -> socket.socket:
    """A connection of which the kernel keeps little."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return sock


async def test_a_large_answer_to_a_slow_caller_occupies_no_memory() -> None:
    """Case 38: the vendor is paused meanwhile."""
    size, written = 300 * MEGABYTE // len(PIECE) * len(PIECE), 0

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for piece in pieces(size):
            writer.write(piece)
            await writer.drain()
            written += len(piece)

    loop = asyncio.get_running_loop()
    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        with await narrow_socket(proxy.port) as sock:
            await loop.sock_sendall(sock, head(proxy, "GET /a/x", "Connection: close"))
            await asyncio.sleep(0.3)  # The caller reads nothing: whatever can fill up does.
            assert written < 30 * MEGABYTE
            before, most, got = resident(), 0, 0
            async with asyncio.timeout(60):
                while piece := await loop.sock_recv(sock, 1024 * 1024):
                    got += len(piece)
                    most = max(most, resident())
    assert got > size
    assert most - before < 10 * MEGABYTE


async def test_a_large_upload_to_a_slow_vendor_occupies_no_memory() -> None:
    size, most, before = 300 * MEGABYTE // len(PIECE) * len(PIECE), 0, 0

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal most, before
        await asyncio.sleep(0.3)
        before, left = resident(), size
        while left:
            left -= len(await reader.read(1024 * 1024))
            most = max(most, resident())
        writer.write(OK)

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(head(proxy, "POST /a/x", f"Content-Length: {size}"))
        async with asyncio.timeout(60):
            for piece in pieces(size):
                writer.write(piece)
                await writer.drain()
            answer = await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert status(answer) == 200
    assert most - before < 10 * MEGABYTE


@pytest.mark.parametrize("is_held", [False, True])
async def test_a_vendor_that_takes_a_body_slowly_but_on_and_on_is_waited_for(is_held: bool) -> None:
    """The time-out is between two parts that it takes, however small, and not for all that waits for it."""
    clock, size, took = Leaping(), 15 * MEGABYTE, 250_000

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(size // took):
            await reader.readexactly(took)
            await clock.leap(40)
        writer.write(OK)
        await writer.drain()
        writer.close()

    listening = socket.socket()
    # The kernel shall keep little, so that it shows when something is taken.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    listening.bind(("127.0.0.1", 0))
    vendor = await asyncio.start_server(respond, sock=listening)
    url, scheme = f"http://127.0.0.1:{listening.getsockname()[1]}", Holding() if is_held else Fixed()
    async with vendor, serve(Route.to(provider(url, scheme), "/a", timeout=60.0)) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(head(proxy, "POST /a/x", f"Content-Length: {size}") + bytes(size))
        async with asyncio.timeout(3600 * 24):
            answer = await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert status(answer) == 200


async def test_slow_headers_are_hung_up_on_and_others_served_meanwhile() -> None:
    """Case 37: idle connections, half a head, and heads that drip."""
    clock = Leaping()
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        slow = [await asyncio.open_connection("127.0.0.1", proxy.port) for _ in range(100)]
        for number, (_, writer) in enumerate(slow):
            writer.write(b"GET /a/x HTTP/1.1\r\nHost: x\r\nX-"[: 40 if number % 2 else 0])
        for _ in range(3):
            assert status(await proxy.ask("GET /a/x")) == 200
            await clock.leap(4)
            for _, writer in slow[1::2]:
                writer.write(b"x")
        await clock.leap(4)
        async with asyncio.timeout(5):
            for reader, writer in slow:
                assert await reader.read() == b""
                writer.close()
        assert status(await proxy.ask("GET /a/x")) == 200


@pytest.mark.parametrize("framing", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
async def test_a_body_that_does_not_come_is_a_408(framing: str) -> None:
    clock = Leaping()
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(head(proxy, "POST /a/x", framing))
        while not vendor.requests:
            await asyncio.sleep(0)
        await clock.leap(31)
        assert status(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)) == 408
        writer.close()


async def test_a_body_that_goes_on_slowly_is_given_the_time_that_it_takes() -> None:
    """The limit is between two pieces, not for all of them; both ways."""
    clock = Leaping()
    steps: asyncio.Queue[bytes] = asyncio.Queue()

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        while True:
            writer.write(await steps.get())

    async with (
        RawUpstream(respond=respond) as vendor,
        serve(Route.to(provider(vendor.url), "/a", timeout=25.0)) as proxy,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(head(proxy, "POST /a/x", "Transfer-Encoding: chunked"))
        for _ in range(5):
            writer.write(b"1\r\nx\r\n")
            await _passed(lambda: bool(vendor.requests))
            await clock.leap(20)
        writer.write(b"0\r\n\r\n")
        assert status(await reader.readuntil(b"\r\n\r\n")) == 200
        for piece in (b"1", b"2", b"3", b"4", b"5"):
            await clock.leap(20)
            await steps.put(piece)
            assert await reader.readexactly(1) == piece
        writer.close()


async def _passed(happened: Callable[[], bool]) -> None:
    while not happened():
        await asyncio.sleep(0)
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_caller_who_takes_nothing_of_an_answer_is_given_up_in_the_end() -> None:
    clock = Leaping()
    hung_up = asyncio.Event()

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(PIECE)
                await writer.drain()
        finally:
            hung_up.set()

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        with await narrow_socket(proxy.port) as sock:
            await asyncio.get_running_loop().sock_sendall(sock, head(proxy))
            await asyncio.sleep(0.3)
            await clock.leap(290)
            assert not hung_up.is_set()
            await clock.leap(11)
            await asyncio.wait_for(hung_up.wait(), 5)
        assert proxy.passages[0].status == 499


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_what_may_have_run_is_not_sent_again(method: str) -> None:
    """Case 64: the kept connection dies as the request is written."""

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if received.target == "/first":
            writer.write(OK)
        else:
            writer.close()

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        await proxy.ask("GET /a/first")
        assert status(await proxy.ask(f"{method} /a/second")) == 502
    assert [received.target for received in vendor.requests] == ["/first", "/second"]


async def test_a_stop_lets_what_is_under_way_end() -> None:
    """Case 65: fifty downloads and fifty uploads, half done when the stop begins."""
    halfway, go_on = 0, asyncio.Event()

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal halfway
        if received.line.startswith("GET"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
            halfway += 1
            await go_on.wait()
            writer.write(b"other")
        else:
            await reader.readuntil(b"ab\r\n")
            halfway += 1
            await reader.readuntil(b"0\r\n\r\n")
            writer.write(OK)

    async def upload(proxy: Served) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(head(proxy, "POST /a/x", "Transfer-Encoding: chunked"))
        writer.write(b"2\r\nab\r\n")
        await go_on.wait()
        writer.write(b"2\r\ncd\r\n0\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        asking = [asyncio.create_task(proxy.ask("GET /a/x") if n % 2 else upload(proxy)) for n in range(100)]
        while halfway < 100:
            await asyncio.sleep(0.001)
        draining = asyncio.create_task(proxy.gateway.drain(10))
        await asyncio.sleep(0)
        go_on.set()
        answers = await asyncio.wait_for(asyncio.gather(*asking), 10)
        await draining
    assert [status(answer) for answer in answers] == [200] * 100
    assert all(answer.endswith(b"firstother" if n % 2 else b"ok") for n, answer in enumerate(answers))


@pytest.mark.parametrize("is_busy", [False, True])
async def test_a_stop_turns_nobody_away_who_is_connected(is_busy: bool) -> None:
    """Case 65: neither those in the kernel's queue nor those who have not sent their request yet."""

    def connected(port: int) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setblocking(False)
        return sock

    async def asked(sock: socket.socket, request: bytes) -> bytes:
        loop, answer = asyncio.get_running_loop(), b""
        with sock:
            await loop.sock_sendall(sock, request)
            while piece := await loop.sock_recv(sock, 65536):
                answer += piece
        return answer

    async with RawUpstream() as vendor:
        bound = bind("127.0.0.1:0")
        port = bound.getsockname()[1]
        gateway = Gateway(Guard(port), RouteTable([Route.to(provider(vendor.url), "/a")]), Witness([]))
        listener = Listener(gateway)
        await listener.listen(bound)
        if is_busy:
            callers = [connected(port) for _ in range(20)]
            while len(listener.connections) < 20:
                await asyncio.sleep(0)
        else:
            callers = [connected(port) for _ in range(20)]  # The loop had no turn to accept them.
        gateway.is_draining = True
        await listener.stop_accepting()
        with pytest.raises(ConnectionRefusedError):
            connected(port)
        request = f"GET /a/x HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        asking = [asyncio.create_task(asked(sock, request)) for sock in callers]
        await listener.farewell()
        await gateway.drain(5)
        await listener.close()
        answers = await asyncio.wait_for(asyncio.gather(*asking), 5)
    assert [status(answer) for answer in answers] == [200] * 20
    assert all(b"\r\nConnection: close\r\n" in answer for answer in answers)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("request_line", ["GET /a/x", "POST /a/x"])
async def test_a_caller_who_ends_its_own_sending_still_gets_its_answers(request_line: str, count: int) -> None:
    """Case 70: half-closed, as by `nc -N`, with one request or several."""

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(OK)

    body = b"ab" if request_line.startswith("POST") else b""
    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write((head(proxy, request_line, f"Content-Length: {len(body)}") + body) * count)
        writer.write_eof()
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == count and answer.endswith(b"ok")


async def test_a_caller_who_goes_away_in_the_middle_of_its_body_is_not_waited_for() -> None:
    gone = asyncio.Event()

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(100):
            pass
        gone.set()

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(head(proxy, "POST /a/x", "Content-Length: 100000") + b"half")
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        if vendor.requests:
            await asyncio.wait_for(gone.wait(), 5)


async def test_callers_who_close_right_behind_their_answer_leave_nothing_behind() -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(200):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(head(proxy))
            await reader.readuntil(b"ok")
            writer.close()
        await asyncio.sleep(0.2)
        assert len(os.listdir("/proc/self/fd")) < before + 20
