"""`authproxy reload`: have the running proxy take its configuration anew."""

from __future__ import annotations

import json
import sys

import click

from proxy.operating import ask_reload, problem_line
from proxy.terminal import CONFIG_INVALID, exits, running_options, running_proxy


@click.command(short_help="Have the running proxy read its configuration and secrets again.")
@running_options
@exits
def reload(config: str | None, admin: str | None, form: str) -> None:
    """Have the running proxy read its configuration and all secrets again. A wrong one changes nothing."""
    document = ask_reload(running_proxy(config, admin))
    if form == "json":
        click.echo(json.dumps(document, indent=2))
    else:
        for problem in document["errors"]:
            click.echo(problem_line(problem), err=True)
        for warning in document["warnings"]:
            click.echo(f"warning: {problem_line(warning)}", err=True)
        if document["reloaded"]:
            click.echo(f"reloaded: {document['routes']} routes to {document['providers']} providers")
        else:
            click.echo("not reloaded; the old configuration stays", err=True)
    if not document["reloaded"]:
        sys.exit(CONFIG_INVALID)
