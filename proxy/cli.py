"""The command `authproxy`: a list of its commands, which stand in `proxy/commands/`, one file each."""

from __future__ import annotations

from typing import NoReturn

import click

from proxy import __version__
from proxy.commands.check import check
from proxy.commands.demo import demo
from proxy.commands.exec import run_command
from proxy.commands.explain import explain
from proxy.commands.healthcheck import healthcheck
from proxy.commands.init import init
from proxy.commands.presets import list_presets
from proxy.commands.reload import reload
from proxy.commands.routes import routes
from proxy.commands.run import run
from proxy.commands.schema import schema
from proxy.commands.status import status
from proxy.commands.test import try_credentials

COMMANDS = (
    run, run_command, check, demo, explain, try_credentials, init, list_presets, routes, schema, status, reload,
    healthcheck,
)  # fmt: skip


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="authproxy")
def cli() -> None:
    """Point an app at localhost; the request that leaves for the vendor is authenticated."""


for command in COMMANDS:
    cli.add_command(command)


def main() -> NoReturn:
    cli(prog_name="authproxy")
    raise SystemExit(0)
