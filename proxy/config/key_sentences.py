"""What each key of the configuration does, from `keys.yaml`: one sentence for each field of a dataclass of settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.resources import files
from typing import Any, get_args, get_type_hints

from proxy.config.nodes import plain
from proxy.config.problems import Report
from proxy.config.yaml12 import compose


@cache
def key_sentences() -> dict[str, dict[str, str]]:
    """By the name of the dataclass, then by key."""
    report = Report("keys.yaml")
    root = compose((files("proxy.config") / "keys.yaml").read_text(encoding="utf-8"), report)
    report.raise_errors()
    assert root is not None
    sentences: dict[str, dict[str, str]] = plain(root)
    return sentences


def sentence(kind: type[Any], key: str) -> str | None:
    """What this key does in this dataclass, or in the nearest of its bases that says."""
    owners = (key_sentences().get(base.__name__, {}) for base in kind.__mro__)
    return next((owner[key] for owner in owners if key in owner), None)


def dataclasses_in(kind: Any) -> Iterator[type[Any]]:
    """The dataclass, and all that its fields may hold, in their order; one may come more than once."""
    if isinstance(kind, type) and is_dataclass(kind):
        yield kind
        hints = get_type_hints(kind, include_extras=True)
        for field in fields(kind):
            yield from dataclasses_in(hints[field.name])
    for argument in get_args(kind):
        yield from dataclasses_in(argument)
