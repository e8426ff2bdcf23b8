"""The commands. What they do stands elsewhere; here are words, options and exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from proxy import __version__
from proxy.app import App
from proxy.assembly import assemble
from proxy.clock import StoppedClock
from proxy.config.json_schema import json_schema
from proxy.config.load import load
from proxy.config.models import Settings
from proxy.config.presets import Preset, presets
from proxy.config.problems import ConfigError, Problem
from proxy.errors import ProxyError
from proxy.explain import explanation
from proxy.healthcheck import is_alive
from proxy.logs import configure
from proxy.terminal import (
    CONFIG_INVALID,
    FAILED,
    admin_option,
    config_option,
    configuration_path,
    exits,
    given,
    listen_option,
    run_loop,
)
from proxy.tokens.cache import TokenCache
from proxy.vendor_clock import VendorClocks


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="authproxy")
def cli() -> None:
    """Point an app at localhost; the request that leaves for the vendor is authenticated."""


def main() -> NoReturn:
    cli(prog_name="authproxy")
    raise SystemExit(0)


@cli.command(short_help="Serve until SIGTERM or SIGINT; SIGHUP reloads.")
@config_option
@listen_option
@admin_option
@exits
def run(config: str | None, listen: str | None, admin: str | None) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reloads the configuration."""
    path, overrides = configuration_path(config), given(listen=listen, admin=admin)

    def read() -> Settings:
        return load(path, os.environ, overrides)

    settings = read()
    log = configure(sys.stderr, json=not sys.stderr.isatty())

    async def serve() -> None:
        app = App(settings, log, read_settings=read)
        await app.start()
        app.announce()
        await app.run_until_stopped()

    run_loop(serve())


@cli.command(short_help="Tell every mistake in the configuration.")
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


@cli.command(short_help="Run emulated vendors, and the proxy before them.")
@listen_option
@admin_option
@exits
def demo(listen: str | None, admin: str | None) -> None:
    """Run strict emulators of the vendors, and the proxy before them. Needs no account and no configuration."""
    try:
        from proxy.demo import run_demo  # noqa: PLC0415 - the emulators are only needed here, and slow to import
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "eth_account":
            raise
        raise click.ClickException("the demo needs an extra: install authproxy[ethereum]") from None

    log = configure(sys.stderr, json=not sys.stderr.isatty())
    run_loop(run_demo(log, os.environ, given(listen=listen, admin=admin), click.echo))


@cli.command()
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


@cli.command(name="presets", short_help="List the vendors that need only secrets; with NAME, its keys.")
@click.argument("name", required=False)
@exits
def list_presets(name: str | None) -> None:
    """List the vendors that need nothing but their secrets; with NAME, the keys of one."""
    known = presets()
    if name is None:
        for preset in known.values():
            click.echo(f"{preset.name:<14}{preset.title}: {preset.about}")
    elif name in known:
        click.echo("\n".join(preset_lines(known[name])))
    else:
        raise click.UsageError(f"no preset has this name; there are {', '.join(known)}")


@cli.command()
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


@cli.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    click.echo(json.dumps(json_schema(), indent=2))


@cli.command()
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
        alive = is_alive(address)
    except ValueError:
        raise click.UsageError("the admin listener's address is host:port or unix:/path") from None
    if not alive:
        click.echo(f"authproxy: no proxy is alive at {address}", err=True)
        sys.exit(FAILED)


def described(problems: tuple[Problem, ...]) -> list[dict[str, Any]]:
    return [
        {"file": one.file, "line": one.line, "column": one.column, "path": one.path, "message": one.message}
        for one in problems
    ]


def raw_header(text: str) -> tuple[bytes, bytes]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.UsageError("a header is written 'Name: value'")
    return name.strip().encode(), value.strip().encode()


def preset_lines(preset: Preset) -> list[str]:
    base_url = preset.provider.get("base_url")
    lines = [
        preset.title,
        preset.about,
        f"source: {preset.source}",
        "",
        f"  {'base_url':<16}text" + (f", default {json.dumps(base_url)}" if base_url else ", required"),
    ]
    for name, parameter in preset.parameters.items():
        default = "" if parameter.default is None else f", default {json.dumps(parameter.default)}"
        required = ", required" if parameter.required else ""
        about = f"  {parameter.about}" if parameter.about else ""
        lines.append(f"  {name:<16}{parameter.kind}{required}{default}{about}")
    return lines
