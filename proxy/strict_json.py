"""JSON that two readers could understand differently is none: a key that comes twice, or a number that JSON has not."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def parse_strictly(text: str) -> Any:
    """Raises ValueError, and RecursionError for what is nested deeper than Python can follow."""
    return json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a key comes twice")
    return dict(pairs)


def _refuse(constant: str) -> NoReturn:
    raise ValueError("not JSON")
