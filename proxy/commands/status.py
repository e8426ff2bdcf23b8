"""`authproxy status`: what the running proxy says of itself."""

from __future__ import annotations

import json
import sys

import click

from proxy.operating import ask_status, linked, status_lines
from proxy.terminal import FAILED, exits, running_options, running_proxy


@click.command(short_help="Show the running proxy and its providers' credentials.")
@running_options
@click.option("--link", is_flag=True, help="Show the link that opens its status page. Whoever has it is the operator.")
@exits
def status(config: str | None, admin: str | None, form: str, link: bool) -> None:
    """Show the running proxy and its providers' credentials. Exit 1 if it is not ready, or there is none."""
    proxy = running_proxy(config, admin)
    document = ask_status(proxy)
    if link:
        click.echo(linked(proxy))
        return
    click.echo(json.dumps(document, indent=2) if form == "json" else "\n".join(status_lines(document)))
    if not document["ready"]:
        sys.exit(FAILED)
