"""Durations as people write them: `90s`, `15m`, `1.5h`, `250ms`; a bare number is seconds."""

from __future__ import annotations

import re
from math import inf, isfinite
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_JSON_SCHEMA = {
    "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h|d)$"}]
}


def parse_duration(value: Any) -> float:
    """Seconds. Raises ValueError with a text that shows how to write one."""
    seconds = 0.0
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        seconds = float(match[1]) * _SECONDS[match[2]]
    if not (isfinite(seconds) and seconds > 0):
        raise ValueError("expected a duration such as 30s, 15m or 4h")
    return seconds


def parse_lifetime(value: Any) -> float:
    """As `parse_duration`; `none` is for ever."""
    return inf if value in ("none", inf) else parse_duration(value)


def spoken(seconds: float) -> str:
    """As a person says it, in the one or two largest units: 4h, 14m 59s."""
    parts, rest = [], round(seconds)
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(rest, int(_SECONDS[unit]))
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"


Seconds = Annotated[float, BeforeValidator(parse_duration), WithJsonSchema(_JSON_SCHEMA)]
Lifetime = Annotated[
    float, BeforeValidator(parse_lifetime), WithJsonSchema({"anyOf": [*_JSON_SCHEMA["anyOf"], {"const": "none"}]})
]
