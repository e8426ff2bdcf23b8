"""The time at a vendor: our wall clock, put right by the `Date` of the vendor's answers where ours is clearly off.

A signature or a claim is judged by the vendor's clock. `Date` has whole seconds and is as old as the way it came,
so that a small difference says nothing. What is applied is the median of the latest few, so that one machine of the
vendor's with a wrong clock does not count. More than a day is no clock's error, and ignored.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import inf

from proxy.clock import Clock

# An odd number: then the median is one of them.
SAMPLES = 5
SECONDS_BETWEEN_SAMPLES = 10.0
# Beyond what the resolution and the way explain.
TOLERANCE = 1.5
LARGEST_SKEW = 86_400.0
SLOWEST_ANSWER = 10.0
# When our own wall clock is set, all that was learned of its error is void.
OWN_JUMP = 2.0
# So often it is looked whether it was, while nothing else is to be learned.
SECONDS_BETWEEN_LOOKS = 1.0


log = logging.getLogger("authproxy.clock")


def log_skew(provider: str, seconds: float) -> None:
    """Write down that a provider's clock is taken to be so far ahead of ours from now on."""
    log.warning(
        "provider %s: what is signed or dated for it goes by its clock, %+.1f s from ours",
        provider,
        seconds,
        extra={"provider": provider},
    )


class VendorClock:
    """`skew` is what the vendor's clock is ahead of ours, in seconds; `version` counts its changes.

    `own_wall` is our own clock. Until `listens_from`, a reading of `now`, an answer has nothing to tell; a refusal may
    always have.
    """

    def __init__(self, clock: Clock, told: Callable[[float], None] = lambda skew: None) -> None:
        self.skew = 0.0
        self.version = 0
        self.listens_from = -inf
        self.now: Callable[[], float] = clock.now
        self.own_wall: Callable[[], float] = clock.wall
        self._told = told
        self._samples: deque[tuple[float, float]] = deque(maxlen=SAMPLES)
        self._next_sample = clock.now()
        self._own = clock.wall() - clock.now()

    def wall(self) -> float:
        return self.own_wall() + self.skew

    def heard(self, headers: Iterable[tuple[bytes, bytes]], seconds: float) -> None:
        """An answer came, so many seconds after its request was sent."""
        now, wall = self.now(), self.own_wall()
        if abs(wall - now - self._own) > OWN_JUMP:
            self._samples.clear()
            self._apply(0.0)
        elif now < self._next_sample and len(self._samples) == SAMPLES:
            self.listens_from = now + SECONDS_BETWEEN_LOOKS
            return
        self._own = wall - now
        self._next_sample = now + SECONDS_BETWEEN_SAMPLES
        moment = _fresh_date(headers)
        if moment is None or seconds > SLOWEST_ANSWER:
            self.listens_from = now + SECONDS_BETWEEN_LOOKS
            return
        # The middle of the second that the field names, and of the time that the answer took.
        skew = moment + 0.5 - (wall - seconds / 2)
        if abs(skew) <= LARGEST_SKEW:
            self._samples.append((skew, 0.5 + seconds / 2))
            self._settle()

    def _settle(self) -> None:
        if len(self._samples) % 2 == 0:
            return
        skew, uncertainty = sorted(self._samples)[len(self._samples) // 2]
        if abs(skew) <= uncertainty + TOLERANCE:
            self._apply(0.0)
        elif abs(skew - self.skew) > uncertainty + TOLERANCE:
            self._apply(skew)

    def _apply(self, skew: float) -> None:
        if skew != self.skew:
            self.skew = skew
            self.version += 1
            self._told(skew)


class VendorClocks:
    """The clocks of all providers of a process; `told` is called with a provider's name and its new skew."""

    def __init__(self, clock: Clock, told: Callable[[str, float], None] = lambda provider, skew: None) -> None:
        self.clock = clock
        self._told = told
        self._clocks: dict[tuple[str, str], VendorClock] = {}

    def retain(self, wanted: Collection[tuple[str, str]]) -> None:
        """Forget all but these: pairs of a provider's name and its base URL."""
        self._clocks = {key: clock for key, clock in self._clocks.items() if key in wanted}

    def of(self, provider: str, base_url: str) -> VendorClock:
        """The same for the same provider, whatever configuration it is from."""
        key = (provider, base_url)
        if key not in self._clocks:
            self._clocks[key] = VendorClock(self.clock, lambda skew: self._told(provider, skew))
        return self._clocks[key]


def _fresh_date(headers: Iterable[tuple[bytes, bytes]]) -> float | None:
    """Seconds since the epoch by the `Date` field; None without one, or where a cache gave the answer."""
    date = None
    for name, value in headers:
        lower = name.lower()
        if lower == b"date":
            date = value
        elif lower == b"age":
            return None
    if date is None:
        return None
    try:
        moment = parsedate_to_datetime(date.decode("latin-1"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
