"""The presets that come with the proxy: one YAML file per vendor, read as data.

`parameters` are the keys that a provider of this preset has beside the usual ones. In `provider`, `$name` as a
whole value stands for what the user wrote (and the entry is left out if there is nothing), and `{{name}}`
in a text for the same at run time. A `name` or an `integer` may also stand in the middle of a text: `https://$site.test`.
A variant whose `when` fits is laid over `provider`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, WithJsonSchema

from proxy.config.exact import validated
from proxy.config.nodes import MapNode, placed
from proxy.config.problems import Report
from proxy.config.sources import Sources
from proxy.config.yaml12 import compose
from proxy.duration import Lifetime, Seconds
from proxy.secret import Secret
from proxy.template import Template

_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?"


def _name(text: str) -> str:
    if not re.fullmatch(_NAME, text):
        raise ValueError("expected letters, digits, `.`, `-` and `_`, as in a host's name")
    return text


Kind = Literal["secret", "identifier", "text", "name", "boolean", "integer", "duration", "lifetime", "mapping"]
# What a parameter of each kind accepts. An identifier is a text that may also come from where secrets come from; a
# name fits between the dots of a host and the slashes of a path.
KINDS: dict[Kind, Any] = {
    "secret": Secret,
    "identifier": Template,
    "text": str,
    "name": Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME}$"})],
    "boolean": bool,
    "integer": int,
    "duration": Seconds,
    "lifetime": Lifetime,
    "mapping": dict[str, Any],
}
Group = Literal["AI", "Development", "Messages", "Work and data", "Shops and payments", "Exchanges and digital assets"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One key that a preset adds to a provider. `default` None is no default."""

    kind: Kind
    required: bool = False
    default: Any = None
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What changes when parameters have these values."""

    when: dict[str, Any]
    provider: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleLogin:
    """The request for a token, with its absolute URL, and the vendor's answer. `headers` are those that matter."""

    request: str
    headers: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] | None = None
    json: dict[str, Any] | None = None
    answer: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A request as an app sends it, below the base URL, and the credential with which the vendor receives it.

    `given` are the parameters; `at` is the moment, in seconds since 1970. `url` is where the request arrives, and
    `sends` are the header fields that were added. `<JWT>` in a text stands for one with the header and the claims
    of `jwt`; `<RSA key>` and the like in `given` for a key.
    """

    given: dict[str, Any]
    request: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    at: float | int = 1_700_000_000
    login: ExampleLogin | None = None
    jwt: dict[str, dict[str, Any]] | None = None
    url: str
    sends: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A provider with everything filled in but the parameters. `source` is the vendor's page."""

    name: str
    title: str
    group: Group
    about: str
    source: str
    provider: dict[str, Any]
    parameters: dict[str, Parameter] = field(default_factory=dict)
    require_one_of: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    examples: tuple[Example, ...] = ()


@cache
def preset_names() -> tuple[str, ...]:
    """The names of all presets, in alphabetical order."""
    entries = (entry.name for entry in files("proxy.presets").iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in entries if name.endswith(".yaml")))


@cache
def preset_named(name: str) -> Preset:
    """One of them. Raises ConfigError if its file is not a preset."""
    return read_preset(name, (files("proxy.presets") / f"{name}.yaml").read_text(encoding="utf-8"))


def presets() -> dict[str, Preset]:
    """All presets by name, in alphabetical order."""
    return {name: preset_named(name) for name in preset_names()}


def read_preset(name: str, text: str) -> Preset:
    """A preset from its file's text. Raises ConfigError with all mistakes in it."""
    report = Report(f"presets/{name}.yaml")
    root = compose(text, report)
    found = None
    if root is not None:
        nowhere = Sources(folder=Path(), environ={}, report=report)
        named = root.with_entries({"name": placed(name, root.place)}) if isinstance(root, MapNode) else root
        found = validated(Preset, named, nowhere, report)
    report.raise_errors()
    assert found is not None
    return found
