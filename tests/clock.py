"""A clock that moves when a test says so."""

from __future__ import annotations


class FakeClock:
    """Both readings move together; `jump` moves only the wall clock, as an operator or NTP would."""

    def __init__(self, wall: float = 1_700_000_000.0) -> None:
        self._now = 1000.0
        self._wall = wall

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._wall

    def advance(self, seconds: float) -> None:
        self._now += seconds
        self._wall += seconds

    def jump(self, seconds: float) -> None:
        self._wall += seconds
