"""The file as text, and YAML's syntax errors in words of our own.

PyYAML's own messages quote the file, and what stands there may be a secret.
"""

from __future__ import annotations

import codecs
import errno
import re
from pathlib import Path

import yaml

from proxy.config.problems import ConfigError, Place, Problem, Report

MAX_BYTES = 1024 * 1024

# YAML 1.2.2, production c-printable, and the byte order mark.
_NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# What libyaml and PyYAML say (their texts differ), what it means, and whether the useful place is where the
# unfinished thing began.
_TAB = "a tab cannot indent; use spaces"
_WORDS = (
    ("tab character", _TAB, False),
    ("cannot start any token", "this character cannot begin a value; put quotes around the text", False),
    ("mapping values are not allowed", "a `:` is not expected here; check indentation and quotes", False),
    ("sequence entries are not allowed", "a list item (`- `) begins on a line of its own", False),
    ("could not find expected ':'", "a key without its `:`", True),
    (r"',' or '\]'", "this list is not closed with `]`, or lacks a comma", True),
    (r"',' or '\}'", "this mapping is not closed with `}`, or lacks a comma", True),
    ("unexpected end of stream", "this quoted text is not closed", True),
    ("unknown escape", "an unknown escape behind a backslash; single quotes keep a backslash as it is", False),
    ("expected key|'-' indicator|<block end>|<document start>", "does not fit to the lines above: indentation?", False),
    ("node content", "a value is missing before this character; put quotes around a text that begins so", False),
)  # fmt: skip


_NEXT = {errno.ENOENT: "`authproxy init --preset NAME -o {}` writes one"}
_NEXT_OTHERWISE = "`ls -ld {}` says what it is and who may read it"


def read_text(path: Path) -> str:
    """The file's text without a byte order mark. Raises ConfigError if it cannot be read as UTF-8 text."""
    report = Report(str(path))
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        # strerror is the system's wording ("No such file or directory"), without the path.
        words = f"cannot be read: {error.strerror}; {_NEXT.get(error.errno or 0, _NEXT_OTHERWISE).format(path)}"
        raise _failure(path, Place(is_absent=True), words) from None
    if len(raw) > MAX_BYTES:
        raise _failure(path, Place(), "is larger than 1 MiB")
    raw = raw.removeprefix(codecs.BOM_UTF8)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode()
        raise _failure(path, _place_of(before, len(before)), "not UTF-8 text") from None
    if match := _NOT_PRINTABLE.search(text):
        report.error(_place_of(text, match.start()), "a control character; write it as an escape in double quotes")
    report.raise_errors()
    return text


def place_and_words(error: yaml.MarkedYAMLError, text: str) -> tuple[Place, str]:
    """Where the syntax breaks, and what to do there."""
    problem = str(error.problem)
    mark, words = error.problem_mark, "not valid YAML"
    for pattern, meaning, began_earlier in _WORDS:
        if re.search(pattern, problem):
            words = meaning
            mark = (began_earlier and error.context_mark) or mark
            break
    if mark is None:
        return Place(), words
    lines = text.splitlines()
    if mark.line < len(lines) and lines[mark.line][mark.column : mark.column + 1] == "\t":
        words = _TAB
    return Place(mark.line + 1, mark.column + 1), words


def _failure(path: Path, place: Place, message: str) -> ConfigError:
    return ConfigError([Problem(str(path), place.line, place.column, "", message, not place.is_absent)])


def _place_of(text: str, at: int) -> Place:
    before = text[:at]
    return Place(before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1)
