"""A vendor's answer: its head, and its body as it comes."""

from __future__ import annotations

import asyncio

from proxy.upstream.connection import RawHeaders, UpstreamConnection, VendorHead
from proxy.upstream.pool import UpstreamPool
from proxy.wire.arrived import Arrived
from proxy.wire.incoming import Incoming, Sink
from proxy.wire.straight import read_straight


class Answer:
    """A vendor's answer: its head is here, its body comes by `read`. Must be ended by `finish` or `abort`."""

    __slots__ = (
        "_body", "_connection", "_is_awaited", "_is_over", "_peeked", "_pool", "_timeout", "_upload", "head", "status",
    )  # fmt: skip

    def __init__(
        self,
        head: VendorHead,
        connection: UpstreamConnection,
        pool: UpstreamPool,
        upload: asyncio.Task[None] | None,
        timeout: float,
    ) -> None:
        self.head = head
        self.status = head.status
        self._body = connection.body
        self._connection = connection
        self._pool = pool
        self._upload = upload
        self._timeout = timeout
        self._peeked = b""
        self._is_awaited = False
        self._is_over = False
        if upload is not None and not upload.done():
            upload.add_done_callback(self._go_on_waiting)

    @property
    def headers(self) -> RawHeaders:
        return self.head.headers

    @property
    def connection(self) -> UpstreamConnection:
        """For whoever goes on with it in another protocol."""
        return self._connection

    @property
    def is_read(self) -> bool:
        """Whether the whole body has come and been read."""
        return not self._peeked and (self._body is None or self._body.is_read)

    def is_here(self) -> bool:
        """Whether all of it came in one piece, so that `read_nowait` gives all of it."""
        return self._body is None or isinstance(self._body, Arrived)

    def is_lost(self) -> bool:
        """Whether it was given up before all of it had come."""
        return self._is_over and self._body is not None and not self._body.is_complete

    def read_nowait(self) -> bytes:
        """What is there already; b"" if nothing is. Raises an UpstreamError if the body broke off."""
        if self._body is None:
            return b""
        if self._peeked:
            peeked, self._peeked = self._peeked, b""
            return peeked + self._body.take()
        return self._body.take()

    async def read(self) -> bytes:
        """The next piece of the body, b"" at its end.

        Raises UpstreamTimeout, UpstreamDisconnected or UpstreamProtocolError if the body breaks off.
        """
        piece = self.read_nowait()
        if piece or self._body is None or self._body.is_complete:
            return piece
        self._wait()
        try:
            return await self._body.read()
        finally:
            self._end_waiting()

    async def pour(self, sink: Sink) -> None:
        """Hand each piece of the body to the sink as it comes, until it has enough for now, or the body ends.

        The sink passes each on at once and keeps none. Raises as `read` does.
        """
        body = self._body
        assert isinstance(body, Incoming)
        read_straight(body)

        def passed_on(piece: bytes) -> bool:
            self._wait()
            return sink(piece)

        self._wait()
        try:
            await body.pour(passed_on)
        finally:
            self._end_waiting()

    async def peek(self, limit: int) -> bytes | None:
        """The whole body if it has at most `limit` bytes, else None; either way it can still be read."""
        pieces, size = [], 0
        while size <= limit and (piece := await self.read()):
            pieces.append(piece)
            size += len(piece)
        self._peeked = b"".join(pieces)
        return self._peeked if size <= limit else None

    def _wait(self) -> None:
        """The vendor has its time from now on; as long as the request's body is on its way, it waits for the caller."""
        self._is_awaited = True
        if self._upload is None or self._upload.done():
            self._connection.deadline.set(self._timeout)

    def _go_on_waiting(self, _: asyncio.Task[None]) -> None:
        if self._is_awaited:
            self._wait()

    def _end_waiting(self) -> None:
        self._is_awaited = False
        self._connection.deadline.clear()

    def finish(self, now: float) -> None:
        """Nothing more will be read; the connection is used again if both sides are through."""
        if self._upload is not None and not is_sent(self._upload):
            self.abort()
        elif not self._is_over:
            self._is_over = True
            self._pool.release(self._connection, now)

    def abort(self) -> None:
        """Nobody wants the rest: the connection is closed, unless the answer is over and it may be another's."""
        if self._is_over:
            return
        self._is_over = True
        if self._upload is not None:
            self._upload.cancel()
        self._connection.close()


def is_sent(upload: asyncio.Task[None]) -> bool:
    """Whether all of a body was sent."""
    return upload.done() and not upload.cancelled() and upload.exception() is None
