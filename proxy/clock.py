"""Time, injected everywhere so that tests can move it.

Two readings, because one cannot do both jobs: lifetimes are measured on a clock that nobody can set and
that goes on while a laptop sleeps; what is written into signatures and claims is the wall clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

# macOS has no CLOCK_BOOTTIME; its monotonic clock stops while the machine sleeps.
_now: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
)


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since some fixed moment; never jumps, and counts time asleep where the system can."""
        ...

    def wall(self) -> float:
        """Seconds since the Unix epoch."""
        ...


class SystemClock:
    # Not methods: they are asked for every request, and this is a third of the time.
    now = staticmethod(_now)
    wall = staticmethod(time.time)


class StoppedClock:
    """Shows the moment at which it was made, for ever."""

    def __init__(self) -> None:
        running = SystemClock()
        self._now, self._wall = running.now(), running.wall()

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._wall
