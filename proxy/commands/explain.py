"""`authproxy explain`: what would be sent for a request, and why."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import click

from proxy.assembly import assemble
from proxy.clock import StoppedClock
from proxy.config.load import load
from proxy.errors import ProxyError
from proxy.explain import explanation
from proxy.terminal import FAILED, config_option, configuration_path, exits
from proxy.tokens.cache import TokenCache
from proxy.vendor_clock import VendorClocks


@click.command()
@config_option
@click.argument("method")
@click.argument("path")
@click.option("-H", "--header", "headers", multiple=True, metavar="'K: V'", help="A header that the app sends.")
@click.option("-d", "--data", "body", default="", metavar="BODY", help="The body that the app sends; @FILE reads it.")
@exits
def explain(config: str | None, method: str, path: str, headers: tuple[str, ...], body: str) -> None:
    """Say what would be sent for a request, and why. Secrets are masked; there is no network."""
    settings = load(configuration_path(config), os.environ)
    content = Path(body[1:]).read_bytes() if body.startswith("@") else body.encode()

    async def lines() -> list[tuple[str, str]]:
        clock = StoppedClock()  # So that every line speaks of one moment.
        assembly = assemble(settings, VendorClocks(clock), TokenCache(clock))
        return await explanation(assembly, method.upper(), path, tuple(map(raw_header, headers)), content)

    try:
        for name, text in asyncio.run(lines()):
            click.echo(f"{name:<16}{text}")
    except ProxyError as error:
        click.echo(f"refused with {error.status} {error.code}: {error.title}", err=True)
        sys.exit(FAILED)


def raw_header(text: str) -> tuple[bytes, bytes]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.UsageError("a header is written 'Name: value'")
    return name.strip().encode(), value.strip().encode()
