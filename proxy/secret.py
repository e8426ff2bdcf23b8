"""Secrets, masked everywhere but where they are spent.

A Secret shows nowhere: not by str, repr, format, json, pickle or comparison. Its text comes out only by
`reveal()`, which is called where a byte for the wire is made and nowhere else.
"""

from __future__ import annotations

import hmac
import os
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from pydantic_core import core_schema

MASK = "***"


class Secret:
    """A text that must not be seen. `where` names its source ("env:NAME"), never its value."""

    __slots__ = ("_text", "where")

    # Whether reveal() may give another text one day.
    may_change: ClassVar[bool] = False

    def __init__(self, text: str, where: str = "value") -> None:
        self._text = text
        self.where = where

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<secret {self.where}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.reveal().encode(), other.reveal().encode())

    # Neither a dict key nor a set member: a hash of a secret is a fingerprint of it.
    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled or copied")

    # Serializers that know no pickle ask for this one, which would hand over the slots.
    __getstate__ = __reduce__

    def __bool__(self) -> bool:
        return True

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(_read_from_config)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return SECRET_JSON_SCHEMA


class FileSecret(Secret):
    """A secret in a file, read again when the file changes, so that a rotated mount needs no restart."""

    __slots__ = ("_path", "_seen")

    may_change = True

    def __init__(self, path: Path) -> None:
        super().__init__("", f"file:{path.name}")
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._read()

    def reveal(self) -> str:
        try:
            self._read()
        except (OSError, UnicodeError):
            pass  # In the middle of a swap: the text read last still holds.
        return self._text

    def _read(self) -> None:
        stat = os.stat(self._path)
        seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if seen != self._seen:
            # Empty for the moment in which a file is written anew: the text read last still holds then too.
            self._text = one_line(self._path.read_text(encoding="utf-8")) or self._text
            self._seen = seen


def _read_from_config(value: Any, info: core_schema.ValidationInfo) -> Secret:
    """Config decides what a source means: it hands the one function that may read it as `context.secret`."""
    if isinstance(value, Secret):
        return value
    assert info.context is not None
    return info.context.secret(value)  # type: ignore[no-any-return]


def _source_schema(key: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {key: value}, "required": [key], "additionalProperties": False}


def one_line(text: str) -> str:
    """The text without the one newline that editors and `echo` put behind it."""
    return text.removesuffix("\n").removesuffix("\r")


SECRET_JSON_SCHEMA: dict[str, Any] = {
    "title": "secret",
    "description": "Where the secret is found; never the secret itself.",
    "oneOf": [
        {"type": "string", "pattern": r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$"},
        _source_schema("env", {"type": "string"}),
        _source_schema("file", {"type": "string"}),
        _source_schema("exec", {"type": "array", "items": {"type": "string"}, "minItems": 1}),
        _source_schema("value", {"type": "string"}),
    ],
}
