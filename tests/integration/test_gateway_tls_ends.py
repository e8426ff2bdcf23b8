"""How an answer ends over TLS: with the vendor's farewell (close_notify), or cut by somebody between."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import trustme

from proxy.gateway.route import Provider, Route
from proxy.upstream.dialing import Dialer
from proxy.upstream.origin import split_url
from proxy.upstream.pool import UpstreamPool
from proxy.wire.straight import LONG, SIZE, StraightReading
from tests.served import Fixed, serve, status

HEAD = b"HTTP/1.1 200 OK\r\n"
WHOLE = [
    (HEAD + b"Content-Length: 5\r\n\r\nhello", b"hello"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
]
UNENDED = [
    HEAD + b"Content-Length: 9\r\n\r\nhello",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
]
UNBOUNDED = HEAD + b"\r\nhello"

End = Callable[[asyncio.StreamWriter], None]


def farewell(writer: asyncio.StreamWriter) -> None:
    writer.close()


def cut(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@asynccontextmanager
async def vendor(answer: bytes, end: End, asked: list[bytes]) -> AsyncIterator[Route]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()
            while writer.transport.get_write_buffer_size():
                await asyncio.sleep(0)
            end(writer)

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(trusting)
    origin, _ = split_url(f"https://localhost:{server.sockets[0].getsockname()[1]}")
    try:
        yield Route.to(Provider("acme", origin, "", Fixed(), UpstreamPool(Dialer(origin, trusting, 5.0))), "/a")
    finally:
        server.close()


@pytest.mark.parametrize("end", [farewell, cut])
@pytest.mark.parametrize(("answer", "body"), WHOLE)
async def test_a_body_that_says_where_it_ends_is_whole_however_the_connection_ends(
    answer: bytes, body: bytes, end: End
) -> None:
    async with vendor(answer, end, []) as route, serve(route) as proxy:
        got = await proxy.ask("GET /a/x")
    assert (status(got), got.partition(b"\r\n\r\n")[2]) == (200, body)


async def test_a_body_that_ends_with_the_connection_is_whole_after_a_farewell() -> None:
    async with vendor(UNBOUNDED, farewell, []) as route, serve(route) as proxy:
        got = await proxy.ask("GET /a/x")
    assert got.endswith(b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n") and proxy.passages[0].error is None


@pytest.mark.parametrize(
    ("answer", "end"), [*[(answer, end) for answer in UNENDED for end in (farewell, cut)], (UNBOUNDED, cut)]
)
async def test_one_that_was_cut_never_looks_whole_and_is_asked_for_once(answer: bytes, end: End) -> None:
    """Who can cut a connection between here and the vendor cannot say farewell in its name (RFC 9112 §9.8)."""
    asked: list[bytes] = []
    async with vendor(answer, end, asked) as route, serve(route) as proxy:
        with suppress(ConnectionResetError):
            got = await proxy.ask("GET /a/x")
            assert status(got) == 502
    assert proxy.passages[0].error is not None
    assert len(asked) == 1


@pytest.mark.parametrize("length", [LONG, LONG + 3 * SIZE + 12_345])
async def test_a_long_body_is_whole_whatever_pieces_tls_brings_it_in(length: int) -> None:
    octets = random.Random(length).randbytes(length)
    answer = HEAD + b"Content-Length: %d\r\n\r\n" % length + octets
    async with vendor(answer, farewell, []) as route, serve(route) as proxy:
        got = await proxy.ask("GET /a/x")
    assert got.partition(b"\r\n\r\n")[2] == octets
    assert (proxy.passages[0].error, StraightReading.under_way) == (None, 0)


async def test_a_long_body_that_was_cut_never_looks_whole() -> None:
    answer = HEAD + b"Content-Length: %d\r\n\r\n" % (LONG + SIZE) + bytes(LONG)
    async with vendor(answer, cut, []) as route, serve(route) as proxy:
        with pytest.raises(ConnectionResetError):
            await proxy.ask("GET /a/x")
    assert proxy.passages[0].error is not None and StraightReading.under_way == 0


@pytest.mark.parametrize("last", [b"\x88\x02\x03\xe8", b"\x88\x02\x03", b"\x81\x01x"])
async def test_a_tunnel_that_was_cut_shows_it_unless_all_had_been_said(last: bytes) -> None:
    """Behind a whole Close frame there is nothing that could be missing."""
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    accept = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    answer = b"HTTP/1.1 101 -\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n" % accept
    async with vendor(answer + last, cut, []) as route, serve(route) as proxy:
        asked = proxy.ask("GET /a/x", "Upgrade: websocket", f"Sec-WebSocket-Key: {key}", "Connection: Upgrade")
        if len(last) == 4:
            assert (await asked).endswith(last)
        else:
            with pytest.raises(ConnectionResetError):
                await asked
    assert (proxy.passages[0].error is None) == (len(last) == 4)
