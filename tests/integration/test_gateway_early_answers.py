"""Many servers answer a body that they refuse and hang up on the rest of it; the reset shows first where more is written."""

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

from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.dialing import Dialer
from proxy.upstream.origin import split_url
from proxy.upstream.pool import UpstreamPool

ANSWER = b"HTTP/1.1 413 X\r\nContent-Length: 2\r\n\r\nno"
PIECE = 100_000


class Hasty(Thread):
    """A vendor with one connection, who answers when he is told to, and resets it."""

    def __init__(self, answer: bytes, context: ssl.SSLContext | None) -> None:
        super().__init__(daemon=True)
        self._answer = answer
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.is_connected, self._may_answer, self._has_reset = Event(), Event(), Event()
        self.url = f"http{'s' if context else ''}://localhost:{self._listening.getsockname()[1]}"

    def run(self) -> None:
        with self._listening as listening:
            accepted = listening.accept()[0]
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = accepted if self._context is None else self._context.wrap_socket(accepted, server_side=True)
        self.is_connected.set()
        self._may_answer.wait(10)
        connection.sendall(self._answer)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        self._has_reset.set()

    def answer_and_reset(self) -> None:
        """Both have come when this returns, and the event loop has not looked yet."""
        self._may_answer.set()
        assert self._has_reset.wait(10)


@asynccontextmanager
async def connected(answer: bytes, *, over_tls: bool) -> AsyncIterator[tuple[UpstreamConnection, Hasty]]:
    context = trusting = None
    if over_tls:
        authority = trustme.CA()
        context, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.issue_cert("localhost").configure_cert(context)
        authority.configure_trust(trusting)
    vendor = Hasty(answer, context)
    vendor.start()
    pool = UpstreamPool(Dialer(split_url(vendor.url)[0], trusting, 5.0))
    try:
        connection = await pool.connect()
        assert await asyncio.to_thread(vendor.is_connected.wait, 10)
        yield connection, vendor
    finally:
        pool.close()
        vendor.answer_and_reset()
        await asyncio.to_thread(vendor.join)


@pytest.mark.parametrize("over_tls", [False, True])
@pytest.mark.parametrize("body", [b"", b"no", bytes(40_000)])
async def test_who_answers_early_and_resets_has_answered(over_tls: bool, body: bytes) -> None:
    raw = b"HTTP/1.1 413 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with connected(raw, over_tls=over_tls) as (connection, vendor):
        answered = connection.begin(expects_body=True)
        vendor.answer_and_reset()
        connection.offer(bytes(PIECE))
        assert (await answered).status == 413
        read = b""
        while connection.body is not None and (piece := await connection.body.read()):
            read += piece
    assert read == body


async def test_in_plain_text_also_if_that_came_as_the_piece_was_on_its_way() -> None:
    async with connected(ANSWER, over_tls=False) as (connection, vendor):
        answered = connection.begin(expects_body=True)
        connection.offer(bytes(100))  # Goes out at the end of the turn.
        vendor.answer_and_reset()
        assert (await answered).status == 413
