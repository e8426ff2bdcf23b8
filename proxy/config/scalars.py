"""Which plain words are numbers, booleans or null: YAML 1.2's core schema (YAML 1.2.2, section 10.3.2).

So `no`, `on`, dates and `12:30` are texts. One step further than the core schema: digits behind a leading
zero, and numbers too long to be one, stay texts too, because an account number must not lose a digit.
"""

from __future__ import annotations

import re
from math import isfinite

_NAMED: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]{0,99})")
_OCTAL_OR_HEXADECIMAL = re.compile(r"0o[0-7]{1,99}|0x[0-9a-fA-F]{1,99}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def resolve(text: str) -> str | int | float | bool | None:
    """What a scalar without quotes means."""
    if text in _NAMED:
        return _NAMED[text]
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _OCTAL_OR_HEXADECIMAL.fullmatch(text):
        return int(text, 0)
    if len(text) < 100 and _FLOAT.fullmatch(text) and isfinite(number := float(text)):
        return number
    return text
