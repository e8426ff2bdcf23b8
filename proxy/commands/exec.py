"""`authproxy exec`: one command with the proxy beside it."""

from __future__ import annotations

import os
import shutil
import sys

import click

from proxy.allocator import keep_freed_memory
from proxy.app import App
from proxy.child import NOT_EXECUTABLE, NOT_FOUND, base_urls, child_environment, run_beside
from proxy.config.load import load
from proxy.config.models import Settings
from proxy.config.secret_sources import secret_variables
from proxy.logs import configure
from proxy.memory import close_to_others
from proxy.terminal import config_option, configuration_path, exits, run_loop


@click.command(
    name="exec",
    short_help="Run a command with the proxy beside it.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@config_option
@click.option("--listen", metavar="ADDRESS", default="127.0.0.1:0", help="Where the proxy listens; a free port else.")
@click.option("--client", metavar="NAME", help="Whose token the command gets, where server.clients has several.")
@click.option("-v", "--verbose", is_flag=True, help="Log each request, to standard error.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARGUMENT]...")
@exits
def run_command(config: str | None, listen: str, client: str | None, verbose: bool, command: tuple[str, ...]) -> None:
    """Run COMMAND with the proxy beside it on a free port, and end with its exit code.

    The command finds each route's address in <ROUTE>_BASE_URL (/acme/as-child: ACME_AS_CHILD_BASE_URL), the proxy's
    in AUTHPROXY_URL and, where callers need one, the local token in AUTHPROXY_TOKEN. The variables that hold the
    configuration's secrets are taken out of its environment.
    """
    close_to_others()  # Before there is a secret in memory: the command runs as the same user.
    keep_freed_memory()
    overrides = {"listen": listen, "admin": "off"}
    settings = load(configuration_path(config), os.environ, overrides)
    token = local_token(settings, client)
    if shutil.which(command[0]) is None:
        is_there = os.path.exists(command[0])
        problem = "cannot be executed; `ls -l` says why" if is_there else "no such command"
        click.echo(f"authproxy exec: {command[0]}: {problem}", err=True)
        sys.exit(NOT_EXECUTABLE if is_there else NOT_FOUND)
    log = configure(sys.stderr, json=not sys.stderr.isatty(), level="info" if verbose else "warning")

    async def serve() -> int:
        app = App(settings, log)
        await app.start()
        proxy = app.address if app.address.startswith("unix:") else f"http://{app.address}"
        urls, ambiguous = base_urls((route.prefix for route in settings.routes), proxy)
        for name, prefixes in ambiguous.items():
            click.echo(f"authproxy exec: {name} is not set: it could be any of {', '.join(prefixes)}", err=True)
        environ = child_environment(os.environ, secret_variables(settings), urls, proxy, token)
        return await run_beside(app, command, environ, has_terminal=sys.stdin.isatty())

    sys.exit(run_loop(serve()))


def local_token(settings: Settings, client: str | None) -> str | None:
    """The token that callers need; None where they need none."""
    server = settings.server
    if client is not None:
        if client not in server.clients:
            raise click.UsageError(f"server.clients has no {client}")
        return server.clients[client].token.reveal()
    if server.token is not None:
        return server.token.reveal()
    if len(server.clients) > 1:
        raise click.UsageError(f"--client: one of {', '.join(server.clients)}")
    return next((one.token.reveal() for one in server.clients.values()), None)
