"""Mistakes in a configuration, each with its place; gathered, so that all of them are told at once.

A message names keys and never shows a value: what stands at the wrong key may be a secret.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from proxy.stamps import Stamp, Stamps, stamp

# How near a word must be to a known one to be taken for it, by difflib's measure.
NEAR = 0.7

_SHOWABLE_KEY = re.compile(r"[A-Za-z0-9_.\-]{1,40}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written: line and column count from 1; `path` is the keys that lead there.

    `origin` names the variable or option that a value came from, if it does not stand in the file; `is_absent` says
    that nothing of it is written anywhere.
    """

    line: int = 1
    column: int = 1
    path: str = ""
    origin: str = ""
    is_absent: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake or warning. `str()` is the line that `check` prints; `is_in_file` says that a line shows it."""

    file: str
    line: int
    column: int
    path: str
    message: str
    is_in_file: bool = True

    def __str__(self) -> str:
        return ": ".join(part for part in (f"{self.file}:{self.line}:{self.column}", self.path, self.message) if part)

    def described(self) -> dict[str, str | int]:
        """For tools: file, line, column, path and message."""
        return {
            "file": self.file, "line": self.line, "column": self.column, "path": self.path, "message": self.message,
        }  # fmt: skip


class ConfigError(Exception):
    """The configuration cannot be used. `problems` is never empty, and sorted by place.

    `files` are those that were looked at, as they were just before. `may_pass` says that a command or a file failed
    that may work the next time, without anything being changed.
    """

    def __init__(self, problems: Iterable[Problem], files: Stamps | None = None, *, may_pass: bool = False) -> None:
        self.problems = tuple(sorted(problems))
        self.files = files or {}
        self.may_pass = may_pass
        super().__init__("\n".join(str(problem) for problem in self.problems))


class AlreadyTold(ValueError):
    """A value that cannot be used, as the report says already."""


@dataclass(slots=True)
class Report:
    """Collects what is wrong with one file.

    Of several errors at one place the first is kept: the others most often follow from it.
    """

    file: str
    _errors: list[Problem] = field(default_factory=list)
    _spots: set[tuple[int, int, str]] = field(default_factory=set)
    _warnings: dict[Problem, None] = field(default_factory=dict)
    _silent: set[tuple[int, int]] = field(default_factory=set)
    files: dict[Path, Stamp] = field(default_factory=dict)
    may_pass: bool = False

    def reads(self, path: Path) -> None:
        """Note that what follows depends on this file; to be called before it is looked at."""
        self.files.setdefault(path, stamp(path))

    def error(self, place: Place, message: str) -> None:
        spot = (place.line, place.column, place.path)
        if (place.line, place.column) not in self._silent and spot not in self._spots:
            self._spots.add(spot)
            self._errors.append(self._problem(place, message))

    def silence(self, place: Place) -> None:
        """From now on drop what is found at this spot: it would only follow from what was reported elsewhere."""
        self._silent.add((place.line, place.column))

    def warn(self, place: Place, message: str) -> None:
        self._warnings[self._problem(place, message)] = None

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(sorted(self._warnings))

    def raise_errors(self) -> None:
        """Raises ConfigError if anything was wrong."""
        if self._errors:
            raise ConfigError(self._errors, self.files, may_pass=self.may_pass)

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(sorted(self._errors))

    def _problem(self, place: Place, message: str) -> Problem:
        origin = f" (set by {place.origin})" if place.origin else ""
        is_in_file = not (place.origin or place.is_absent)
        return Problem(self.file, place.line, place.column, place.path, message + origin, is_in_file)


def quoted_key(key: str) -> str:
    """The key in backticks, or words for one that does not look like a key: it may be a secret in the wrong spot."""
    return f"`{key}`" if _SHOWABLE_KEY.fullmatch(key) else "this key"


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean `x`?` if a known word is near, otherwise nothing."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(word.lower().replace("-", "_"), by_lower, n=1, cutoff=NEAR)
    near = near or difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=NEAR)
    return f"; did you mean `{by_lower[near[0]]}`?" if near else ""


def listed(words: Iterable[str]) -> str:
    """`a`, `b` or `c`."""
    *most, last = (f"`{word}`" for word in words)
    return f"{', '.join(most)} or {last}" if most else last
