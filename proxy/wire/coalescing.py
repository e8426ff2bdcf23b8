"""Fewer and larger reads of a long body: the kernel calls when there is enough, or after a moment.

Whoever sends is seldom so far ahead that a read brings much. For each 20 KiB to be woken, to read and to write costs
up to twice what the bytes themselves cost; see docs/PERFORMANCE.md. The kernel keeps them meanwhile (SO_RCVLOWAT,
socket(7)): nobody who sends is slowed down, and the end of a connection is told of at once.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

# In bytes, what the kernel is to wait for.
ENOUGH = 256 * 1024
# It keeps nothing back for longer than two of these, in seconds.
MOMENT = 0.002
# What of a body may have left the kernel and not have come out of TLS yet.
_IN_TLS = 32 * 1024
# For less than that it is never to wait: it would be for more than comes.
_LEAST = ENOUGH + _IN_TLS
# Of a body whose length nobody knows: it is a long one if so much has come, and no row of small messages while
# a read brings so much.
_LONG = 2 * 1024 * 1024
_BULK = 16 * 1024


class Coalescing:
    """Of the reads from one transport, for one body."""

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self._loop = loop
        self._transport = transport
        self._look: asyncio.TimerHandle | None = None
        self._has_read = False
        self._seen = 0

    def has_read(self, size: int, left: int | None) -> None:
        """To be told of each read, in bytes, and of how many are still to come, where that is known."""
        self._has_read = True
        self._seen += size
        if self._look is not None:
            if left is not None and left < _LEAST:
                self.end()
        elif size < ENOUGH and (self._seen > _LONG and size >= _BULK if left is None else left >= _LEAST):
            self._call_for(ENOUGH)
            self._look_later()

    def end(self) -> None:
        """From now on the kernel calls for every byte again."""
        if self._look is not None:
            self._look.cancel()
            self._look = None
            self._call_for(1)

    def _look_later(self) -> None:
        self._has_read = False
        self._look = self._loop.call_later(MOMENT, self._look_now)

    def _look_now(self) -> None:
        """What the kernel keeps back now has been there for a moment, unless something was read meanwhile."""
        if self._has_read:
            self._look_later()
        else:
            self.end()

    def _call_for(self, size: int) -> None:
        sock: socket.socket | None = self._transport.get_extra_info("socket")
        if sock is not None and not self._transport.is_closing():
            with suppress(OSError):  # Where the system does not know of it, reads are as large as they are.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
