"""What pydantic found wrong, in words that help and with the place in the file.

Pydantic's own texts are never used: they repeat the input and name internals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any, get_args, get_type_hints

from proxy.config.nodes import AnyNode, ListNode, MapNode, Scalar, find, key_path, spot
from proxy.config.problems import AlreadyTold, Place, Report, listed, suggestion

_EXPECTED = {
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping of keys to values",
    "mapping_type": "a mapping of keys to values",
    "dataclass_type": "a mapping of keys to values",
    "none_required": "nothing",
}
_LIMITS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
_FEW = 8
_KEY = "[key]"
# A dataclass that checks itself names the key it speaks of: `headers.Host: this field belongs to the proxy`.
_INNER_KEY = re.compile(r"([a-z_]+(?:\.[^\s:]+)?): (.*)", re.DOTALL)


def tell(errors: Sequence[Any], kind: Any, node: AnyNode, report: Report) -> None:
    """Report each error once at its place; what only follows from an error already told there is left out."""
    told: dict[Place, list[str]] = {}
    for error in errors:
        if isinstance(error.get("ctx", {}).get("error"), AlreadyTold):
            continue
        found, rest = find(node, error["loc"])
        if error["type"].startswith("missing"):
            report.error(replace(found.key, path=key_path(found.place.path, str(error["loc"][-1]))), "is required")
        elif error["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            known = known_keys(kind, error["loc"][:-1])
            hint = suggestion(str(error["loc"][-1]), known) or _those_there_are(known)
            report.error(found.key, f"unknown key{hint}")
        else:
            target, message = _inner(found, _message(error, found))
            told.setdefault(_place(target, rest), []).append(message)
    for place, messages in told.items():
        report.error(place, _joined(messages))


def _those_there_are(known: Iterable[str]) -> str:
    """What may stand there instead, where that fits into a line."""
    names = sorted(set(known))
    return f"; here belong {listed(names)}" if 0 < len(names) <= _FEW else ""


def _place(node: AnyNode, rest: tuple[str | int, ...]) -> Place:
    return replace(node.key, path=node.place.path) if _KEY in rest else spot(node)


def _inner(node: AnyNode, message: str) -> tuple[AnyNode, str]:
    """The part of the mapping that the message speaks of, and the rest of the message."""
    match = _INNER_KEY.fullmatch(message)
    if match is None or not isinstance(node, MapNode):
        return node, message
    key, _, name = match[1].partition(".")
    if key not in node.entries:
        return node, message
    inner = node.entries[key]
    if isinstance(inner, MapNode) and name in inner.entries:
        return inner.entries[name], match[2]
    return inner, f"`{name}`: {match[2]}" if name else match[2]


def _message(error: Any, node: AnyNode) -> str:
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context["error"])
    if error["type"] == "literal_error":
        known = [text or number for text, number in re.findall(r"'([^']*)'|(\d+)", context["expected"])]
        given = node.value if isinstance(node, Scalar) and isinstance(node.value, str) else ""
        return f"expected {listed(known)}{suggestion(given, known)}"
    if error["type"] in _LIMITS:
        words, limit = _LIMITS[error["type"]]
        return f"must be {words} {context[limit]:g}"
    if error["type"] in _EXPECTED:
        return _expected(_EXPECTED[error["type"]], node)
    return "is not valid here"


def _expected(what: str, node: AnyNode) -> str:
    if isinstance(node, Scalar) and node.value is None:
        return f"is empty; expected {what}"
    if what == "a text" and isinstance(node, Scalar):
        return "expected a text; put quotes around it"
    return f"expected {what}" + (", not a list" if isinstance(node, ListNode) else "")


def _joined(messages: list[str]) -> str:
    """One message for a value that fits none of several types."""
    if len(messages) == 1:
        return messages[0]
    first, *others = dict.fromkeys(message.partition(";")[0] for message in messages)
    return " or ".join([first, *(other.removeprefix("expected ") for other in others)])


def known_keys(kind: Any, location: Sequence[str | int] = ()) -> list[str]:
    """The keys of the dataclass that stands at this location in the type."""
    candidates = list(_dataclasses(kind))
    for step in location:
        hints = [_keys(candidate)[str(step)] for candidate in candidates if step in _keys(candidate)]
        inner = [found for hint in hints for found in _dataclasses(hint)]
        candidates = inner or candidates
    return [key for candidate in candidates for key in _keys(candidate)]


@cache
def _keys(kind: Any) -> dict[str, Any]:
    """The configuration's key of every field, with the field's type; an alias comes before the field's name."""
    hints = get_type_hints(kind, include_extras=True)
    return {_alias(hints[field.name]) or field.name: hints[field.name] for field in fields(kind) if field.init}


def _alias(hint: Any) -> str | None:
    return next((extra.alias for extra in getattr(hint, "__metadata__", ()) if getattr(extra, "alias", None)), None)


def _dataclasses(kind: Any) -> Iterator[Any]:
    if isinstance(kind, type) and is_dataclass(kind):
        yield kind
    for argument in get_args(kind):
        yield from _dataclasses(argument)
