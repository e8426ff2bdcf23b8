"""The moment of each signed request."""

from __future__ import annotations

# So far ahead of the clock a moment may be at the most, in milliseconds: equal requests that keep coming faster
# than one a millisecond must not drift out of the vendor's window.
FURTHEST_AHEAD = 1000
MOST_REMEMBERED = 4096
_GLANCE = 128


class Moments:
    """Gives equal requests different milliseconds.

    Vendors that look for replays know a request by its timestamp and signature. Two callers may well ask the same
    thing within a millisecond, and a second attempt may follow the first as fast; each is a request of its own.
    """

    def __init__(self) -> None:
        self._taken: dict[int, int] = {}
        self._latest = 0

    def of(self, head: int, body: bytes, wall: float) -> int:
        """Milliseconds since the epoch: those of `wall`, in seconds, or later if an equal request already has them.

        `head` is the same for equal heads, and hardly ever for others.
        """
        now = round(wall * 1000)
        taken = self._taken
        if now > self._latest:
            taken.clear()
            self._latest = now
        # Requests taken for equal that are not cost the later one a millisecond, so a look at the body will do.
        key = head ^ hash(body[:_GLANCE])
        moment = taken.get(key, 0) + 1
        if now < moment <= now + FURTHEST_AHEAD:
            if moment > self._latest:  # noqa: PLR1730 - max() takes twice the time, for every request
                self._latest = moment
        else:
            moment = now
            if len(taken) >= MOST_REMEMBERED:
                taken.clear()
        taken[key] = moment
        return moment
