"""`authproxy status`: what the running proxy says of itself."""

from __future__ import annotations

import json
import sys

import click

from proxy.operating import ask_status, status_lines
from proxy.terminal import FAILED, exits, running_options, running_proxy


@click.command(short_help="Show the running proxy and its providers' credentials.")
@running_options
@exits
def status(config: str | None, admin: str | None, form: str) -> None:
    """Show the running proxy and its providers' credentials. Exit 1 if it is not ready, or there is none."""
    document = ask_status(running_proxy(config, admin))
    click.echo(json.dumps(document, indent=2) if form == "json" else "\n".join(status_lines(document)))
    if not document["ready"]:
        sys.exit(FAILED)
