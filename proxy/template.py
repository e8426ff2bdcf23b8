"""Texts with places to fill in: `Bearer {{token}}`, `{{url}}{{body}}`.

A template is compiled once, when the configuration is read. Filling in happens leaf by leaf in what was
already parsed, so that no value can break out of its place: a quote in a password stays a character of the
JSON string it was put into. A place whose name is unknown is found at compile time, not at the first request.

`{{name}}` is filled in for each request; `${NAME}` was an environment variable when the configuration was read
and stands here as a Secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic_core import core_schema

from proxy.secret import MASK, SECRET_JSON_SCHEMA, Secret

Value = str | bytes | Secret | Callable[[], str]
Scope = Mapping[str, Value]

_PLACE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_.\-]*)\s*\}\}")


class Place(str):
    """The name between the braces."""

    __slots__ = ()


Part = str | Place | Secret


class Template:
    """`parts` are literals, places and secrets, in order."""

    __slots__ = ("_steps", "parts")

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self.parts = parts
        # The name to look up, or what stands there anyway.
        self._steps = [(str(part), "") if isinstance(part, Place) else (None, part) for part in parts]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Compile a text without `${NAME}`; `proxy.config` deals with those before it comes here."""
        return cls(tuple(_split(text)))

    @property
    def names(self) -> frozenset[str]:
        """Which places are to be filled in."""
        return frozenset(str(part) for part in self.parts if isinstance(part, Place))

    @property
    def may_change(self) -> bool:
        """Whether one of its secrets may be another one tomorrow."""
        return any(isinstance(part, Secret) and part.may_change for part in self.parts)

    def render(self, scope: Scope) -> str:
        """The text with every place filled in. Raises KeyError for a name that the scope lacks."""
        values = [part if name is None else scope[name] for name, part in self._steps]
        return "".join([value if type(value) is str else text_of(value) for value in values])

    def render_bytes(self, scope: Scope) -> bytes:
        """As `render`, in UTF-8, for scopes in which some values are bytes (a request's body)."""
        values = [part if name is None else scope[name] for name, part in self._steps]
        return b"".join([value if type(value) is bytes else text_of(value).encode() for value in values])

    def masked(self, scope: Scope) -> str:
        """As `render`, with *** for every secret: for `explain`."""
        values = [part if name is None else scope[name] for name, part in self._steps]
        return "".join([MASK if isinstance(value, Secret) else text_of(value) for value in values])

    def hides(self, scope: Scope) -> bool:
        """Whether `masked` has to hide anything; a name that the scope lacks hides nothing."""
        return any(isinstance(part, Secret) or isinstance(scope.get(str(part)), Secret) for part in self.parts)

    def __repr__(self) -> str:
        return f"Template({''.join('{{' + p + '}}' if isinstance(p, Place) else str(p) for p in self.parts)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and self.parts == other.parts

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(_read_from_config)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return TEMPLATE_JSON_SCHEMA


class SecretText(Template):
    """A template that must hold at least one secret: a literal here is refused, with the right way to write it."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(_read_secret_text_from_config)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return SECRET_TEXT_JSON_SCHEMA


class JsonTemplate:
    """A JSON document whose string leaves are templates."""

    __slots__ = ("document",)

    def __init__(self, document: Any) -> None:
        """`document` holds dicts, lists, Templates and plain JSON scalars."""
        self.document = document

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for leaf in _leaves(self.document) for name in leaf.names)

    def render(self, scope: Scope) -> Any:
        """The document with every leaf filled in, ready for `json.dumps`."""
        return _filled(self.document, lambda leaf: leaf.render(scope))

    def masked(self, scope: Scope) -> Any:
        """As `render`, with *** for every secret: for `explain`."""
        return _filled(self.document, lambda leaf: leaf.masked(scope))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(_read_json_from_config)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return {"title": "JSON template", "description": "Any JSON; its strings are templates."}


TEMPLATE_JSON_SCHEMA: dict[str, Any] = {
    "title": "template",
    "description": "A text with {{places}} and ${ENV_VARIABLES}, or a secret's source.",
    "anyOf": [{"type": "string"}, *SECRET_JSON_SCHEMA["oneOf"]],
}
SECRET_TEXT_JSON_SCHEMA: dict[str, Any] = {
    "title": "text with a secret",
    "description": "A secret's source, or a text with ${ENV_VARIABLES} in it.",
    "anyOf": [{"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"}, *SECRET_JSON_SCHEMA["oneOf"]],
}


def variable_scope(variables: Mapping[str, Template]) -> dict[str, Value]:
    """What `{{name}}` stands for, for every variable: a literal as text, all else as a Secret."""
    return {name: _variable(template) for name, template in variables.items()}


def _variable(template: Template) -> Value:
    if not any(isinstance(part, Secret) for part in template.parts):
        return template.render({})
    if len(template.parts) == 1 and isinstance(template.parts[0], Secret):
        return template.parts[0]
    return ComposedSecret(template)


class ComposedSecret(Secret):
    """A secret with text around it; composed anew each time, since a secret file may change."""

    __slots__ = ("_template",)

    def __init__(self, template: Template) -> None:
        super().__init__("", "composed")
        self._template = template

    @property
    def parts(self) -> tuple[Part, ...]:
        return self._template.parts

    @property
    def may_change(self) -> bool:  # type: ignore[override]
        return self._template.may_change

    def reveal(self) -> str:
        return self._template.render({})


def _split(text: str) -> Iterator[str | Place]:
    at = 0
    for match in _PLACE.finditer(text):
        if match.start() > at:
            yield text[at : match.start()]
        yield Place(match[1])
        at = match.end()
    if at < len(text):
        yield text[at:]


def text_of(value: Value) -> str:
    """What a value puts into a text: a secret is revealed, bytes are UTF-8, a function is asked."""
    if isinstance(value, str):
        return value
    if isinstance(value, Secret):
        return value.reveal()
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value()


def _leaves(document: Any) -> Iterator[Template]:
    if isinstance(document, Template):
        yield document
    elif isinstance(document, dict):
        for value in document.values():
            yield from _leaves(value)
    elif isinstance(document, list):
        for value in document:
            yield from _leaves(value)


def _filled(document: Any, fill: Callable[[Template], str]) -> Any:
    if isinstance(document, Template):
        return fill(document)
    if isinstance(document, dict):
        return {key: _filled(value, fill) for key, value in document.items()}
    if isinstance(document, list):
        return [_filled(value, fill) for value in document]
    return document


def _read_from_config(value: Any, info: core_schema.ValidationInfo) -> Template:
    if isinstance(value, Template):
        return value
    assert info.context is not None
    return info.context.template(value)  # type: ignore[no-any-return]


def _read_secret_text_from_config(value: Any, info: core_schema.ValidationInfo) -> SecretText:
    if isinstance(value, SecretText):
        return value
    assert info.context is not None
    return SecretText(info.context.secret_text(value).parts)


def _read_json_from_config(value: Any, info: core_schema.ValidationInfo) -> JsonTemplate:
    if isinstance(value, JsonTemplate):
        return value
    assert info.context is not None
    return JsonTemplate(info.context.json_template(value))
