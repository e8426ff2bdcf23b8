"""`authproxy demo`: emulated vendors, and the proxy before them."""

from __future__ import annotations

import os
import sys

import click

from proxy.logs import configure
from proxy.terminal import admin_option, exits, given, listen_option, run_loop


@click.command(short_help="Run emulated vendors, and the proxy before them.")
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
    run_loop(run_demo(log, os.environ, given(listen=listen, admin=admin), click.echo, is_terminal=sys.stdout.isatty()))
