"""Time, injected everywhere so that tests can move it.

Two readings, because one cannot do both jobs: lifetimes are measured on a clock that nobody can set and
that goes on while a laptop sleeps; what is written into signatures and claims is the wall clock.
"""

from __future__ import annotations

import time
from typing import Protocol

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since some fixed moment; never jumps, and counts time asleep where the system can."""
        ...

    def wall(self) -> float:
        """Seconds since the Unix epoch."""
        ...


class SystemClock:
    def now(self) -> float:
        # macOS has no CLOCK_BOOTTIME; its monotonic clock stops while the machine sleeps.
        return time.monotonic() if _BOOT_CLOCK is None else time.clock_gettime(_BOOT_CLOCK)

    def wall(self) -> float:
        return time.time()


class StoppedClock:
    """Shows the moment at which it was made, for ever."""

    def __init__(self) -> None:
        running = SystemClock()
        self._now, self._wall = running.now(), running.wall()

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._wall
