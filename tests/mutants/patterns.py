"""What a regular expression can be turned into by one plausible slip: an alternative or a member less, another count."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?(?:[:=!]|P<\w+>|<[=!])|[()|*+?]|\{\d+,?\d*\}|.", re.DOTALL)
_MEMBER = re.compile(r"(\\x..|\\.|.)(?:-(\\x..|\\.|.))?", re.DOTALL)
_OTHER_COUNT = {"*": "+", "+": "*", "?": ""}


def slips_of_pattern(pattern: str) -> Iterator[str]:
    """Other patterns, each valid and different from this one."""
    seen = {pattern}
    for other in _candidates(pattern):
        if other not in seen and _is_valid(other):
            seen.add(other)
            yield other


def _candidates(pattern: str) -> Iterator[str]:
    tokens = [(match.start(), match.end(), match[0]) for match in _TOKEN.finditer(pattern)]
    for start, end, token in tokens:
        if token in _OTHER_COUNT:
            yield pattern[:start] + _OTHER_COUNT[token] + pattern[end:]
        elif token.startswith("["):
            members = list(_MEMBER.finditer(pattern, start + 1 + token.startswith("[^"), end - 1))
            for member in members if len(members) > 1 else ():
                yield pattern[: member.start()] + pattern[member.end() :]
    for start, end in _alternatives(tokens, len(pattern)):
        yield pattern[:start].removesuffix("|") + pattern[end:] if start else pattern[end:].removeprefix("|")


def _alternatives(tokens: list[tuple[int, int, str]], length: int) -> Iterator[tuple[int, int]]:
    """From where to where each alternative goes that has another one beside it; with the bar behind the first."""
    open_groups: list[list[int]] = [[0]]
    for start, end, token in tokens:
        if token.startswith("("):
            open_groups.append([end])
        elif token == "|":
            open_groups[-1].append(end)
        elif token == ")":
            yield from _ranges(open_groups.pop(), start)
    yield from _ranges(open_groups.pop(), length)


def _ranges(starts: list[int], end: int) -> Iterator[tuple[int, int]]:
    if len(starts) > 1:
        ends = [*starts[1:], end]
        # Behind the first comes a bar, which goes with it; the others lose the one before them.
        yield starts[0], ends[0]
        yield from ((start, ended - (ended != end)) for start, ended in zip(starts[1:], ends[1:], strict=True))


def _is_valid(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True
