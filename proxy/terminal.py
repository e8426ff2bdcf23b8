"""What the commands have in common: options, exit codes, the event loop."""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from proxy.config.find import find_config
from proxy.config.load import section_keys
from proxy.config.names import METHODS
from proxy.config.presets import preset_names
from proxy.config.problems import ConfigError
from proxy.errors import CannotStart
from proxy.operating import NotFound, chosen
from proxy.tokens.stores.store import StoreRefused
from proxy.whereabouts import Whereabouts, folders, running

P = ParamSpec("P")
T = TypeVar("T")

FAILED, TEST_FAILED, ADDRESS_IN_USE, CONFIG_INVALID = 1, 3, 75, 78

config_option = click.option("-c", "--config", metavar="FILE", help="Configuration; else it is looked for.")
listen_option = click.option("--listen", metavar="ADDRESS", help="Where callers connect: host:port or unix:/path.")
admin_option = click.option("--admin", metavar="ADDRESS", help="The admin listener's address, or off.")


def running_options(command: Callable[P, T]) -> Callable[P, T]:
    """The options of a command that asks a running proxy."""
    config = click.option("-c", "--config", metavar="FILE", help="The one that runs with this configuration.")
    admin = click.option("--admin", metavar="ADDRESS", help="The one with this admin listener.")
    form = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
    return config(admin(form(command)))


def running_proxy(config: str | None, admin: str | None) -> Whereabouts:
    """The one that the options mean; its token comes from the file that it left, or from a variable."""
    token = os.environ.get("AUTHPROXY_ADMIN_TOKEN")
    address = admin or os.environ.get("AUTHPROXY_ADMIN")
    if token and address:
        return Whereabouts(0, "", address, token)
    named = config or os.environ.get("AUTHPROXY_CONFIG")
    return chosen(running(folders(os.environ)), Path(named) if named else None, admin)


def exits(command: Callable[P, T]) -> Callable[P, T]:
    """Turn what can go wrong into a message and the exit code that stands for it."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except ConfigError as error:
            for problem in error.problems:
                click.echo(str(problem), err=True)
            if any(problem.is_in_file for problem in error.problems):
                check = shlex.join(["authproxy", "check", "-c", error.problems[0].file])
                click.echo(f"authproxy: nothing was done; `{check}` shows each mistake in its line", err=True)
            sys.exit(CONFIG_INVALID)
        except BrokenPipeError:
            sys.exit(FAILED)  # Whoever read the output has left.
        except StoreRefused as refused:
            click.echo(f"authproxy: {refused.cause}", err=True)
            sys.exit(FAILED)
        except (CannotStart, NotFound) as error:
            click.echo(f"authproxy: {error}", err=True)
            sys.exit(FAILED)
        except OSError as error:
            click.echo(f"authproxy: {_told(error)}", err=True)
            sys.exit(ADDRESS_IN_USE if error.errno == errno.EADDRINUSE else FAILED)

    return wrapped


def _told(error: OSError) -> str:
    told = error.strerror or type(error).__name__
    if error.errno == errno.EADDRINUSE:
        told += (
            "; choose another with --listen or --admin, or in the configuration; "
            "`authproxy status` shows an authproxy of yours that runs already, `ss -ltnp` any other program"
        )
    return f"{error.filename}: {told}" if error.filename else told


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """On uvloop where it is installed."""
    try:
        import uvloop  # noqa: PLC0415 - an extra
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


def configuration_path(explicit: str | None) -> Path:
    return find_config(explicit, os.environ, Path.cwd())


def provider_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell's completion: the providers of the configuration that is in use."""
    return [name for name in _completable(context, "providers") if name.startswith(incomplete)]


def route_prefixes(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell's completion: the local paths."""
    return [prefix for prefix in _completable(context, "routes") if prefix.startswith(incomplete)]


def preset_completions(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell's completion: the presets."""
    return [name for name in preset_names() if name.startswith(incomplete)]


def method_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell's completion: the methods that routes may allow."""
    return [name for name in METHODS if name.startswith(incomplete.upper())]


def _completable(context: click.Context, section: str) -> list[str]:
    try:
        return section_keys(configuration_path(context.params.get("config")), section)
    except ConfigError:
        return []


def given(**options: str | None) -> dict[str, str]:
    return {name: value for name, value in options.items() if value is not None}
