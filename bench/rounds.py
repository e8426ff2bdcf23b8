"""Slices in turn: every contender once a round, so that a machine that changes its mind changes it for all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Row, quantity, one value a round.
Rows = dict[str, dict[str, list[float]]]


@dataclass(frozen=True)
class Extent:
    """How long a slice is, and how many rounds are kept."""

    seconds: int
    rounds: int


class WrongAnswers(Exception):
    """Requests that were not answered with success: what was measured is not the job."""


def in_turn(rows: Sequence[str], rounds: int, measure: Callable[[str], dict[str, float]], *, warm_up: int = 1) -> Rows:
    """One slice of each row, round after round; what the first rounds give is dropped."""
    kept: Rows = {row: {} for row in rows}
    for number in range(warm_up + rounds):
        for row in rows:
            for quantity, value in measure(row).items():
                if number >= warm_up:
                    kept[row].setdefault(quantity, []).append(value)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return kept
