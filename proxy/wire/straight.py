"""Long bodies, read straight into large buffers that are used again and again.

uvloop reads 256 KiB at a time and copies them into bytes of their own. Here it reads into our buffers, in plain text
four times as much at once, and what is passed on is a view: a third less work for 100 MiB. Over TLS it still reads
256 KiB at a time, of which a buffer holds several, one behind the other.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, cast

from proxy.wire.coalescing import Coalescing
from proxy.wire.incoming import Incoming

SIZE = 1024 * 1024
# Bodies of which less is to come are not worth the switch.
LONG = 2 * SIZE
# A view keeps its whole buffer, so small pieces are copied: a buffer is not kept for less than this.
_SMALL = SIZE // 16
# What TLS brings at once, with a record to spare. Into less room than this nothing is read.
_ROOM = SIZE // 4 + 16 * 1024
# So many bodies at a time, in the whole process: each may hold four buffers while its reader is slow.
MOST = 16


class StraightReading(asyncio.BufferedProtocol):
    """Stands in for a connection's protocol until a body has come, and never reads beyond that."""

    under_way: ClassVar[int] = 0

    def __init__(self, transport: asyncio.Transport, protocol: asyncio.Protocol, body: Incoming) -> None:
        self._transport = transport
        self._protocol = protocol
        self._body = body
        self._buffer = bytearray(SIZE)
        self._buffers = [self._buffer]
        self._begin = self._filled = 0
        self._view = memoryview(self._buffer)
        self._coalescing = Coalescing(body.loop, transport)
        self._is_over = False

    def begin(self) -> None:
        StraightReading.under_way += 1
        self._switch(self)

    def end(self) -> None:
        """Give the connection back to its own protocol."""
        self._leave()
        self._switch(self._protocol)

    def get_buffer(self, sizehint: int) -> memoryview:
        self._view.release()
        if _is_free(self._buffer):
            self._begin = self._filled = 0  # The same memory again: it is still in the processor's caches.
        elif self._filled > SIZE - _ROOM:
            self._buffer, self._begin, self._filled = self._free_buffer(), 0, 0
        self._view = memoryview(self._buffer)[self._filled : self._filled + self._body.left]
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        body, end = self._body, self._filled + nbytes
        self._coalescing.has_read(nbytes, body.left - nbytes)
        if nbytes < _SMALL:
            body.receive(bytes(self._view[:nbytes]))
            self._begin = self._filled
        else:
            # Behind a piece that nobody has taken yet, this is the rest of one.
            if self._begin == self._filled or not body.take_back():
                self._begin = self._filled
            # A view is as good as bytes to whoever passes it on.
            body.receive(cast(bytes, memoryview(self._buffer)[self._begin : end]))
            self._filled = end
        if body.is_complete:
            self.end()

    def eof_received(self) -> bool | None:
        return self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def _free_buffer(self) -> bytearray:
        for buffer in self._buffers:
            if _is_free(buffer):
                return buffer
        self._buffers.append(bytearray(SIZE))
        return self._buffers[-1]

    def _leave(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._coalescing.end()
            StraightReading.under_way -= 1

    def _switch(self, protocol: asyncio.BaseProtocol) -> None:
        transport = self._transport
        if transport.is_closing():
            return
        # How it is to read, a transport of uvloop decides when it begins to.
        is_reading = transport.is_reading()
        transport.pause_reading()
        transport.set_protocol(protocol)
        if is_reading:
            transport.resume_reading()


def read_straight(body: Incoming) -> None:
    """Read the rest of a long body so. For readers who pass each piece on at once; a view must not be kept for long.

    Does nothing for a body that is short, and where too many are under way. One of unknown length is read as ever, but
    in larger pieces.
    """
    transport = body.source.transport
    if transport is None:
        return
    if not body.has_length and body.coalescing is None:
        body.coalescing = Coalescing(body.loop, transport)
    if body.left < LONG or StraightReading.under_way >= MOST:
        return
    protocol = transport.get_protocol()
    if isinstance(protocol, asyncio.Protocol):
        StraightReading(transport, protocol, body).begin()


def read_plainly(transport: asyncio.Transport) -> None:
    """Back to the connection's own protocol: the rest of the body is of no use any more."""
    reading = transport.get_protocol()
    if isinstance(reading, StraightReading):
        reading.end()


def _is_free(buffer: bytearray) -> bool:
    """Whether nobody has a view of it any more: as long as somebody has, it cannot grow."""
    try:
        buffer.append(0)
    except BufferError:
        return False
    buffer.pop()
    return True
