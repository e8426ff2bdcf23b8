"""What is made of measurements: medians of paired ratios, and how far they spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A median over rounds, and the lowest and highest of them."""

    median: float
    low: float
    high: float


def figure(rounds: Sequence[float]) -> Figure:
    return Figure(statistics.median(rounds), min(rounds), max(rounds))


def paired_ratio(base: Sequence[float], other: Sequence[float]) -> Figure:
    """How many times cheaper `other` is than `base`, round by round: both met the same machine in each."""
    return figure([one / two for one, two in zip(base, other, strict=True)])


def paired_difference(base: Sequence[float], other: Sequence[float]) -> Figure:
    """By how much `other` exceeds `base`, round by round."""
    return figure([two - one for one, two in zip(base, other, strict=True)])


def percentile(samples: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: a value that was really seen."""
    ordered = sorted(samples)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(int(rank), 1) - 1]
