"""After a failure nobody asks again for a while, so that not every request waits for what does not answer."""

from __future__ import annotations

from math import inf

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 5.0


class Circuit:
    """Open means: do not try. Times are readings of one clock, in seconds; the pause doubles with every failure."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = -inf

    def open_for(self, now: float) -> float:
        """Seconds until it is worth another try; 0 if it is now."""
        return max(0.0, self._until - now)

    def failed(self, now: float) -> None:
        if self.open_for(now):
            return  # Begun before the failure that opened it: no news.
        self._until = now + min(FIRST_PAUSE * 2 ** min(self._failures, 16), LONGEST_PAUSE)
        self._failures += 1

    def worked(self) -> None:
        self._failures = 0
        self._until = -inf
