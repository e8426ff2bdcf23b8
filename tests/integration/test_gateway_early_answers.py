"""Many servers answer a body that they refuse, and hang up on the rest of it.

The reset shows first where more is written, and what they answered is with the kernel then.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Event, Thread

import pytest
import trustme

from proxy.errors import UpstreamDisconnected
from proxy.gateway.route import Provider, Route
from proxy.upstream.connection import StaleConnection, UpstreamConnection
from proxy.upstream.dialing import Dialer
from proxy.upstream.origin import split_url
from proxy.upstream.pool import UpstreamPool
from tests.served import Fixed, Holding, serve, status

PIECE = 100_000


class Hasty(Thread):
    """A vendor with one connection, who takes so many bytes, answers when he may, and resets."""

    def __init__(self, answer: bytes, takes: int, context: ssl.SSLContext | None) -> None:
        super().__init__(daemon=True)
        self._answer = answer
        self._takes = takes
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.is_connected, self.may_answer, self._has_reset = Event(), Event(), Event()
        scheme, port = "http" if context is None else "https", self._listening.getsockname()[1]
        self.origin, _ = split_url(f"{scheme}://localhost:{port}")

    def run(self) -> None:
        with self._listening as listening:
            accepted = listening.accept()[0]
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = accepted if self._context is None else self._context.wrap_socket(accepted, server_side=True)
        self.is_connected.set()
        while self._takes > 0:
            self._takes -= len(connection.recv(65536))
        self.may_answer.wait(10)
        connection.sendall(self._answer)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        self._has_reset.set()

    def answer_and_reset(self) -> None:
        """Both have come when this returns, and the event loop has not looked yet."""
        self.may_answer.set()
        assert self._has_reset.wait(10)


@asynccontextmanager
async def reachable(answer: bytes, *, over_tls: bool, takes: int = 0) -> AsyncIterator[tuple[UpstreamPool, Hasty]]:
    context = trusting = None
    if over_tls:
        authority = trustme.CA()
        context, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.issue_cert("localhost").configure_cert(context)
        authority.configure_trust(trusting)
    vendor = Hasty(answer, takes, context)
    vendor.start()
    pool = UpstreamPool(Dialer(vendor.origin, trusting, 5.0))
    try:
        yield pool, vendor
    finally:
        pool.close()
        vendor.answer_and_reset()
        await asyncio.to_thread(vendor.join)


def refusal(body: bytes) -> bytes:
    return b"HTTP/1.1 413 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def connected(pool: UpstreamPool, vendor: Hasty) -> UpstreamConnection:
    connection = await pool.connect()
    assert await asyncio.to_thread(vendor.is_connected.wait, 10)
    return connection


async def refused(pool: UpstreamPool, vendor: Hasty, size: int) -> UpstreamConnection:
    """A connection whose vendor answered and reset it before these bytes of a body were written."""
    connection = await connected(pool, vendor)
    answered = connection.begin(expects_body=True)
    connection.hear_last_words()
    vendor.answer_and_reset()
    if size:
        connection.offer(bytes(size))
    assert (await answered).status == 413
    return connection


async def whole_body(connection: UpstreamConnection) -> bytes:
    octets = b""
    while connection.body is not None and (piece := await connection.body.read()):
        octets += piece
    return octets


@pytest.mark.parametrize("over_tls", [False, True])
@pytest.mark.parametrize("body", [b"", b"no", bytes(40_000)])
@pytest.mark.parametrize("size", [PIECE, 100])
async def test_who_answers_early_and_resets_has_answered(over_tls: bool, body: bytes, size: int) -> None:
    """Also where what is written goes out at the end of the turn."""
    async with reachable(refusal(body), over_tls=over_tls) as (pool, vendor):
        connection = await refused(pool, vendor, size)
        assert await whole_body(connection) == body


@pytest.mark.parametrize("over_tls", [False, True])
async def test_half_an_answer_behind_a_reset_is_no_whole_one(over_tls: bool) -> None:
    async with reachable(refusal(b"12345")[:-1], over_tls=over_tls) as (pool, vendor):
        connection = await refused(pool, vendor, PIECE)
        with pytest.raises(UpstreamDisconnected):
            await whole_body(connection)


@pytest.mark.parametrize("over_tls", [False, True])
async def test_what_a_vendor_says_as_he_ends_a_kept_connection_answers_nothing(over_tls: bool) -> None:
    """Some say 408 to a connection that was idle for too long. The request that has not left may go on another one."""
    async with reachable(refusal(b""), over_tls=over_tls) as (pool, vendor):
        connection = await connected(pool, vendor)
        connection.is_reused = True
        answered = connection.begin(expects_body=True)
        connection.hear_last_words()
        connection.write(b"GET / HTTP/1.1\r\n\r\n")
        vendor.answer_and_reset()
        with pytest.raises(StaleConnection):
            await answered


@pytest.mark.parametrize("over_tls", [False, True])
@pytest.mark.parametrize("size", [0, PIECE])
async def test_a_body_that_only_the_connections_end_would_end_is_not_ended_by_a_reset(
    over_tls: bool, size: int
) -> None:
    """Whether a write finds it out or a read."""
    async with reachable(b"HTTP/1.1 413 X\r\n\r\nno", over_tls=over_tls) as (pool, vendor):
        connection = await refused(pool, vendor, size)
        with pytest.raises(UpstreamDisconnected):
            await whole_body(connection)


@pytest.mark.parametrize("over_tls", [False, True])
@pytest.mark.parametrize("scheme", [Fixed, Holding])
async def test_a_caller_is_told_of_it_in_the_middle_of_his_upload(over_tls: bool, scheme: type[Fixed]) -> None:
    for _ in range(5):
        async with reachable(refusal(b"no"), over_tls=over_tls, takes=1_000_000) as (pool, vendor):
            vendor.may_answer.set()
            async with serve(Route.to(Provider("acme", vendor.origin, "", scheme(), pool), "/a")) as proxy:
                reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
                head = f"POST /a/x HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\nContent-Length: 8000000\r\n\r\n"
                writer.write(head.encode() + bytes(8_000_000))
                async with asyncio.timeout(10):
                    answer = await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(2)
                writer.transport.abort()
        assert (status(answer), answer[-2:]) == (413, b"no")
