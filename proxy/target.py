"""The request target as text, from the caller's request line to the wire.

Nothing here decodes and encodes again: what is not dropped stays as it was written, byte for byte, because
signatures are made over it. The same functions build what a scheme signs and what the gateway sends.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from urllib.parse import quote, unquote, unquote_plus

# Some gateways before a vendor's server decode once more than the server itself.
_DECODING_ROUNDS = 3
# To some servers ` a`, `a[]`, `a[0]` and what ends with a NUL are `a`.
_END_OF_NAME = re.compile(r"[\[\0]")
_AROUND_NAMES = "+ \t\n\r\v\f"


def canonical(name: str) -> str:
    """The form in which header and parameter names are compared: `X_Api_Key` is `x-api-key`."""
    return name.lower().replace("_", "-")


def drop_parameters(target: str, names: Collection[str]) -> str:
    """The target without the query parameters of these (canonical) names, in whatever encoding they came.

    A target that has none of them is returned untouched, a bare `?` and empty parameters included.
    """
    if not names or "?" not in target:
        return target
    path, mark, query = target.partition("?")
    pieces = query.split("&")
    kept = [piece for piece in pieces if not _is_named(piece, names)]
    if len(kept) == len(pieces):
        return target
    return path + mark + "&".join(kept) if kept else path


def has_parameter(target: str, names: Collection[str]) -> bool:
    return drop_parameters(target, names) != target


def add_parameters(target: str, parameters: Iterable[tuple[str, str]]) -> str:
    """The target with these parameters behind its own."""
    return add_encoded(target, encoded(parameters))


def add_encoded(target: str, added: str) -> str:
    """The target with parameters behind its own that are written already."""
    return target + joint(target) + added if added else target


def joint(target: str) -> str:
    """What comes between a target and parameters behind its own."""
    _, mark, query = target.partition("?")
    if not mark:
        return "?"
    return "&" if query else ""


def encoded(parameters: Iterable[tuple[str, str]]) -> str:
    """Parameters as they are written: percent-encoded (RFC 3986 unreserved stay as they are)."""
    return "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in parameters])


def decoded(added: str) -> tuple[tuple[str, str], ...]:
    """The parameters of which `encoded` made this."""
    pairs = [piece.partition("=") for piece in added.split("&")] if added else []
    return tuple([(unquote(name), unquote(value)) for name, _, value in pairs])


def _quoted(text: str) -> str:
    # Most are numbers and words: a look at them is quicker than `quote`.
    return text if text.isalnum() and text.isascii() else quote(text, safe="")


def _is_named(piece: str, names: Collection[str]) -> bool:
    # Some servers still split at a semicolon too, so a parameter could hide behind one.
    return any(_is_one_of(part.partition("=")[0], names) for part in piece.split(";"))


def _is_one_of(name: str, names: Collection[str]) -> bool:
    for _ in range(_DECODING_ROUNDS):
        name = unquote_plus(name)
        plain = canonical(name)
        if plain in names or _END_OF_NAME.split(plain)[0].strip(_AROUND_NAMES) in names:
            return True
        if "%" not in name:
            return False
    return False
