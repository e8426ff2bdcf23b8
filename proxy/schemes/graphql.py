"""Which operation a GraphQL document would run: read by its top level only, and distrusted where it is unclear.

The tokens are those of the GraphQL specification (October 2021, section 2.1). What a server would run as a
mutation must never be taken for a query; so everything unusual is answered with None. Nothing here recurses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

OperationType = Literal["query", "mutation", "subscription"]

_IGNORED = re.compile(r"(?:[\ufeff\t \n\r,]++|#[^\n\r]*+)++")
_STRING = re.compile(r'"(?:[^"\\\n\r]++|\\[^\n\r])*+"')
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*+")
_NUMBER = re.compile(r"-?[0-9]++(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+")
_OPENING = {"{": "}", "(": ")", "[": "]"}
_CLOSING = frozenset(_OPENING.values())
_OTHER_PUNCTUATION = frozenset("!$&:=@|")
_TYPES: dict[str, OperationType] = {"query": "query", "mutation": "mutation", "subscription": "subscription"}


@dataclass(frozen=True, slots=True)
class Operation:
    type: OperationType
    name: str | None


class UnclearDocument(Exception):
    """The text is not plainly a GraphQL document of operations and fragments."""


def selected_operation(document: str, operation_name: str | None) -> OperationType | None:
    """The type of the operation that would run; None if that is not perfectly clear."""
    try:
        operations = list(_operations(document))
    except UnclearDocument:
        return None
    if operation_name:
        operations = [operation for operation in operations if operation.name == operation_name]
    return operations[0].type if len(operations) == 1 else None


def _operations(document: str) -> Iterator[Operation]:
    """Every operation of the document, in order. Raises UnclearDocument."""
    tokens = _tokens(document)
    for token in tokens:
        if token == "{":
            yield Operation("query", None)
            _skip_to_closing(tokens)
        elif token in _TYPES:
            yield Operation(_TYPES[token], _skip_definition(tokens))
        elif token == "fragment":
            _skip_definition(tokens)
        else:
            raise UnclearDocument


def _skip_definition(tokens: Iterator[str]) -> str | None:
    """Read a definition from behind its keyword to the end of its selection set; the name, if it has one."""
    token = next(tokens, "")
    name = token if _NAME.fullmatch(token) else None
    while token != "{":
        if token in _OPENING:
            _skip_to_closing(tokens, token)
        elif not token or token in _CLOSING:
            raise UnclearDocument
        token = next(tokens, "")
    _skip_to_closing(tokens)
    return name


def _skip_to_closing(tokens: Iterator[str], opening: str = "{") -> None:
    """Read on behind the bracket that closes the one just read."""
    expected = [_OPENING[opening]]
    for token in tokens:
        if token in _OPENING:
            expected.append(_OPENING[token])
        elif token in _CLOSING and token != expected.pop():
            raise UnclearDocument
        if not expected:
            return
    raise UnclearDocument


def _tokens(document: str) -> Iterator[str]:
    """The document's tokens; a string as one quotation mark, since nothing in it matters here."""
    at = 0
    while at < len(document):
        ignored = _IGNORED.match(document, at)
        if ignored:
            at = ignored.end()
            continue
        character = document[at]
        if character in _OPENING or character in _CLOSING or character in _OTHER_PUNCTUATION:
            yield character
            at += 1
        elif character == '"':
            at = _end_of_string(document, at)
            yield '"'
        else:
            token = _NAME.match(document, at) or _NUMBER.match(document, at)
            if token:
                yield token[0]
                at = token.end()
            elif document.startswith("...", at):
                yield "..."
                at += 3
            else:
                raise UnclearDocument


def _end_of_string(document: str, at: int) -> int:
    if document.startswith('"""', at):
        return _end_of_block_string(document, at + 3)
    string = _STRING.match(document, at)
    if not string:
        raise UnclearDocument
    return string.end()


def _end_of_block_string(document: str, at: int) -> int:
    while (end := document.find('"""', at)) >= 0:
        # The backslash means something before three quotation marks only.
        if document[end - 1] != "\\":
            return end + 3
        at = end + 3
    raise UnclearDocument
