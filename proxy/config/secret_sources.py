"""Which secrets a configuration holds, and where they came from; never what they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from proxy.config.models import Settings
from proxy.secret import Secret
from proxy.template import ComposedSecret, JsonTemplate, Template

# Every program needs these, whoever else reads them.
_EVERYBODYS = frozenset({"HOME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "TERM", "TMPDIR", "TZ", "USER"})


def secret_variables(settings: Settings) -> frozenset[str]:
    """The environment variables that hold a secret of this configuration."""
    found = (secret.where.partition(":") for secret in secrets_in(settings))
    return frozenset(name for kind, _, name in found if kind == "env") - _EVERYBODYS


def secrets_in(value: Any) -> Iterator[Secret]:
    """Every secret in a value of the settings, whatever it is part of."""
    if isinstance(value, ComposedSecret):
        yield from secrets_in(value.parts)
    elif isinstance(value, Secret):
        yield value
    elif isinstance(value, Template):
        yield from secrets_in(value.parts)
    elif isinstance(value, JsonTemplate):
        yield from secrets_in(value.document)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from secrets_in(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from secrets_in(part)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from secrets_in(getattr(value, field.name))
