"""What was made of heads that came lately, for those that come again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

Head = TypeVar("Head")
Key = TypeVar("Key")

_MOST_REMEMBERED = 256
_LONGEST_REMEMBERED = 2048
_MOST_SEEN = 1024


class HeadMemory(dict[Key, Head]):
    """What was made of heads, by their bytes or another key: programs ask the same thing again and again.

    Kept is what comes a second time: most of what never does is not worth its place. Bounded, in two halves: when one
    is full, the other is forgotten. So what comes again and again stays, however many come between that never do.
    `size` says how many bytes a key stands for.
    """

    def __init__(self, size: Callable[[Key], int]) -> None:
        super().__init__()
        self._size = size
        self.older: dict[Key, Head] = {}
        # Hashes of what came once.
        self._once: set[int] = set()

    def keep(self, key: Key, head: Head) -> None:
        """Keep what was made of a head, if it came before."""
        mark, once = hash(key), self._once
        if mark not in once:
            if len(once) >= _MOST_SEEN:
                once.clear()
            once.add(mark)
        elif self._size(key) <= _LONGEST_REMEMBERED:
            self._put(key, head)

    def recall(self, key: Key) -> Head | None:
        """What was made of it, also if that was a while ago."""
        head = self.get(key)
        if head is None and (head := self.older.pop(key, None)) is not None:
            self._put(key, head)
        return head

    def everything(self) -> Iterator[Head]:
        yield from self.values()
        yield from self.older.values()

    def _put(self, key: Key, head: Head) -> None:
        if len(self) >= _MOST_REMEMBERED // 2:
            self.older = dict(self)
            self.clear()
        self[key] = head
