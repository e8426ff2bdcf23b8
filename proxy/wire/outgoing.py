"""What goes out on a connection, at the end of the event loop's turn.

A write wakes whoever reads at the other end, which costs more than the write where that end sleeps. Written one
after the other at the end of a turn, many answers wake their readers once. Large pieces do not wait.
"""

from __future__ import annotations

import asyncio

_MOST_WAITING = 64 * 1024


class Outgoing:
    """Bytes on their way to one transport, in order."""

    __slots__ = ("_loop", "_pieces", "_size", "_transport")

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self._loop = loop
        self._transport = transport
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, octets: bytes) -> None:
        pieces = self._pieces
        if not pieces:
            self._loop.call_soon(self.flush)
        pieces.append(octets)
        self._size += len(octets)
        if self._size > _MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Hand over what waits; nothing, if it was handed over meanwhile."""
        pieces = self._pieces
        if pieces:
            self._pieces, self._size = [], 0
            if not self._transport.is_closing():
                self._transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def drop(self) -> None:
        """Forget what waits."""
        self._pieces, self._size = [], 0

    @property
    def is_empty(self) -> bool:
        """Whether all of it has gone to the kernel."""
        return not self._pieces and not self._transport.get_write_buffer_size()
