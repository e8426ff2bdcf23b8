"""`authproxy healthcheck`: whether a proxy on this machine is alive."""

from __future__ import annotations

import http
import os
import sys
from pathlib import Path

import click

from proxy.asking import ask
from proxy.config.load import admin_address
from proxy.terminal import FAILED, config_option, configuration_path, exits
from proxy.whereabouts import folders, running


@click.command()
@config_option
@click.option("--admin", metavar="ADDRESS", help="The admin listener's address; else from the configuration.")
@exits
def healthcheck(config: str | None, admin: str | None) -> None:
    """Exit 0 if the proxy on this machine is alive, 1 if not. Reads no secret, and runs no command."""
    address = admin or os.environ.get("AUTHPROXY_ADMIN") or _address(configuration_path(config))
    if address == "off":
        raise click.UsageError("there is no admin listener to ask")
    try:
        reply = ask(address, "GET", "/livez")
    except ValueError:
        raise click.UsageError("the admin listener's address is host:port or unix:/path") from None
    if reply is None or reply.status != http.HTTPStatus.OK:
        click.echo(f"authproxy: no proxy is alive at {address}", err=True)
        sys.exit(FAILED)


def _address(path: Path) -> str:
    """As the running proxy left it, else as its configuration has it."""
    left = (one.admin for one in running(folders(os.environ)) if Path(one.config) == path.absolute())
    return next(left, None) or admin_address(path, os.environ)
