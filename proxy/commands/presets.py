"""`authproxy presets`: the vendors that need nothing but their secrets."""

from __future__ import annotations

import json

import click

from proxy.config.presets import Preset, presets
from proxy.terminal import exits


@click.command(name="presets", short_help="List the vendors that need only secrets; with NAME, its keys.")
@click.argument("name", required=False)
@exits
def list_presets(name: str | None) -> None:
    """List the vendors that need nothing but their secrets; with NAME, the keys of one."""
    known = presets()
    if name is None:
        for preset in known.values():
            click.echo(f"{preset.name:<14}{preset.title}: {preset.about}")
    elif name in known:
        click.echo("\n".join(preset_lines(known[name])))
    else:
        raise click.UsageError(f"no preset has this name; there are {', '.join(known)}")


def preset_lines(preset: Preset) -> list[str]:
    base_url = preset.provider.get("base_url")
    lines = [
        preset.title,
        preset.about,
        f"source: {preset.source}",
        "",
        f"  {'base_url':<16}text" + (f", default {json.dumps(base_url)}" if base_url else ", required"),
    ]
    for name, parameter in preset.parameters.items():
        default = "" if parameter.default is None else f", default {json.dumps(parameter.default)}"
        required = ", required" if parameter.required else ""
        about = f"  {parameter.about}" if parameter.about else ""
        lines.append(f"  {name:<16}{parameter.kind}{required}{default}{about}")
    return lines
