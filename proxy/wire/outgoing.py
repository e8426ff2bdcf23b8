"""What goes out on a connection, at the end of the event loop's turn.

A write wakes whoever reads at the other end, which costs more than the write where that end sleeps. Written one
after the other at the end of a turn, many answers wake their readers once. Large pieces do not wait.
"""

from __future__ import annotations

import asyncio

_MOST_WAITING = 64 * 1024


class TurnEnd:
    """The connections of one event loop that have something to write when its turn ends."""

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting: list[Outgoing] = []

    def come(self) -> None:
        waiting, self.waiting = self.waiting, []
        waiting.reverse()
        try:
            while waiting:
                waiting.pop().flush()
        finally:
            if waiting:  # What is wrong with one of them is no reason to keep the others waiting.
                asyncio.get_running_loop().call_soon(self.come)
                self.waiting = [*reversed(waiting), *self.waiting]


class Outgoing:
    """Bytes on their way to one transport, in order. `flushes` counts how often some were handed over."""

    __slots__ = ("_first", "_loop", "_rest", "_size", "_turn_end", "flushes", "transport")

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, turn_end: TurnEnd) -> None:
        self._loop = loop
        self.transport = transport
        self._turn_end = turn_end
        # Nearly always there is one piece: no list is made of it, and none joined.
        self._first = b""
        self._rest: list[bytes] = []
        self._size = 0
        self.flushes = 0

    def write(self, octets: bytes) -> None:
        if self._first:
            self._rest.append(octets)
        else:
            self._first = octets
            waiting = self._turn_end.waiting
            if not waiting:
                self._loop.call_soon(self._turn_end.come)
            waiting.append(self)
        self._size += len(octets)
        if self._size > _MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Hand over what waits; nothing, if it was handed over meanwhile."""
        octets, rest = self._first, self._rest
        if octets:
            self._first, self._size = b"", 0
            self.flushes += 1
            if rest:
                octets = b"".join((octets, *rest))
                self._rest = []
            if not self.transport.is_closing():
                self.transport.write(octets)

    def drop(self) -> None:
        """Forget what waits."""
        self._first, self._rest, self._size = b"", [], 0

    def waiting(self) -> int:
        """Bytes that were not handed over yet."""
        return self._size

    def is_empty(self) -> bool:
        """Whether all of it has gone to the kernel."""
        return not self._first and not self.transport.get_write_buffer_size()
