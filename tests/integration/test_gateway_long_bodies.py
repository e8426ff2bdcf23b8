"""Bodies long enough to be read straight into buffers of our own: whole, in order, and nobody else's."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

import pytest

from proxy.gateway.route import Route
from proxy.wire.straight import LONG, MOST, SIZE, StraightReading
from tests.raw_upstream import RawUpstream, Received
from tests.served import Served, provider, serve

LENGTH = LONG + 3 * SIZE + 12_345


def content(number: int, length: int = LENGTH) -> bytes:
    return random.Random(number).randbytes(length)


@asynccontextmanager
async def before(upstream: RawUpstream) -> AsyncIterator[Served]:
    async with upstream, serve(Route.to(provider(upstream.url), "/v")) as proxy:
        yield proxy
        async with asyncio.timeout(10):
            while StraightReading.under_way:
                await asyncio.sleep(0)


async def opened(proxy: Served, line: str, *fields: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    lines = [f"{line} HTTP/1.1", f"Host: 127.0.0.1:{proxy.port}", *fields, "", ""]
    writer.write("\r\n".join(lines).encode())
    return reader, writer


async def body_of(reader: asyncio.StreamReader, block: int = 1 << 20) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    left = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    pieces = []
    while left:
        piece = await reader.read(min(left, block))
        assert piece
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


async def answers_by_number(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """GET /7 is answered with the seventh content, in pieces of many sizes."""
    number = int(request.target[1:])
    octets, source, at = content(number), random.Random(-number), 0
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(octets))
    while at < len(octets):
        size = source.choice([1, 100, 5_000, 70_000, 600_000, 3_000_000])
        writer.write(octets[at : at + size])
        at += size
        await writer.drain()
        peaks.append(StraightReading.under_way)


peaks: list[int] = []


async def test_many_long_answers_at_once_are_each_whole_and_its_own() -> None:
    """More than are read straight at a time, to fast readers and slow ones."""
    peaks.clear()

    async def ask(number: int, proxy: Served) -> None:
        reader, writer = await opened(proxy, f"GET /v/{number}")
        assert (
            sha256(await body_of(reader, block=(4096, 1 << 20)[number % 2])).digest()
            == sha256(content(number)).digest()
        )
        writer.close()

    async with before(RawUpstream(respond=answers_by_number)) as proxy:
        await asyncio.gather(*(ask(number, proxy) for number in range(MOST + 4)))
    assert 1 < max(peaks) <= MOST


async def test_long_uploads_arrive_whole_and_the_next_request_behind_them_is_read() -> None:
    async def ask(number: int, proxy: Served) -> None:
        reader, writer = await opened(proxy, f"POST /v/{number}", f"Content-Length: {LENGTH}")
        second = f"GET /v/{number}/behind HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\n\r\n".encode()
        writer.write(content(number) + second)
        assert [await body_of(reader), await body_of(reader)] == [b"ok", b"ok"]
        writer.close()

    upstream = RawUpstream()
    async with before(upstream) as proxy:
        await asyncio.gather(*(ask(number, proxy) for number in range(6)))
    arrived = {request.target: request.body for request in upstream.requests}
    assert arrived == {f"/{n}": content(n) for n in range(6)} | {f"/{n}/behind": b"" for n in range(6)}


async def test_a_connection_is_used_again_behind_a_long_answer() -> None:
    upstream = RawUpstream(respond=answers_by_number)
    async with before(upstream) as proxy:
        for number in range(3):
            reader, writer = await opened(proxy, f"GET /v/{number}")
            assert await body_of(reader) == content(number)
            writer.close()
    assert upstream.connections == 1


async def test_an_answer_that_breaks_off_breaks_off_at_the_caller_too() -> None:
    async def respond(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LENGTH)
        writer.write(content(1)[: LENGTH - 10])
        await writer.drain()
        writer.close()

    async with before(RawUpstream(respond=respond)) as proxy:
        reader, writer = await opened(proxy, "GET /v/1")
        with pytest.raises(ConnectionResetError):
            await body_of(reader)
        writer.close()
        assert [passage.error.code for passage in proxy.passages if passage.error] == ["upstream_disconnected"]


async def test_a_caller_who_leaves_a_long_answer_ends_it_at_the_vendor() -> None:
    ended = asyncio.Event()

    async def respond(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (100 * LENGTH))
        try:
            while True:
                writer.write(bytes(SIZE))
                await writer.drain()
        except ConnectionError:
            ended.set()

    async with before(RawUpstream(respond=respond)) as proxy:
        reader, writer = await opened(proxy, "GET /v/1")
        await reader.readexactly(3 * SIZE)
        assert StraightReading.under_way == 1
        writer.transport.abort()
        async with asyncio.timeout(10):
            await ended.wait()


async def test_an_answer_before_the_upload_ends_reaches_a_caller_who_sends_on_before_he_reads() -> None:
    """What he sends is read and dropped for a moment: unread, it would make the kernel reset the connection."""

    async def respond(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(SIZE)
        writer.write(b"HTTP/1.1 413 X\r\nContent-Length: 2\r\n\r\nno")
        await writer.drain()
        await reader.read()

    async with before(RawUpstream(respond=respond)) as proxy:
        reader, writer = await opened(proxy, "POST /v/1", f"Content-Length: {100 * LENGTH}")
        async with asyncio.timeout(10):
            for _ in range(16):
                writer.write(bytes(SIZE))
                await writer.drain()
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413 ")
            assert await reader.readexactly(2) == b"no"
        writer.close()


async def test_an_answer_reaches_a_caller_whose_upload_had_to_wait_for_the_vendor() -> None:
    """He is not left with what the kernel could not hold: it is read and dropped as well."""
    is_stuck = asyncio.Event()

    async def respond(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await is_stuck.wait()
        writer.write(b"HTTP/1.1 413 X\r\nContent-Length: 2\r\n\r\nno")
        await writer.drain()
        await reader.read()

    async with before(RawUpstream(respond=respond)) as proxy:
        reader, writer = await opened(proxy, "POST /v/1", f"Content-Length: {100 * LENGTH}")
        writer.write(bytes(32 * SIZE))
        left, turns = 0, 0
        async with asyncio.timeout(20):
            while turns < 500:
                now = writer.transport.get_write_buffer_size()
                left, turns = now, turns + 1 if now == left else 0
                await asyncio.sleep(0)
            assert left > SIZE, "the vendor takes nothing, so some of it is still here"
            is_stuck.set()
            await writer.drain()
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413 ")
            assert await reader.readexactly(2) == b"no"
        writer.close()


@pytest.mark.parametrize("length", [1, 65_536, 262_000, 262_145, 400_000, 524_289, 700_000, 1_500_000])
async def test_answers_that_come_in_a_few_reads_of_one_turn_are_whole(length: int) -> None:
    """A kernel has them all before anybody reads, and the event loop may read on as long as there is something."""
    octets = content(length, length)

    async def respond(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + octets)

    async with before(RawUpstream(respond=respond)) as proxy:
        reader, writer = await opened(proxy, "GET /v/1")
        async with asyncio.timeout(20):
            for _ in range(8):
                assert await body_of(reader) == octets
                writer.write(f"GET /v/1 HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\n\r\n".encode())
        writer.close()


@pytest.mark.parametrize("pieces", [[1], [20_000], [20_000, 1, 300_000, 1, 70_000]])
async def test_a_piece_of_a_long_answer_does_not_wait_for_the_next(pieces: list[int]) -> None:
    """However much the kernel was asked to wait for: the vendor sends on only when the caller has what came before."""
    has_come = asyncio.Event()
    octets = content(1)

    async def respond(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LENGTH)
        at = 0
        for size in pieces * 6:
            writer.write(octets[at : at + size])
            at += size
            await has_come.wait()
            has_come.clear()
        writer.write(octets[at:])

    async with before(RawUpstream(respond=respond)) as proxy:
        reader, writer = await opened(proxy, "GET /v/1")
        await reader.readuntil(b"\r\n\r\n")
        got = b""
        async with asyncio.timeout(20):
            for size in pieces * 6:
                got += await reader.readexactly(size)
                has_come.set()
            got += await reader.readexactly(LENGTH - len(got))
        assert got == octets
        writer.close()


async def test_a_piece_of_a_long_upload_does_not_wait_for_the_next() -> None:
    has_come = asyncio.Event()

    async def respond(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = 0
        for _ in range(20):
            got += len(await reader.readexactly(20_000))
            has_come.set()
        await reader.readexactly(LENGTH - got)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with before(RawUpstream(respond=respond)) as proxy:
        reader, writer = await opened(proxy, "PUT /v/1", f"Content-Length: {LENGTH}")
        async with asyncio.timeout(20):
            for _ in range(20):
                writer.write(bytes(20_000))
                await has_come.wait()
                has_come.clear()
            writer.write(bytes(LENGTH - 20 * 20_000))
            assert await body_of(reader) == b"ok"
        writer.close()


async def test_a_piece_of_a_long_answer_in_chunks_does_not_wait_for_the_next() -> None:
    """Nor does the last chunk, behind which nothing comes; nor the next answer on that connection."""
    has_come = asyncio.Event()
    bulk = b"%x\r\n%b\r\n" % (SIZE, bytes(SIZE))

    async def respond(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if request.target == "/2":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            return
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(8):
            writer.write(bulk)
            await has_come.wait()
            has_come.clear()
        for _ in range(6):
            writer.write(b"4e20\r\n%b\r\n" % bytes(20_000))
            await has_come.wait()
            has_come.clear()
        writer.write(b"0\r\n\r\n")

    upstream = RawUpstream(respond=respond)
    async with before(upstream) as proxy, asyncio.timeout(20):
        reader, writer = await opened(proxy, "GET /v/1")
        await reader.readuntil(b"\r\n\r\n")
        for size in [SIZE] * 8 + [20_000] * 6:
            left = size
            while left:
                left -= (chunk := int(await reader.readline(), 16))
                await reader.readexactly(chunk + 2)
            has_come.set()
        assert await reader.readexactly(5) == b"0\r\n\r\n"
        writer.write(f"GET /v/2 HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\n\r\n".encode())
        assert await body_of(reader) == b"ok"
        writer.close()
    assert upstream.connections == 1
