"""Reads a GraphQL document as far as an emulator needs: its operations, their names and their top-level fields.

Source: the GraphQL specification (October 2021), §2. Values and selections below the top are skipped, balanced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TOKEN = re.compile(
    r"""(?P<ignored>[\s,\ufeff]+|\#[^\n\r]*)
    |(?P<block>\"{3}(?:\\\"{3}|(?!\"{3}).)*+\"{3})
    |(?P<string>"(?!"")(?:\\.|[^"\\\n\r])*"|"")
    |(?P<mark>\.\.\.|[!$&():=@\[\]{|}])
    |(?P<name>[_A-Za-z][_0-9A-Za-z]*)
    |(?P<number>-?[0-9][0-9.eE+-]*)""",
    re.VERBOSE | re.DOTALL,
)
CLOSING = {"(": ")", "[": "]", "{": "}"}


class NotGraphql(ValueError):
    """The text is no GraphQL document."""


@dataclass(frozen=True)
class Operation:
    """`fields` are (response key, field name), in order; fields that come by fragments are not among them."""

    kind: str
    name: str | None
    fields: tuple[tuple[str, str], ...]


def read_operations(text: str) -> tuple[Operation, ...]:
    """The operations of a document; raises NotGraphql."""
    return _Document(text).operations()


class _Document:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def operations(self) -> tuple[Operation, ...]:
        found = []
        while self._peek():
            if self._peek() == "{":
                found.append(Operation("query", None, self._selections()))
                continue
            kind = self._take()
            if kind not in ("query", "mutation", "subscription", "fragment"):
                raise NotGraphql(kind)
            name = self._take() if self._is_name() else None
            self._skip_to_selections()
            fields = self._selections()
            if kind != "fragment":
                found.append(Operation(kind, name, fields))
        if not found:
            raise NotGraphql("no operation")
        return tuple(found)

    def _selections(self) -> tuple[tuple[str, str], ...]:
        self._expect("{")
        fields: list[tuple[str, str]] = []
        while self._peek() != "}":
            if self._peek() == "...":
                self._skip_spread()
                continue
            key = name = self._name()
            if self._peek() == ":":
                self._take()
                name = self._name()
            self._skip_arguments_and_directives()
            if self._peek() == "{":
                self._skip_group()
            fields.append((key, name))
        self._take()
        return tuple(fields)

    def _skip_spread(self) -> None:
        self._take()
        if self._is_name() and self._take() == "on":
            self._name()
        self._skip_arguments_and_directives()
        if self._peek() == "{":
            self._skip_group()

    def _skip_arguments_and_directives(self) -> None:
        while self._peek() in ("(", "@"):
            if self._peek() == "(":
                self._skip_group()
            else:
                self._take()
                self._name()

    def _skip_to_selections(self) -> None:
        """Over variable definitions, a type condition, directives: the next `{` outside parentheses."""
        while self._peek() != "{":
            if self._peek() == "(":
                self._skip_group()
            else:
                self._take()

    def _skip_group(self) -> None:
        closing = [CLOSING[self._take()]]
        while closing:
            token = self._take()
            if token in CLOSING:
                closing.append(CLOSING[token])
            elif token in (")", "]", "}") and token != closing.pop():
                raise NotGraphql(token)

    def _is_name(self) -> bool:
        return bool(re.match("[_A-Za-z]", self._peek()))

    def _name(self) -> str:
        if not self._is_name():
            raise NotGraphql(self._peek())
        return self._take()

    def _expect(self, token: str) -> None:
        if self._take() != token:
            raise NotGraphql(token)

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        if not token:
            raise NotGraphql("the document ends too early")
        self._at += 1
        return token


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise NotGraphql(f"at character {at}")
        if match.lastgroup != "ignored":
            tokens.append(match[0])
        at = match.end()
    return tokens
