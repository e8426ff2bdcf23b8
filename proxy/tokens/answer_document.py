"""Reading a JSON answer that nobody has vouched for: bounded, and without surprises.

A path is dotted: `result.session.key`. `*` stands for the first member that lets the rest of the path match.
Where a path goes on inside a string, the string is parsed as JSON: some servers wrap an answer that way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

LARGEST_ANSWER = 65_536
DEEPEST = 200
_LONGEST_EXACT_INTEGER = 20
_BRACKET_OR_STRING = re.compile(r'[\[\]{}]|"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def parse_document(text: bytes | str) -> Any:
    """The parsed JSON. Raises ValueError for anything else: not UTF-8, too large, too deep, NaN."""
    if len(text) > LARGEST_ANSWER:
        raise ValueError("too large")
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    require_shallow(text)
    return json.loads(text, parse_constant=_refuse, parse_int=_integer)


def require_shallow(text: str) -> None:
    """Raise ValueError if this JSON nests too deeply to be parsed.

    The parser recurses in C. Python's own limit cannot be relied on to stop it: some libraries raise that limit
    for the whole process, and then a few thousand brackets end it.
    """
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    depth = 0
    for match in _BRACKET_OR_STRING.finditer(text):
        if match[0] in "[{":
            depth += 1
            if depth > DEEPEST:
                raise ValueError("nested too deeply")
        elif match[0] in "]}":
            depth -= 1


def first_value(document: Any, paths: str | Sequence[str] | None) -> Any:
    """What the first of the paths that gives a value leads to; None if none does."""
    for path in [paths] if isinstance(paths, str) else paths or ():
        value = _follow(document, path.split("."))
        if value is not None:
            return value
    return None


def require_paths(where: str, paths: str | Sequence[str] | None) -> None:
    """Raise ValueError for a path with an empty step."""
    for path in [paths] if isinstance(paths, str) else paths or ():
        if not all(path.split(".")):
            raise ValueError(f"{where}: a path is names with dots between them, such as data.token")


def _follow(node: Any, steps: Sequence[str]) -> Any:
    # As deep as the path is long, which is the configuration's doing, not the answer's.
    if not steps:
        return node
    if isinstance(node, str):
        node = _unwrapped(node)
    for child in _children(node, steps[0]):
        value = _follow(child, steps[1:])
        if value is not None:
            return value
    return None


def _children(node: Any, step: str) -> Iterable[Any]:
    if isinstance(node, dict):
        if step == "*":
            return node.values()
        return (node[step],) if step in node else ()
    if isinstance(node, list):
        if step == "*":
            return node
        return (node[int(step)],) if step.isdecimal() and len(step) < 6 and int(step) < len(node) else ()
    return ()


def _unwrapped(text: str) -> Any:
    try:
        return parse_document(text)
    except ValueError:
        return None


def _integer(digits: str) -> int | float:
    # int() refuses thousands of digits with an error of its own, and takes quadratic time before that.
    return int(digits) if len(digits) <= _LONGEST_EXACT_INTEGER else float(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError("not JSON")
