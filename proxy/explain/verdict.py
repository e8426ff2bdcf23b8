"""What comes of comparing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Verdict:
    """`sentences` are for a person; `mistakes` name what was done differently, where that was found."""

    fits: Literal["exactly", "mistakes", "no", "unknown"]
    sentences: tuple[str, ...]
    mistakes: tuple[str, ...] = ()
