"""Whether two readings of a configuration say the same, secrets included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from proxy.template import JsonTemplate


def says_the_same(one: Any, other: Any) -> bool:
    """Whether two values of settings are alike, whatever objects they are made of.

    Dataclasses are compared field by field, since schemes and their parts are each equal to themselves only.
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, JsonTemplate):
        return says_the_same(one.document, other.document)
    if is_dataclass(one):
        return all(says_the_same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    if isinstance(one, Mapping):
        return list(one) == list(other) and all(says_the_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(says_the_same, one, other))
    return bool(one == other)
