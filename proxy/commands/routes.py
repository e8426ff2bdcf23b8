"""`authproxy routes`: what the configuration makes reachable."""

from __future__ import annotations

import os

import click

from proxy.config.load import load
from proxy.terminal import config_option, configuration_path, exits


@click.command()
@config_option
@exits
def routes(config: str | None) -> None:
    """List the routes: local prefix, provider, and where it leads."""
    settings = load(configuration_path(config), os.environ)
    prefixes = max(len(route.prefix) for route in settings.routes)
    names = max(len(route.provider) for route in settings.routes)
    for route in settings.routes:
        provider = settings.providers[route.provider]
        methods = ",".join(sorted(route.methods)) if route.methods is not None else "any method"
        click.echo(f"{route.prefix:<{prefixes}}  {route.provider:<{names}}  {provider.base_url}  ({methods})")
