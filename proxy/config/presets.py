"""The presets that come with the proxy: one YAML file per vendor, read as data.

`parameters` are the keys that a provider of this preset has beside the usual ones. In `provider`, `$name` as a
whole value stands for what the user wrote (and the entry is left out if there is nothing), and `{{name}}`
in a text for the same at run time. A variant whose `when` fits is laid over `provider`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from proxy.config.exact import validated
from proxy.config.nodes import MapNode, placed
from proxy.config.problems import Report
from proxy.config.sources import Sources
from proxy.config.yaml12 import compose

Kind = Literal["secret", "text", "boolean", "integer", "duration", "lifetime", "mapping"]


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
class Preset:
    """A provider with everything filled in but the parameters. `source` is the vendor's page."""

    name: str
    title: str
    about: str
    source: str
    provider: dict[str, Any]
    parameters: dict[str, Parameter] = field(default_factory=dict)
    require_one_of: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()


@cache
def presets() -> dict[str, Preset]:
    """All presets by name, in alphabetical order. Raises ConfigError if a file is not a preset."""
    found = sorted(
        (entry.name.removesuffix(".yaml"), entry.read_text(encoding="utf-8"))
        for entry in files("proxy.presets").iterdir()
        if entry.name.endswith(".yaml")
    )
    return {name: read_preset(name, text) for name, text in found}


def read_preset(name: str, text: str) -> Preset:
    """A preset from its file's text. Raises ConfigError with all mistakes in it."""
    report = Report(f"presets/{name}.yaml")
    root = compose(text, report)
    preset = None
    if root is not None:
        nowhere = Sources(folder=Path(), environ={}, report=report)
        named = root.with_entries({"name": placed(name, root.place)}) if isinstance(root, MapNode) else root
        preset = validated(Preset, named, nowhere, report)
    report.raise_errors()
    assert preset is not None
    return preset
