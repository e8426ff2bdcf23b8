"""The last requests, in the order in which they ended.

Keeping one has to cost next to nothing, since it is done for every request and mostly for nobody: a tuple of what is at
hand anyway, put into a ring. What it means is worked out when somebody looks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Any

from proxy.journal.record import Record

MOST_KEPT = 512
# So many of the requests after a look are looked at closely: as many as a page shows of one look.
CLOSE_LOOKS = 50


class Journal:
    """`keep` takes the fields of a Record, in their order; the number comes from `numbers`.

    `attention` is how many of the coming requests are worth more than that: 0 while nobody looks.
    """

    __slots__ = ("_ring", "attention", "keep", "numbers")

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._ring: deque[tuple[Any, ...]] = deque(maxlen=most)
        self.keep: Callable[[tuple[Any, ...]], None] = self._ring.append
        self.numbers = count(1)
        self.attention = 0

    def look(self, after: int, most: int) -> tuple[list[Record], int]:
        """The newest records behind number `after`, the older first, and how many more there were.

        What comes next is looked at closely.
        """
        self.attention = CLOSE_LOOKS
        found = list(islice(self._newest_first(after), most))
        found.reverse()
        missed = found[0].number - after - 1 if found else 0
        return found, missed

    def since(self, after: int) -> tuple[list[Record], int]:
        """All that is kept behind number `after`, in no particular order, and how many there were in truth."""
        found = list(self._newest_first(after))
        return found, found[0].number - after if found else 0

    def _newest_first(self, after: int) -> Iterator[Record]:
        for kept in reversed(self._ring):
            record = Record._make(kept)
            if record.number <= after:
                return
            yield record
