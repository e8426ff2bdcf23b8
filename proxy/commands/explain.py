"""`authproxy explain`: what would be sent for a request, and why."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from proxy.assembly import assemble
from proxy.clock import StoppedClock
from proxy.config.load import load
from proxy.errors import CallerError, ProxyError
from proxy.explain.comparison import comparison
from proxy.explain.explanation import explanation, prepared
from proxy.explain.reasons import refusal_detail
from proxy.explain.routing import local_target, others
from proxy.explain.written import as_json, as_lines
from proxy.terminal import FAILED, config_option, configuration_path, exits, method_names, route_prefixes
from proxy.tokens.cache import TokenCache
from proxy.vendor_clock import VendorClocks


@click.command()
@config_option
@click.argument("method", shell_complete=method_names)
@click.argument("path", shell_complete=route_prefixes)
@click.option("-H", "--header", "headers", multiple=True, metavar="'K: V'", help="A header that the app sends.")
@click.option("-d", "--data", "body", default="", metavar="BODY", help="The body that the app sends; @FILE reads it.")
@click.option(
    "--compare",
    "compared",
    multiple=True,
    metavar="TEXT",
    help="A credential made elsewhere for this request: 'Header: value', a signed URL, or a JWT. Says what differs.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@exits
def explain(
    config: str | None,
    method: str,
    path: str,
    headers: tuple[str, ...],
    body: str,
    compared: tuple[str, ...],
    form: str,
) -> None:
    """Say what would be sent for a request, and why. Secrets are masked; there is no network.

    PATH is what the app asks of the proxy; a whole URL, the proxy's or the vendor's, will do.
    """
    settings = load(configuration_path(config), os.environ)
    content = Path(body[1:]).read_bytes() if body.startswith("@") else body.encode()
    fields, target = tuple(map(raw_header, headers)), local_target(path, settings)
    clock = StoppedClock()  # So that every line speaks of one moment.
    assembly = assemble(settings, VendorClocks(clock), TokenCache(clock))
    try:
        way = prepared(assembly, method.upper(), target, fields, content)
        told = asyncio.run(explanation(assembly, way, target, fields))
        verdict = asyncio.run(comparison(assembly, way, target, fields, compared, clock)) if compared else None
    except ProxyError as error:
        route = assembly.routes.find(target)
        missed = [{"prefix": other.prefix, "why": other.why} for other in others(assembly.routes, route, target)]
        detail = refusal_detail(error, route, target, fields) if isinstance(error, CallerError) else ""
        refused(error, detail, missed, as_json_text=form == "json")
        sys.exit(FAILED)
    if form == "json":
        click.echo(json.dumps(as_json(told, verdict), indent=2))
    else:
        for name, text in as_lines(told, verdict):
            click.echo(f"{name:<16}{text}")


def refused(error: ProxyError, detail: str, missed: list[dict[str, Any]], *, as_json_text: bool) -> None:
    if as_json_text:
        told = {"status": error.status, "code": error.code, "title": error.title, "detail": detail}
        click.echo(json.dumps({"refused": told, "others": missed}, indent=2))
        return
    click.echo(
        f"refused with {error.status} {error.code}: {error.title}" + (f" Here {detail}." * bool(detail)), err=True
    )
    for other in missed:
        click.echo(f"{'not taken':<16}{other['prefix']}: {other['why']}", err=True)


def raw_header(text: str) -> tuple[bytes, bytes]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.UsageError("a header is written 'Name: value'")
    return name.strip().encode(), value.strip().encode()
