"""A command with the proxy beside it: what it finds in its environment, its signals, its exit code."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Iterable, Mapping, Sequence

from proxy.app import App

# The shell's own codes for what could not be run.
NOT_FOUND, NOT_EXECUTABLE, SIGNALLED = 127, 126, 128

_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
# A terminal sends these to everybody in the foreground, so that the command has them already.
_BY_KEYBOARD = (signal.SIGINT, signal.SIGQUIT)
_DRAIN_SECONDS = 1.0
_PROXY_VARIABLES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


def variable_of(prefix: str) -> str:
    """`/acme/as-child` is ACME_AS_CHILD_BASE_URL: upper case, `_` for whatever else stands between; `/` is BASE_URL."""
    words = re.sub(r"[^A-Z0-9]+", "_", prefix.upper()).strip("_")
    name = f"{words}_BASE_URL" if words else "BASE_URL"
    return f"_{name}" if name[0].isdecimal() else name


def base_urls(prefixes: Iterable[str], proxy: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The variable of each route with its URL; then the variables that several routes would have, with those."""
    routes: dict[str, list[str]] = {}
    for prefix in prefixes:
        routes.setdefault(variable_of(prefix), []).append(prefix)
    urls = {name: proxy + (found[0] if found[0] != "/" else "") for name, found in routes.items() if len(found) == 1}
    return urls, {name: found for name, found in routes.items() if len(found) > 1}


def child_environment(
    environ: Mapping[str, str], secrets: frozenset[str], urls: Mapping[str, str], proxy: str, token: str | None
) -> dict[str, str]:
    """What the command finds: its own environment without the secrets, and where the proxy is."""
    kept = {name: value for name, value in environ.items() if name not in secrets and name != "AUTHPROXY_TOKEN"}
    added = {**urls, "AUTHPROXY_URL": proxy} | ({} if token is None else {"AUTHPROXY_TOKEN": token})
    if any(environ.get(name) for name in _PROXY_VARIABLES):
        # Otherwise the calls to this machine would be sent to that proxy.
        for name in ("NO_PROXY", "no_proxy"):
            added[name] = ",".join(part for part in (environ.get(name), "127.0.0.1,localhost") if part)
    return {**kept, **added}


async def run_beside(app: App, command: Sequence[str], environ: Mapping[str, str], *, has_terminal: bool) -> int:
    """Run the command while the app, which is started, serves; its exit code, or 128 and the signal's number.

    Raises FileNotFoundError or PermissionError if it cannot be run.
    """
    loop = asyncio.get_running_loop()
    try:
        child = await asyncio.create_subprocess_exec(*command, env=dict(environ))
        for number in _FORWARDED:
            loop.add_signal_handler(number, _forward, child, number)
        for number in _BY_KEYBOARD:
            loop.add_signal_handler(number, *((lambda: None,) if has_terminal else (_forward, child, number)))
        code = await child.wait()
    finally:
        await app.stop(_DRAIN_SECONDS)
    return SIGNALLED - code if code < 0 else code


def _forward(child: asyncio.subprocess.Process, number: int) -> None:
    try:
        child.send_signal(number)
    except ProcessLookupError:
        pass  # It has just ended.
