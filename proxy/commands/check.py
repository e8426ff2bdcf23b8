"""`authproxy check`: every mistake in a configuration at once."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click

from proxy.config.load import load
from proxy.config.models import Settings
from proxy.config.problems import ConfigError, Problem
from proxy.terminal import CONFIG_INVALID, config_option, configuration_path, exits


@click.command(short_help="Tell every mistake in the configuration.")
@config_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@exits
def check(config: str | None, form: str) -> None:
    """Tell every mistake in the configuration at once, as file:line:column."""
    path = configuration_path(config)
    settings: Settings | None = None
    problems: tuple[Problem, ...] = ()
    try:
        settings = load(path, os.environ)
    except ConfigError as error:
        problems = error.problems
    warnings = () if settings is None else settings.warnings
    if form == "json":
        click.echo(json.dumps({"errors": described(problems), "warnings": described(warnings)}, indent=2))
    else:
        for problem in problems:
            click.echo(str(problem), err=True)
        for warning in warnings:
            click.echo(f"warning: {warning}", err=True)
        if settings is not None:
            click.echo(f"{path}: ok, {len(settings.routes)} routes to {len(settings.providers)} providers")
    if settings is None:
        sys.exit(CONFIG_INVALID)


def described(problems: tuple[Problem, ...]) -> list[dict[str, Any]]:
    return [
        {"file": one.file, "line": one.line, "column": one.column, "path": one.path, "message": one.message}
        for one in problems
    ]
