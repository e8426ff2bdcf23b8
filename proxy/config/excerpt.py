"""A line of the configuration as it may be shown beside a mistake, and carets under the spot.

What stands in the line may be a secret, written where none belongs. So only what is known to be harmless is shown:
punctuation, keys that authproxy knows or that the message names already, names of presets, schemes, methods and
variables, and what is nearly a word that the message suggests. Everything else is ***, comments are left out, and of
a line that is no YAML only the part before the break is there.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cache
from typing import Any, Literal

import yaml

from proxy.config.json_schema import json_schema
from proxy.config.names import METHODS
from proxy.config.presets import preset_names, presets
from proxy.config.problems import NEAR, Problem
from proxy.config.texts import is_showable
from proxy.config.yaml12 import LOADER
from proxy.schemes.registry import SCHEMES
from proxy.secret import MASK

_WIDEST = 100
_HIDDEN = "…"
_SUGGESTED = re.compile(r"did you mean `(?:auth\.)?([^`]+)`")
_PUNCTUATION = set("-,:?{}[]")
_INDEX = re.compile(r"\[\d+]")
_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_MARKS = (
    yaml.BlockEntryToken, yaml.FlowEntryToken, yaml.FlowMappingEndToken, yaml.FlowMappingStartToken,
    yaml.FlowSequenceEndToken, yaml.FlowSequenceStartToken, yaml.KeyToken, yaml.ValueToken,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Piece:
    """A token's part of one line. Columns count from 0; `value` is a scalar's text, `key` the key before it."""

    start: int
    end: int
    kind: Literal["mark", "key", "value", "hidden"]
    value: str = ""
    key: str = ""


class Excerpts:
    """The lines of one file."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._pieces: dict[int, list[Piece]] = defaultdict(list)
        self._broken_at = len(self._lines)
        self._read(text)

    def of(self, problem: Problem) -> list[str]:
        """The problem's line and the carets below it, with the line's number; nothing for a problem elsewhere."""
        line = problem.line - 1
        if not (problem.is_in_file and line < len(self._lines)):
            return []
        shown, at, width = _rendered(self._lines[line], self._all_of(line), problem)
        shown, at = _cut(shown, at)
        margin = f"{problem.line:>5} | "
        return [(margin + shown).rstrip(), f"{'':>5} | {'':{at}}{'^' * max(width, 1)}"]

    def _all_of(self, line: int) -> list[Piece]:
        if line < self._broken_at:
            return self._pieces[line]
        raw = self._lines[line]
        begin = max((piece.end for piece in self._pieces[line]), default=0)
        begin += len(raw[begin:]) - len(raw[begin:].lstrip())
        return [*self._pieces[line], Piece(begin, len(raw) + 1, "hidden")]

    def _read(self, text: str) -> None:
        key, is_key = "", False
        try:
            for token in yaml.scan(text, Loader=LOADER):
                if isinstance(token, yaml.KeyToken):
                    is_key = True
                if isinstance(token, yaml.ScalarToken):
                    key = token.value if is_key else key
                    self._add(token, Piece(0, 0, "key" if is_key else "value", token.value, key))
                    is_key = False
                elif isinstance(token, _MARKS):
                    self._add(token, Piece(0, 0, "mark"))
                else:
                    self._add(token, Piece(0, 0, "hidden"))
        except yaml.YAMLError as error:
            marks = (getattr(error, name, None) for name in ("context_mark", "problem_mark"))
            self._broken_at = min((mark.line for mark in marks if mark is not None), default=0)

    def _add(self, token: Any, piece: Piece) -> None:
        start, end = token.start_mark, token.end_mark
        if start.line == end.line:
            if start.column < end.column:
                self._pieces[start.line].append(replace(piece, start=start.column, end=end.column))
            return
        # A text over several lines is never a name that could be shown.
        for line in range(start.line, min(end.line + 1, len(self._lines))):
            raw = self._lines[line]
            begin = start.column if line == start.line else len(raw) - len(raw.lstrip())
            stop = end.column if line == end.line else len(raw)
            if begin < stop:
                self._pieces[line].append(Piece(begin, stop, "hidden"))


def _rendered(raw: str, pieces: list[Piece], problem: Problem) -> tuple[str, int, int]:
    """The line, the column at which the carets begin, and how many there are."""
    column = problem.column - 1
    shown, at, width, done = "", None, 1, 0
    for piece in pieces:
        gap = raw[done : piece.start]
        shown += " " * len(gap) if not gap.strip() else _HIDDEN
        text = _text(raw, piece, problem)
        if piece.start <= column < piece.end:
            at, width = len(shown), len(text)
        elif at is None and column < piece.start:
            at = max(len(shown) - (piece.start - column), 0)
        shown, done = shown + text, piece.end
    return shown, len(shown) + max(column - done, 0) if at is None else at, width


def _text(raw: str, piece: Piece, problem: Problem) -> str:
    written = raw[piece.start : piece.end]
    if piece.kind == "mark" and set(written) <= _PUNCTUATION:
        return written
    if piece.kind in ("mark", "hidden"):
        return _HIDDEN
    is_shown = _is_harmless(piece, problem) or _is_suggested(piece, problem)
    # What was judged and what is shown must be the same text.
    return written if is_shown and written.strip("'\"") == piece.value else MASK


def _is_harmless(piece: Piece, problem: Problem) -> bool:
    if piece.kind == "key":
        named = _INDEX.sub("", problem.path)
        return piece.value in _known_keys() or f".{piece.value}." in f".{named}."
    if piece.key == "env":
        return is_showable(piece.value)
    if reference := _REFERENCE.fullmatch(piece.value):
        return is_showable(reference[1])
    return piece.value in _closed_sets().get(piece.key, ())


def _is_suggested(piece: Piece, problem: Problem) -> bool:
    """Whether the problem points here and has a word in mind that is nearly this one."""
    match = _SUGGESTED.search(problem.message)
    if match is None or not piece.start <= problem.column - 1 < piece.end:
        return False
    word, meant = (text.lower().replace("-", "_") for text in (piece.value, match[1]))
    return SequenceMatcher(None, word, meant).ratio() >= NEAR


def _cut(shown: str, at: int) -> tuple[str, int]:
    """A long line around the spot."""
    if len(shown) <= _WIDEST:
        return shown, at
    begin = max(min(at - _WIDEST // 2, len(shown) - _WIDEST), 0)
    part = shown[begin : begin + _WIDEST]
    return (_HIDDEN if begin else "") + part + (_HIDDEN if begin + _WIDEST < len(shown) else ""), at - begin + bool(
        begin
    )


@cache
def _closed_sets() -> dict[str, frozenset[str]]:
    return {"preset": frozenset(preset_names()), "scheme": frozenset(SCHEMES), "methods": frozenset(METHODS)}


@cache
def _known_keys() -> frozenset[str]:
    parameters = (name for preset in presets().values() for name in preset.parameters)
    return frozenset([*_properties(json_schema()), *parameters, "preset", "env", "file", "exec", "value"])


def _properties(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from properties
        for part in schema.values():
            yield from _properties(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _properties(part)
