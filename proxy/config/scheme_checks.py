"""What a scheme cannot know of itself: whether its URLs are safe to name, and its secrets fit into a header."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from proxy.config.urls import parse_url, url_path
from proxy.schemes.base import AuthScheme
from proxy.template import Place, Template, Value, variable_scope

Location = tuple[str, ...]

_LINE_BREAKING = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_URLS = frozenset({"url", "token_url"})


def mistakes_in(scheme: AuthScheme) -> Iterator[tuple[Location, str]]:
    """Locations under `auth:`, each with what is wrong there."""
    yield from _mistakes(scheme, (), variable_scope(scheme.variables))


def _mistakes(part: Any, location: Location, variables: Mapping[str, Value]) -> Iterator[tuple[Location, str]]:
    for field in fields(part):
        value, here = getattr(part, field.name), (*location, field.name)
        if is_dataclass(value):
            yield from _mistakes(value, here, variables)
        elif field.name == "headers":
            yield from _header_mistakes(value, here, variables)
        elif isinstance(value, str) and (message := _url_mistake(field.name, value)):
            yield here, message


def _url_mistake(name: str, value: str) -> str | None:
    try:
        if name in _URLS and not parse_url(value).is_private:
            return "a secret travels only by https, or by http to this machine"
        if name == "path":
            url_path(value)
    except ValueError as error:
        return str(error)
    return None


def _header_mistakes(
    headers: Mapping[str, Template], location: Location, variables: Mapping[str, Value]
) -> Iterator[tuple[Location, str]]:
    for name, template in headers.items():
        known = Template(tuple(part for part in template.parts if not isinstance(part, Place) or part in variables))
        if _LINE_BREAKING.search(known.render(variables)):
            yield (*location, name), "a header cannot hold a line break or another control character"
