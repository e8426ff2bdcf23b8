"""The command `authproxy`: a list of its commands, which stand in `proxy/commands/`, one file each.

A command is imported when it is called: what `run` holds in memory for months is nothing that only `explain` needs.
"""

from __future__ import annotations

from typing import NoReturn

import click

from proxy import __version__

NAMES = (
    "run", "exec", "check", "demo", "explain", "test", "init", "presets", "routes", "schema", "status", "reload",
    "healthcheck",
)  # fmt: skip


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: PLR0912 - a list
        match cmd_name:
            case "run":
                from proxy.commands.run import run as found
            case "exec":
                from proxy.commands.exec import run_command as found
            case "check":
                from proxy.commands.check import check as found
            case "demo":
                from proxy.commands.demo import demo as found
            case "explain":
                from proxy.commands.explain import explain as found
            case "test":
                from proxy.commands.test import try_credentials as found
            case "init":
                from proxy.commands.init import init as found
            case "presets":
                from proxy.commands.presets import list_presets as found
            case "routes":
                from proxy.commands.routes import routes as found
            case "schema":
                from proxy.commands.schema import schema as found
            case "status":
                from proxy.commands.status import status as found
            case "reload":
                from proxy.commands.reload import reload as found
            case "healthcheck":
                from proxy.commands.healthcheck import healthcheck as found
            case _:
                return None
        return found


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="authproxy")
def cli() -> None:
    """Point an app at localhost; the request that leaves for the vendor is authenticated."""


def main() -> NoReturn:
    cli(prog_name="authproxy")
    raise SystemExit(0)
