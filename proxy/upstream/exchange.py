"""One request and its answer, over one connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp.streams import StreamReader

from proxy.errors import UpstreamTimeout
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.pool import UpstreamPool

# What the kernel takes at once; of a longer body it shows whether the vendor goes on taking it.
_PIECE = 64 * 1024

RawHeaders = tuple[tuple[bytes, bytes], ...]

# What RFC 9110 §9.2.1 calls safe: to send one again changes nothing at the vendor.
REPEATABLE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request as bytes. `head` ends with the empty line and names the framing of `body`.

    `body` is the whole body, or chunks that are already framed as `head` says.
    """

    method: str
    head: bytes = field(repr=False)
    body: bytes | AsyncIterator[bytes] = field(repr=False)


class Answer:
    """A vendor's answer: its head is here, its body comes by `read`. Must be ended by `finish` or `abort`."""

    __slots__ = ("_connection", "_is_over", "_payload", "_peeked", "_pool", "_timeout", "_upload", "headers", "status")

    def __init__(
        self,
        status: int,
        headers: RawHeaders,
        payload: StreamReader,
        connection: UpstreamConnection,
        pool: UpstreamPool,
        upload: asyncio.Task[None] | None,
        timeout: float,
    ) -> None:
        self.status = status
        self.headers = headers
        self._payload = payload
        self._connection = connection
        self._pool = pool
        self._upload = upload
        self._timeout = timeout
        self._peeked: bytes | None = None
        self._is_over = False

    @property
    def is_read(self) -> bool:
        """Whether the whole body has come and been read."""
        return not self._peeked and self._payload.at_eof()

    def read_nowait(self) -> bytes:
        """What is there already, or some of it; b"" if nothing is. Raises an UpstreamError if the body broke off."""
        peeked, self._peeked = self._peeked or b"", None
        return peeked + self._payload.read_nowait(-1)

    async def peek(self, limit: int) -> bytes | None:
        """The whole body if it has at most `limit` bytes, else None; either way it can still be read."""
        pieces, size = [], 0
        while size <= limit and (piece := await self.read()):
            pieces.append(piece)
            size += len(piece)
        self._peeked = b"".join(pieces)
        return self._peeked if size <= limit else None

    async def read(self) -> bytes:
        """The next piece of the body, b"" at its end.

        Raises UpstreamTimeout, UpstreamDisconnected or UpstreamProtocolError if the body breaks off.
        """
        # What is there already needs no time-out; most answers are.
        piece = self.read_nowait()
        if piece or self._payload.is_eof():
            return piece
        timer = asyncio.get_running_loop().call_later(self._timeout, self._connection.give_up)
        try:
            return await self._payload.readany()
        finally:
            timer.cancel()

    def finish(self) -> None:
        """Nothing more will be read; the connection is used again if both sides are through."""
        if self._upload is not None and not _is_sent(self._upload):
            self.abort()
        elif not self._is_over:
            self._is_over = True
            self._pool.release(self._connection)

    def abort(self) -> None:
        """Nobody wants the rest: the connection is closed, unless the answer is over and it may be another's."""
        if self._is_over:
            return
        self._is_over = True
        if self._upload is not None:
            self._upload.cancel()
        self._connection.close()


async def exchange(
    pool: UpstreamPool, request: WireRequest, timeout: float, *, on_new_connection: bool = False
) -> Answer:
    """Send a request and return as soon as the final answer's head is there.

    `timeout` is in seconds: between two parts of the request's body that the vendor takes, from the end of the
    request to the answer's head, and between two reads of the answer's body. Raises an UpstreamError;
    StaleConnection where the request may be sent once more, on a new connection.
    """
    if on_new_connection:
        connection = await pool.connect()
    else:
        connection = await pool.acquire(repeatable=request.method in REPEATABLE_METHODS)
    return await exchange_over(connection, pool, request, timeout)


async def exchange_over(
    connection: UpstreamConnection, pool: UpstreamPool, request: WireRequest, timeout: float
) -> Answer:
    upload: asyncio.Task[None] | None = None
    try:
        connection.begin(expects_body=request.method != "HEAD")
        body = request.body
        if isinstance(body, bytes) and len(body) <= _PIECE:
            connection.write(request.head + body)
        else:
            connection.write(request.head)
            pieces = _pieces(body) if isinstance(body, bytes) else body
            upload = asyncio.create_task(_send(connection, pieces, timeout))
            upload.add_done_callback(_is_sent)
            await _sent_or_answered(connection, upload)
        timer = asyncio.get_running_loop().call_later(timeout, connection.give_up)
        try:
            message, payload = await connection.answer
        finally:
            timer.cancel()
    except BaseException:
        connection.close()
        if upload is not None:
            upload.cancel()
        raise
    return Answer(message.code, message.raw_headers, payload, connection, pool, upload, timeout)


async def _send(connection: UpstreamConnection, body: AsyncIterator[bytes], timeout: float) -> None:
    async for octets in body:
        connection.write(octets)
        if connection.writing_paused:
            try:
                async with asyncio.timeout(timeout):
                    await connection.drain()
            except TimeoutError:
                raise UpstreamTimeout from None


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), _PIECE):
        yield body[at : at + _PIECE]


async def _sent_or_answered(connection: UpstreamConnection, upload: asyncio.Task[None]) -> None:
    """Wait until the body is sent or the vendor answers before that. Raises what ended the upload early."""
    try:
        either: set[asyncio.Future[Any]] = {connection.answer, upload}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        upload.cancel()
        raise
    if upload.done() and not connection.answer.done():
        upload.result()


def _is_sent(upload: asyncio.Task[None]) -> bool:
    return upload.done() and not upload.cancelled() and upload.exception() is None
