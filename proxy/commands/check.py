"""`authproxy check`: every mistake in a configuration at once."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from proxy.config.excerpt import Excerpts
from proxy.config.load import load
from proxy.config.models import Settings
from proxy.config.problems import ConfigError, Problem
from proxy.config.syntax import read_text
from proxy.terminal import CONFIG_INVALID, config_option, configuration_path, exits

Problems = tuple[Problem, ...]


@click.command(short_help="Tell every mistake in the configuration.")
@config_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="github writes annotations for a pull request.",
)
@exits
def check(config: str | None, form: str) -> None:
    """Tell every mistake in the configuration at once, as file:line:column."""
    path = configuration_path(config)
    settings: Settings | None = None
    problems: Problems = ()
    try:
        settings = load(path, os.environ)
    except ConfigError as error:
        problems = error.problems
    warnings = () if settings is None else settings.warnings
    if form == "json":
        click.echo(json.dumps({"errors": described(problems), "warnings": described(warnings)}, indent=2))
    elif form == "github":
        for level, told in (("error", problems), ("warning", warnings)):
            for problem in told:
                click.echo(annotation(level, problem))
    else:
        for line in lines(path, problems, warnings):
            click.echo(line, err=True)
        if settings is not None:
            click.echo(f"{path}: ok, {len(settings.routes)} routes to {len(settings.providers)} providers")
    if settings is None:
        sys.exit(CONFIG_INVALID)


def lines(path: Path, problems: Problems, warnings: Problems) -> Iterator[str]:
    """Each message with its line of the file, in which nothing that might be a secret is shown."""
    try:
        excerpts = Excerpts(read_text(path)) if problems or warnings else None
    except ConfigError:
        excerpts = None  # It cannot be read, and that is what the messages say.
    for prefix, told in (("", problems), ("warning: ", warnings)):
        for problem in told:
            yield f"{prefix}{problem}"
            if excerpts is not None:
                yield from excerpts.of(problem)


def described(problems: Problems) -> list[dict[str, str | int]]:
    return [problem.described() for problem in problems]


def annotation(level: str, problem: Problem) -> str:
    """A workflow command of GitHub Actions, with the characters escaped that would end its parts."""
    message = ": ".join(part for part in (problem.path, problem.message) if part)
    places = {"file": problem.file, "line": problem.line, "col": problem.column, "title": "authproxy check"}
    written = ",".join(f"{name}={_escaped(str(value), ',:')}" for name, value in places.items())
    return f"::{level} {written}::{_escaped(message)}"


def _escaped(text: str, more: str = "") -> str:
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
