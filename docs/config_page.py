"""CONFIG.md: every key, with what it accepts, its default, and what it does."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

from docs.config_words import ABOUT, HEAD, PLACES
from proxy.config.key_sentences import sentence
from proxy.config.models import (
    Group,
    Mode,
    ProviderKeys,
    RouteSettings,
    ServerSettings,
    Size,
    TokenStoreSettings,
    User,
)
from proxy.duration import Lifetime, Seconds
from proxy.schemes.hmac_signature import HmacSignature
from proxy.schemes.registry import SCHEMES
from proxy.secret import Secret
from proxy.template import JsonTemplate, SecretText, Template

WORDS: list[tuple[Any, str]] = [
    (Seconds, "duration"),
    (Lifetime, "duration or `none`"),
    (Size, "size"),
    (Mode, "mode"),
    (User, "user, by name or number"),
    (Group, "group, by name or number"),
    (Secret, "secret"),
    (SecretText, "template with a secret"),
    (Template, "template"),
    (JsonTemplate, "JSON of templates"),
    (bool, "true or false"),
    (int, "number"),
    (str, "text"),
    (Path, "path"),
]
_PLACE = re.compile(r"\{\{[^}]+\}\}")


def config_page() -> str:
    """The whole page."""
    providers = (
        "A provider has a name, the keys below, and either a `preset` with the keys that it adds, or `auth` with a\n"
        "`scheme` and its keys. With a preset, `auth` is laid over the preset's, key by key."
    )
    routes = "A path prefix, and a provider's name or the keys below. The longest prefix that fits wins."
    parts = [
        HEAD,
        *section("`server`", "Where the proxy listens, and to whom it answers.", ServerSettings),
        *section("`tokens`", "Where tokens are kept.", TokenStoreSettings),
        *section("`providers`", providers, ProviderKeys),
    ]
    for name, kind in SCHEMES.items():
        parts += section(f"`auth` with `scheme: {name}`", ABOUT[name], kind)
        if kind is HmacSignature:
            parts += places()
    parts += ["## `routes`\n\n", f"{routes}\n\n", *table(RouteSettings, {}, without=("prefix",))]
    return "".join(parts).rstrip() + "\n"


def section(title: str, about: str, kind: type[Any]) -> Iterator[str]:
    """A heading, what the part is, its keys, and those of the parts inside."""
    parts = dict(inner_parts(kind))
    yield f"## {title}\n\n{about}\n\n"
    yield from table(kind, parts)
    for inner, path in parts.items():
        yield f"### `{path}`\n\n"
        yield from table(inner, parts)


def inner_parts(kind: type[Any], path: str = "") -> Iterator[tuple[type[Any], str]]:
    """The dataclasses that fields hold, each with the keys that first lead there."""
    seen = set()
    for key, hint, _ in keys(kind):
        for inner in (part for part in _parts_of(hint) if _is_settings(part) and part not in seen):
            seen.add(inner)
            yield inner, f"{path}{key}"
            yield from inner_parts(inner, f"{path}{key}.")


def table(kind: type[Any], parts: Mapping[type[Any], str], without: tuple[str, ...] = ()) -> Iterator[str]:
    yield "| key | accepts | default | |\n|---|---|---|---|\n"
    for key, hint, field in keys(kind):
        if key not in without:
            told = _PLACE.sub(r"`\g<0>`", sentence(kind, key) or "")
            yield f"| `{key}` | {words(hint, parts)} | {default(hint, field)} | {told} |\n"
    yield "\n"


def keys(kind: type[Any]) -> Iterator[tuple[str, Any, Field[Any]]]:
    """Each key with its type and its field, in their order."""
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        extras = getattr(hints[field.name], "__metadata__", ())
        alias = next((extra.alias for extra in extras if isinstance(extra, FieldInfo) and extra.alias), None)
        yield alias or field.name, hints[field.name], field


def words(hint: Any, parts: Mapping[type[Any], str]) -> str:
    """What a field accepts; `parts` says under which keys the parts inside are described."""
    for known, text in WORDS:
        if hint == known:
            return text
    origin, arguments = get_origin(hint), [part for part in get_args(hint) if part not in (type(None), Ellipsis)]
    if origin is Annotated:
        return words(arguments[0], parts)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (list, tuple, frozenset):
        return f"list of {words(arguments[0], parts)}"
    if origin in (dict, Mapping):
        inner = words(arguments[1], parts)
        return f"names, each {inner}" if _is_settings(arguments[1]) else f"mapping of {inner}"
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(words(part, parts) for part in arguments))
    if _is_settings(hint):
        return f"as `{parts[hint]}` below"
    return "nothing" if hint is type(None) else "text"


def default(hint: Any, field: Field[Any]) -> str:
    if field.default is MISSING and field.default_factory is MISSING:
        return "required"
    value = field.default if field.default_factory is MISSING else field.default_factory()
    if hint == Mode:
        return f"`{value:04o}`"
    if isinstance(value, float):
        return f"`{duration(value)}`"
    if isinstance(value, bool | int | str | list) and value != []:
        return f"`{value if isinstance(value, str) else json.dumps(value)}`"
    return ""


def duration(seconds: float) -> str:
    """As one would write it."""
    if seconds == inf:
        return "none"
    size, unit = next((size, unit) for size, unit in ((3600, "h"), (60, "m"), (1, "s")) if seconds % size == 0)
    return f"{seconds / size:g}{unit}"


def places() -> Iterator[str]:
    """What `{{name}}` stands for in a signature."""
    yield "### Places of a signature\n\n| place | is |\n|---|---|\n"
    for place, told in PLACES.items():
        yield f"| `{{{{{place}}}}}` | {told} |\n"
    yield "| the variables | themselves |\n\n"


def _is_settings(part: Any) -> bool:
    return isinstance(part, type) and is_dataclass(part)


def _parts_of(hint: Any) -> Iterator[Any]:
    """The type, and what it is made of."""
    yield hint
    for part in get_args(hint):
        yield from _parts_of(part)
