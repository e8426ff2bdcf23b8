"""`authproxy run`: the proxy itself."""

from __future__ import annotations

import gc
import os
import sys

import click

from proxy.allocator import keep_freed_memory
from proxy.app import App
from proxy.config.callers import check_reach
from proxy.config.load import load
from proxy.config.models import Settings
from proxy.listening import bound_address
from proxy.logs import configure
from proxy.memory import close_to_others
from proxy.passed_sockets import passed_sockets
from proxy.terminal import admin_option, config_option, configuration_path, exits, given, listen_option, run_loop
from proxy.tracing.opening import open_tracing
from proxy.tracing.tracing import Tracing
from proxy.whereabouts import Whereabouts, folders, told


@click.command(short_help="Serve until SIGTERM or SIGINT; SIGHUP reloads.")
@config_option
@listen_option
@admin_option
@exits
def run(config: str | None, listen: str | None, admin: str | None) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reloads the configuration."""
    close_to_others()  # Before there is a secret in memory.
    keep_freed_memory()
    passed = passed_sockets(os.environ, os.getpid())  # Before there is a child that could take them for its own.
    path, overrides = configuration_path(config), given(listen=listen, admin=admin)

    def read(running: Settings | None) -> Settings:
        settings = load(path, os.environ, overrides, running)
        if passed.listen is not None:
            check_reach(settings, bound_address(passed.listen))
        return settings

    settings = read(None)
    log = configure(sys.stderr, json=not sys.stderr.isatty())

    async def serve() -> None:
        async with open_tracing(os.environ) as tracing:
            await serve_traced(tracing)

    async def serve_traced(tracing: Tracing | None) -> None:
        app = App(settings, log, read=read, passed=passed, tracing=tracing)
        app.heed_signals()
        await app.start()
        app.announce()
        _set_garbage_aside()
        if app.admin_address is None:
            await app.run_until_stopped()
            return
        here = Whereabouts(os.getpid(), str(path.absolute()), app.admin_address, app.admin_token.reveal())
        if here.page is not None and sys.stderr.isatty():
            click.echo(f"status page: {here.page}", err=True)  # Not through the log: it is as secret as the token.
        with told(here, folders(os.environ)):
            await app.run_until_stopped()

    run_loop(serve())


def _set_garbage_aside() -> None:
    """A full collection walks everything that start-up made: some 25 ms in which every request waits.

    What is here now stays, so it need not be walked again; and requests leave no cycles behind to look for often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
