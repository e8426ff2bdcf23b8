"""How many requests there were in each of the last seconds, and how long they took.

Worked out from the journal once a second. Of a second in which more ended than the journal keeps, the number is exact,
and the rest is that of the last few.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from proxy.journal.journal import Journal
from proxy.journal.record import Record

SECONDS_KEPT = 300
# A second names so many providers, those with the most requests; others count in the sum only.
MOST_PROVIDERS = 24
SWITCHED = 101


class Beat(NamedTuple):
    """One second: the wall clock's at its end, and the requests that ended in it by what became of them.

    `refused` are answers from 400 up, whoever gave them, `failed` those from 500 up; the sum is all three. `median` and
    `slow` (of twenty, one takes longer) are in seconds, None without requests; a tunnel's length is none. `providers`
    has how many went to each, and how many of those failed.
    """

    at: int
    passed: int
    refused: int
    failed: int
    median: float | None
    slow: float | None
    providers: dict[str, tuple[int, int]]


class Pulse:
    """To be told when a second is over."""

    def __init__(self, journal: Journal) -> None:
        self.beats: deque[Beat] = deque(maxlen=SECONDS_KEPT)
        self.journal = journal
        self._last = 0

    def beat(self, wall: float) -> None:
        """A second is over."""
        records, number = self.journal.since(self._last)
        self._last += number
        self.beats.append(_beat(int(wall), records, number))

    def since(self, at: int) -> list[Beat]:
        """The beats after this moment, the older first."""
        return [beat for beat in self.beats if beat.at > at]


def _beat(at: int, records: Sequence[Record], number: int) -> Beat:
    if not records:
        return Beat(at, 0, 0, 0, None, None, {})
    share = number / len(records)
    failed = round(share * sum(record.status >= 500 for record in records))
    refused = round(share * sum(400 <= record.status < 500 for record in records))
    times = sorted(record.ended - record.started for record in records if record.status != SWITCHED)
    return Beat(
        at,
        max(number - failed - refused, 0),
        refused,
        failed,
        _quantile(times, 0.5),
        _quantile(times, 0.95),
        _by_provider(records, share),
    )


def _quantile(times: Sequence[float], share: float) -> float | None:
    return times[min(int(len(times) * share), len(times) - 1)] if times else None


def _by_provider(records: Iterable[Record], share: float) -> dict[str, tuple[int, int]]:
    all_of = Counter(record.provider for record in records if record.provider is not None)
    bad = Counter(record.provider for record in records if record.status >= 500)
    return {
        name: (round(share * found), round(share * bad[name])) for name, found in all_of.most_common(MOST_PROVIDERS)
    }
