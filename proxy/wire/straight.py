"""Long bodies, read straight into large buffers that are used again and again.

uvloop reads 256 KiB at a time and copies them into bytes of their own. Here it reads into our buffers, four times as
much at once, and what is passed on is a view: a third less work for 100 MiB.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, cast

from proxy.wire.incoming import Incoming

SIZE = 1024 * 1024
# Bodies of which less is to come are not worth the switch.
LONG = 2 * SIZE
# A view keeps its whole buffer. Many small ones would keep many, so small pieces are copied.
_SMALL = SIZE // 4
# So many bodies at a time, in the whole process: each may hold four buffers while its reader is slow.
MOST = 16


class StraightReading(asyncio.BufferedProtocol):
    """Stands in for a connection's protocol until a body has come, and never reads beyond that."""

    under_way: ClassVar[int] = 0

    def __init__(self, transport: asyncio.Transport, protocol: asyncio.Protocol, body: Incoming) -> None:
        self._transport = transport
        self._protocol = protocol
        self._body = body
        self._buffers = [bytearray(SIZE)]
        self._view = memoryview(self._buffers[0])

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
        self._view = memoryview(self._free_buffer())[: self._body.left]
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        piece = self._view[:nbytes]
        # A view is as good as bytes to whoever passes it on.
        self._body.receive(bytes(piece) if nbytes < _SMALL else cast(bytes, piece))
        if self._body.is_complete:
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

    Does nothing for a body that is short, or of unknown length, and where too many are under way.
    """
    transport = body.source.transport
    if transport is None or body.left < LONG or StraightReading.under_way >= MOST:
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
