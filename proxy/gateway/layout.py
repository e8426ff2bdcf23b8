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
Verdict = TypeVar("Verdict")


class NameMemory(dict[bytes, Verdict]):
    """What a function says of a spelling of a name, asked once for each."""

    __slots__ = ("_judge",)

    def __init__(self, judge: Callable[[bytes], Verdict]) -> None:
        self._judge: Callable[[bytes], Verdict] = judge

    def __missing__(self, name: bytes) -> Verdict:
        verdict = self._judge(name)
        if len(name) <= _LONGEST_NAME:
            if len(self) >= _MOST_NAMES:
                self.clear()
            self[name] = verdict
        return verdict


class Layout:
    """Of fields whose names are these, in this order: which pass, and how those are written.

    `pick` takes out of a row what belongs to the fields that pass, `pattern` has places for their values, and
    `connections` are the places of Connection fields, whose values have a say in it.
    """

    __slots__ = ("connections", "pattern", "pick")

    def __init__(self, names: tuple[bytes, ...], verdicts: NameMemory[bool | None]) -> None:
        passes = [verdicts[name] for name in names]
        self.connections = tuple([at for at, verdict in enumerate(passes) if verdict is None])
        self.pick = _picker([at for at, verdict in enumerate(passes) if verdict])
        self.pattern = b"".join([name.replace(b"%", b"%%") + b": %b\r\n" for name in self.pick(names)])


def _picker(places: list[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    if len(places) > 1:
        return itemgetter(*places)
    # By a slice, so that one is a row too.
    return itemgetter(slice(places[0], places[0] + 1) if places else slice(0))


class RowMemory(dict[tuple[bytes, ...], Layout]):
    """The layout of a row of names; `verdicts` say whether a field passes, None for Connection."""

    __slots__ = ("_verdicts",)

    def __init__(self, verdicts: NameMemory[bool | None]) -> None:
        self._verdicts = verdicts

    def __missing__(self, names: tuple[bytes, ...]) -> Layout:
        layout = Layout(names, self._verdicts)
        if sum(map(len, names)) <= _LONGEST_ROW:
            if len(self) >= _MOST_ROWS:
                self.clear()
            self[names] = layout
        return layout
