"""A body as it comes in: taken from one connection in pieces, with back-pressure, and never collected here."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from proxy.wire.chunks import ChunkDecoder
from proxy.wire.coalescing import Coalescing
from proxy.wire.source import ENDED, Source

# Above this many bytes the sender is paused until half of it has been taken; see docs/PERFORMANCE.md.
HIGH_WATER = 512 * 1024
_LOW_WATER = HIGH_WATER // 2
# To put pieces of this size together would be to copy them.
_LARGE = 64 * 1024


# Takes a piece, and says whether it may have another one at once.
Sink = Callable[[bytes], bool]


class Incoming:
    """`left` is the number of bytes still to come where that is known; `decoder` is for a chunked body.

    With neither, the body ends with the connection.
    """

    __slots__ = (
        "_decoder", "_error", "_is_paused", "_left", "_pieces", "_sink", "_size", "_waiter", "coalescing",
        "is_complete", "loop", "source",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        source: Source,
        left: int | None = None,
        decoder: ChunkDecoder | None = None,
    ) -> None:
        self.loop = loop
        self.source: Source = source
        self._left = left
        self._decoder = decoder
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._is_paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._sink: Sink | None = None
        self._error: type[Exception] | None = None
        # Told of each read, where the length is not known: whoever passes the body on decides.
        self.coalescing: Coalescing | None = None
        self.is_complete = left == 0

    @property
    def is_read(self) -> bool:
        """Whether all of it has come and been taken."""
        return self.is_complete and not self._pieces

    @property
    def is_bounded(self) -> bool:
        """Whether the message says where its body ends."""
        return self._left is not None or self._decoder is not None

    @property
    def has_length(self) -> bool:
        return self._left is not None

    @property
    def left(self) -> int:
        """How many bytes are still to come, where that is known; otherwise 0."""
        return self._left or 0

    # --- The connection's side ------------------------------------------------------------------------

    def receive(self, data: bytes) -> bytes:
        """Take what belongs to the body; what lies behind it is given back. Raises BadChunk."""
        behind = b""
        left = self._left
        if self.coalescing is not None:
            self.coalescing.has_read(len(data), None)
        if left is not None:
            if len(data) > left:
                data, behind = data[:left], data[left:]
            self._left = left = left - len(data)
            self.is_complete = not left
        elif self._decoder is not None:
            data, behind = self._decoder.feed(data)
            self.is_complete = self._decoder.is_complete
            if self.is_complete and self.coalescing is not None:
                self.coalescing.end()
        if data and self._sink is not None:
            if not self._sink(data):
                self._sink = None
                self._wake()
            elif self.is_complete:
                self._wake()
        elif data:
            self._pieces.append(data)
            self._size += len(data)
            if self._size > HIGH_WATER and not self.is_complete and not self._is_paused:
                self._is_paused = True
                self.source.pause_reading()
            self._wake()
        elif self.is_complete:
            self._wake()
        return behind

    def take_back(self) -> bytes:
        """The last piece that came, as if it had not come yet; b"" if it was taken."""
        if not self._pieces or self._left is None:
            return b""
        data = self._pieces.pop()
        self._size -= len(data)
        self._left += len(data)
        return data

    def end(self) -> None:
        """The connection ended, and with it a body that has no other end."""
        self.is_complete = True
        self._wake()

    def fail(self, error: type[Exception]) -> None:
        """It broke off; whoever reads on, is told so, by an error that this does not keep: it holds its readers."""
        if self._error is None and not self.is_complete:
            self._error = error
            self._pieces.clear()
            self._wake()

    def part(self) -> None:
        """The connection has ended; each would keep the other in memory until a garbage collection."""
        self.source = ENDED

    # --- The reader's side ----------------------------------------------------------------------------

    def take(self) -> bytes:
        """What is there, of large pieces the first; b"" if nothing is. Raises the error the body broke off with."""
        if self._error is not None:
            raise self._error
        pieces = self._pieces
        if not pieces:
            return b""
        data = pieces.popleft()
        if pieces and len(data) < _LARGE:
            data = b"".join((data, *pieces))
            pieces.clear()
        self._size -= len(data)
        if self._is_paused and self._size <= _LOW_WATER:
            self._is_paused = False
            self.source.resume_reading()
        return data

    async def read(self) -> bytes:
        """What is there, or the next that comes; b"" at the end. For one reader at a time."""
        while not self._pieces and not self.is_complete and self._error is None:
            self._waiter = self.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self.take()

    async def pour(self, sink: Sink) -> None:
        """Hand each piece to the sink as soon as it comes, until it has enough for now, or the body ends.

        Whoever reads piece by piece is woken for each, which for long bodies costs more than all that is done with it.
        For one reader at a time. Raises the error with which the body broke off.
        """
        while self._pieces or self._error is not None:
            if not sink(self.take()):
                return
        if self.is_complete:
            return
        self._sink = sink
        self._waiter = self.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = self._sink = None
        if self._error is not None:
            raise self._error

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
