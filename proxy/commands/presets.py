"""`authproxy presets`: the vendors that need nothing but their secrets."""

from __future__ import annotations

import json
import re
from typing import Any

import click

from proxy.config.presets import Preset, preset_named, preset_names, presets
from proxy.config.problems import suggestion
from proxy.scaffold import is_secret, necessary_keys, variable
from proxy.terminal import exits, preset_completions

# What YAML reads as a text without quotes, and as no flow of its own.
_PLAIN = re.compile(r"[A-Za-z][\w./:@-]*")


@click.command(name="presets", short_help="List the vendors that need only secrets; with NAME, its keys.")
@click.argument("name", required=False, shell_complete=preset_completions)
@exits
def list_presets(name: str | None) -> None:
    """List the vendors that need nothing but their secrets; with NAME, the keys of one."""
    if name is None:
        click.echo("\n".join(overview(presets())))
    elif name in preset_names():
        click.echo("\n".join(preset_lines(preset_named(name))))
    else:
        hint = suggestion(name, preset_names()) or "; `authproxy presets` lists them"
        raise click.UsageError(f"no preset has this name{hint}")


def overview(known: dict[str, Preset]) -> list[str]:
    """One line each, by group: name, vendor, and what must be given."""
    names, titles = max(map(len, known)), max(len(preset.title) for preset in known.values())
    lines = []
    for group in sorted({preset.group for preset in known.values()}):
        members = [preset for preset in known.values() if preset.group == group]
        rows = [(preset.name, preset.title, " ".join(required_keys(preset))) for preset in members]
        lines += [group, *(f"  {name:<{names}}  {title:<{titles}}  {keys}" for name, title, keys in rows), ""]
    return [*lines, "`authproxy presets NAME` shows the keys of one, and what to write."]


def required_keys(preset: Preset) -> list[str]:
    """The keys without which there is no provider; of several that stand for each other, all in one word."""
    base_url = [] if "base_url" in preset.provider else ["base_url"]
    required = [name for name, parameter in preset.parameters.items() if parameter.required]
    return [*base_url, *required, *(["|".join(preset.require_one_of)] if preset.require_one_of else [])]


def preset_lines(preset: Preset) -> list[str]:
    """What one preset is, its keys, whose requests lose what, and a provider to copy."""
    lines = [preset.title, preset.about, f"source: {preset.source}", ""]
    rows = preset_keys(preset)
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        columns = "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=False))
        lines.append(f"  {columns}  {row[3]}".rstrip())
    dropped = [
        *preset.provider.get("drop_headers", ()),
        *(f"?{name}=" for name in preset.provider.get("drop_query", ())),
    ]
    if dropped:
        lines += ["", f"callers' own {', '.join(dropped)} are dropped, beside what the preset sends itself"]
    return [*lines, "", *snippet(preset)]


def preset_keys(preset: Preset) -> list[tuple[str, str, str, str]]:
    """Name, kind, `required` or the default, and what it is."""
    base_url = preset.provider.get("base_url")
    rows = [("base_url", "text", _default(base_url) or "required", "")]
    for name, parameter in preset.parameters.items():
        state = "required" if parameter.required else _default(parameter.default)
        rows.append((name, parameter.kind, state, parameter.about))
    return rows


def snippet(preset: Preset) -> list[str]:
    """A configuration with the required keys, secrets from the environment, and the first example's texts."""
    lines = ["providers:", f"  {preset.name}:", f"    preset: {preset.name}"]
    given = preset.examples[0].given if preset.examples else {}
    for key in necessary_keys(preset):
        at_hand = _written(given.get(key, "..."))
        lines.append(f"    {key}: " + (f"{{env: {variable(preset.name, key)}}}" if is_secret(preset, key) else at_hand))
    return [*lines, "routes:", f"  /{preset.name}: {preset.name}"]


def _default(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _written(value: Any) -> str:
    return value if isinstance(value, str) and _PLAIN.fullmatch(value) else json.dumps(value)
