"""What is known of names of header fields, and of rows of names.

Programs spell names always the same way and send them in the same order; what differs is the values. Who sends ever
new names shall not fill the memory with them.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, TypeVar

_MOST_NAMES = 512
_LONGEST_NAME = 64
_MOST_ROWS = 64
_LONGEST_ROW = 1024
Key = TypeVar("Key")
Value = TypeVar("Value")
Verdict = TypeVar("Verdict")


class Remembered(dict[Key, Value]):
    """What a function makes of a key, asked once for each.

    When there are `most`, all are forgotten; a key of a `size` beyond `longest`, in bytes, is not remembered.
    """

    __slots__ = ("_longest", "_make", "_most", "_size")

    def __init__(self, make: Callable[[Key], Value], size: Callable[[Key], int], *, most: int, longest: int) -> None:
        self._make: Callable[[Key], Value] = make
        self._size: Callable[[Key], int] = size
        self._most, self._longest = most, longest

    def __missing__(self, key: Key) -> Value:
        value = self._make(key)
        if self._size(key) <= self._longest:
            if len(self) >= self._most:
                self.clear()
            self[key] = value
        return value


def of_names(judge: Callable[[bytes], Verdict]) -> Remembered[bytes, Verdict]:
    """What is said of each spelling of a name."""
    return Remembered(judge, len, most=_MOST_NAMES, longest=_LONGEST_NAME)


def of_rows(verdicts: Remembered[bytes, bool | None]) -> Remembered[tuple[bytes, ...], Layout]:
    """The layout of each row of names; `verdicts` say whether a field passes, None for Connection."""
    return Remembered(
        lambda names: Layout(names, verdicts),
        lambda names: sum(map(len, names)),
        most=_MOST_ROWS,
        longest=_LONGEST_ROW,
    )


class Layout:
    """Of fields whose names are these, in this order: which pass, and how those are written.

    `pick` takes out of a row what belongs to the fields that pass, `pattern` has places for their values, and
    `connections` are the places of Connection fields, whose values have a say in it.
    """

    __slots__ = ("connections", "pattern", "pick")

    def __init__(self, names: tuple[bytes, ...], verdicts: Remembered[bytes, bool | None]) -> None:
        passes = [verdicts[name] for name in names]
        self.connections = tuple([at for at, verdict in enumerate(passes) if verdict is None])
        self.pick = _picker([at for at, verdict in enumerate(passes) if verdict])
        self.pattern = b"".join([name.replace(b"%", b"%%") + b": %b\r\n" for name in self.pick(names)])


def _picker(places: list[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    if len(places) > 1:
        return itemgetter(*places)
    # By a slice, so that one is a row too.
    return itemgetter(slice(places[0], places[0] + 1) if places else slice(0))
