"""What of a caller's target may be shown to an operator: the path and the names of parameters, never their values.

Some APIs have keys in their paths. A segment that looks like one is masked, too: long, of digits and letters in both
cases, or very long. Identifiers such as UUIDs are not, since they are what one looks for.
"""

from __future__ import annotations

import re

MASK = "***"
_LONGEST_SHOWN = 400
_KEY_LETTERS = 20
_LONG_KEY = 40
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def shown_target(target: str) -> str:
    """The target, fit to be shown."""
    path, mark, query = target.partition("?")
    shown = "/".join([MASK if looks_like_a_key(segment) else segment for segment in path.split("/")])
    if mark:
        shown += "?" + "&".join([_shown_parameter(piece) for piece in query.split("&")])
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"


def looks_like_a_key(text: str) -> bool:
    """Whether a text is more like a secret than like a word or an identifier."""
    if len(text) < _KEY_LETTERS or _UUID.fullmatch(text):
        return False
    has_digit = any(letter.isdigit() for letter in text)
    return has_digit and (len(text) >= _LONG_KEY or (text != text.lower() and text != text.upper()))


def _shown_parameter(piece: str) -> str:
    name, equals, _ = piece.partition("=")
    shown = MASK if looks_like_a_key(name) else name
    return f"{shown}={MASK}" if equals else shown
