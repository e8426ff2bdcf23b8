"""`authproxy healthcheck`: whether a proxy on this machine is alive."""

from __future__ import annotations

import http
import os
import sys

import click

from proxy.asking import ask
from proxy.config.load import load
from proxy.terminal import FAILED, config_option, configuration_path, exits


@click.command()
@config_option
@click.option("--admin", metavar="ADDRESS", help="The admin listener's address; else from the configuration.")
@exits
def healthcheck(config: str | None, admin: str | None) -> None:
    """Exit 0 if the proxy on this machine is alive, 1 if not."""
    address = admin or os.environ.get("AUTHPROXY_ADMIN")
    if address is None:
        address = load(configuration_path(config), os.environ).server.admin
    if address is None or address == "off":
        raise click.UsageError("there is no admin listener to ask")
    try:
        reply = ask(address, "GET", "/livez")
    except ValueError:
        raise click.UsageError("the admin listener's address is host:port or unix:/path") from None
    if reply is None or reply.status != http.HTTPStatus.OK:
        click.echo(f"authproxy: no proxy is alive at {address}", err=True)
        sys.exit(FAILED)
