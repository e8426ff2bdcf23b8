"""`${NAME}` in texts: environment variables, put in when the configuration is read.

A variable's value is never read for places or variables again: it stays one piece, a Secret, whatever
characters it holds. `$${` stands for `${` itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Self

from proxy.config.nodes import AnyNode, ListNode, MapNode, Scalar
from proxy.config.problems import AlreadyTold, Report
from proxy.secret import MASK, Secret

_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Shown in messages only if it is written as variables usually are, since a secret may have been put in its spot.
_SHOWABLE_NAME = re.compile(r"[A-Z]{1,20}|(?=.{1,64}$)[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")


class Interpolated(str):
    """A text in which variables were put in: the text itself for a plain place, `parts` for a template.

    `written` is as it stands in the file; `missing` is what to raise for it, if a variable could not be used.
    """

    parts: tuple[str | Secret, ...]
    written: str
    missing: ValueError | None

    @classmethod
    def of(cls, written: str, environ: Mapping[str, str]) -> Self:
        """Put the variables in."""
        parts: list[str | Secret] = []
        missing = None
        for piece in _pieces(written):
            try:
                parts.append(variable(piece[1], environ) if isinstance(piece, re.Match) else piece)
            except ValueError as error:
                missing = missing or error
        text = cls("".join(part if isinstance(part, str) else part.reveal() for part in parts))
        text.parts, text.written, text.missing = tuple(parts), written, missing
        return text

    def __repr__(self) -> str:
        return MASK


def variable(name: object, environ: Mapping[str, str]) -> Secret:
    """The variable's value. Raises ValueError if it is not set, or empty."""
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise ValueError("a variable's name is letters, digits and `_`; write $${ for a plain ${")
    shown = f"the environment variable {name}" if is_showable(name) else "this environment variable"
    value = environ.get(name)
    if not value:
        raise ValueError(f"{shown} is not set" if value is None else f"{shown} is empty")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(f"{shown} is not UTF-8 text")
    return Secret(value, f"env:{name}")


def is_showable(name: str) -> bool:
    """Whether the name may stand in a message."""
    return _SHOWABLE_NAME.fullmatch(name) is not None


def interpolated(node: AnyNode, environ: Mapping[str, str], report: Report) -> AnyNode:
    """The tree with the variables of all its texts put in; `{value: ...}` is a literal and stays one."""
    if isinstance(node, MapNode):
        if set(node.entries) == {"value"}:
            # Whether this is a secret's source is not known yet. If it is not, its reader complains.
            return replace(node, entries={"value": _leaf(node.entries["value"], environ, None)})
        entries = {name: interpolated(entry, environ, report) for name, entry in node.entries.items()}
        return replace(node, entries=entries)
    if isinstance(node, ListNode):
        return replace(node, items=tuple(interpolated(item, environ, report) for item in node.items))
    return _leaf(node, environ, report)


def _leaf(node: AnyNode, environ: Mapping[str, str], report: Report | None) -> AnyNode:
    if not (isinstance(node, Scalar) and isinstance(node.value, str) and "${" in node.value):
        return node
    text = Interpolated.of(node.value, environ)
    if text.missing and report is not None:
        report.error(node.place, str(text.missing))
        text.missing = AlreadyTold()
    return replace(node, value=text)


def _pieces(written: str) -> Iterator[str | re.Match[str]]:
    at = 0
    for match in _VARIABLE.finditer(written):
        if match.start() > at:
            yield written[at : match.start()]
        yield "${" if match[0] == "$${" else match
        at = match.end()
    if at < len(written):
        yield written[at:]
