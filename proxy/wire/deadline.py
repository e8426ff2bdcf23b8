"""A time-out that is set for every request and hardly ever runs out.

A timer of the event loop costs 2 µs to start and to stop. Here, setting and clearing is an assignment: one timer
stays, and when it rings it looks whether the moment was put off meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf


class Deadline:
    """Calls `expired` once, when the time that was set last has passed and was not cleared."""

    __slots__ = ("_at", "_expired", "_loop", "_rings_at", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._at = inf
        self._rings_at = inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        self._at = at = self._loop.time() + seconds
        if at < self._rings_at:
            if self._timer is not None:
                self._timer.cancel()
            self._rings_at = at
            self._timer = self._loop.call_at(at, self._ring)

    def clear(self) -> None:
        self._at = inf

    def close(self) -> None:
        """Never ring again, and hold nobody any more: what its owner holds too would wait for a garbage collection."""
        self._at = self._rings_at = inf
        self._expired = _never
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer, self._rings_at = None, inf
        if self._at == inf:
            return
        if self._loop.time() < self._at:
            self._rings_at = self._at
            self._timer = self._loop.call_at(self._at, self._ring)
            return
        self._at = inf
        self._expired()


def _never() -> None:
    """Nobody is to be told."""
