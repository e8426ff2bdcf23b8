"""`authproxy demo`: the vendors' emulators and the proxy before them, in one process."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from proxy.app import App
from proxy.config.load import load
from proxy.config.models import Settings
from proxy.logs import Log
from proxy.sandbox import Emulator, Sandbox
from proxy.whereabouts import Whereabouts, folders, reachable, told

_TOKEN_SECONDS = 30.0


async def run_demo(
    log: Log,
    environ: Mapping[str, str],
    overrides: Mapping[str, str],
    say: Callable[[str], None],
    *,
    is_terminal: bool,
) -> None:
    """Serve until a signal, and say what to try. Raises OSError if an address cannot be had.

    The status page's link is as secret as the admin token, and only told where a person reads it: `is_terminal`.
    """
    async with Sandbox(token_lifetime=_TOKEN_SECONDS) as sandbox:
        app = App(demo_settings(sandbox, environ, overrides), log)
        app.heed_signals()
        await app.start()
        here = None
        if app.admin_address is not None:
            here = Whereabouts(os.getpid(), "demo", app.admin_address, app.admin_token.reveal())
        lines = instructions(sandbox, app, needs_token="AUTHPROXY_TOKEN" in environ)
        for line in [*lines, *places(here, is_terminal=is_terminal), "Ctrl-C ends it."]:
            say(line)
        with nullcontext() if here is None else told(here, folders(environ)):
            await app.run_until_stopped()


def demo_settings(sandbox: Sandbox, environ: Mapping[str, str], overrides: Mapping[str, str]) -> Settings:
    """Read like any other configuration, from a file that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="authproxy-demo-") as folder:
        path = Path(folder) / "demo.yaml"
        path.write_text(json.dumps(demo_config(sandbox, environ)), encoding="utf-8")
        return load(path, environ, overrides)


def demo_config(sandbox: Sandbox, environ: Mapping[str, str]) -> dict[str, Any]:
    """A route for each emulator. AUTHPROXY_TOKEN and AUTHPROXY_ALLOWED_HOSTS let it serve other machines."""
    tokens = (("token", "AUTHPROXY_TOKEN"), ("admin_token", "AUTHPROXY_ADMIN_TOKEN"))
    server: dict[str, Any] = {key: {"env": name} for key, name in tokens if name in environ}
    if hosts := environ.get("AUTHPROXY_ALLOWED_HOSTS"):
        server["allowed_hosts"] = [host.strip() for host in hosts.split(",")]
    return {
        "server": server,
        "providers": sandbox.provider_configs(),
        "routes": {f"/{emulator.route}": emulator.name for emulator in sandbox.emulators},
    }


def instructions(sandbox: Sandbox, app: App, *, needs_token: bool) -> list[str]:
    """Lines to copy: one request for each vendor."""
    proxy = f"http://{reachable(app.address)}"
    token = ' -H "X-AuthProxy-Token: $AUTHPROXY_TOKEN"' if needs_token else ""
    subscribable = [one for one in sandbox.emulators if one.subscriptions_path is not None]
    return [
        f"Emulated vendors behind {proxy}; tokens live {_TOKEN_SECONDS:.0f} s.",
        "Each line is answered by an emulator that checked the credential:",
        "",
        *(f"  {curl(f'{proxy}/{one.route}', one)}{token}" for one in sandbox.emulators),
        "",
        "The same without the proxy is refused by the vendor:",
        "",
        *(f"  {curl(one.url, one)}" for one in sandbox.emulators),
        "",
        "A GraphQL subscription over WebSocket, by the proxy and without it:",
        "",
        *(f"  {subscription(f'{proxy}/{one.route}', one)}{token}" for one in subscribable),
        *(f"  {subscription(one.url, one)}" for one in subscribable),
        "",
    ]


def places(here: Whereabouts | None, *, is_terminal: bool) -> list[str]:
    """Where to look at the running proxy."""
    if here is None or here.page is None:
        return []
    link = here.page if is_terminal else "`authproxy status --link` shows its link"
    return [f"Status page: {link}", f"Metrics: http://{reachable(here.admin)}/metrics"]


def subscription(base: str, emulator: Emulator) -> str:
    """A command line that subscribes where the emulator speaks GraphQL."""
    url = f"{base.replace('http:', 'ws:', 1)}{emulator.subscriptions_path}"
    return shlex.join([sys.executable, "-m", "proxy.sandbox.subscribe", url])


def curl(base: str, emulator: Emulator) -> str:
    """The emulator's example as a command line."""
    method, path, headers, body = emulator.try_it
    implied = "POST" if body else "GET"
    words = ["curl", "-si", *([] if method == implied else ["-X", method]), base + path]
    for name, value in headers.items():
        words += ["-H", f"{name}: {value}"]
    if body:
        words += ["-d", body.decode()]
    return shlex.join(words)
