"""The whole proxy on free ports, made from a configuration as a user writes it, and searched for secrets afterwards."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from proxy.app import App
from proxy.clock import Clock
from proxy.config.load import load
from proxy.logs import configure
from tests.canaries import issued, leaks, secrets_of


@dataclass
class Proxied:
    """`client` calls the proxy as an app would; `seen` are all bytes that it or an operator got to see."""

    app: App
    client: httpx.AsyncClient
    admin: httpx.AsyncClient
    log: io.StringIO
    seen: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.app.address}"

    @property
    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    @property
    def operator(self) -> dict[str, str]:
        """The header that makes a caller of the admin listener the operator."""
        return {"Authorization": f"Bearer {self.app.admin_token.reveal()}"}

    async def page_is_told(self) -> dict[str, Any]:
        """The events with which a status page begins."""
        told: dict[str, Any] = {}
        async with self.admin.stream("GET", "/events", headers=self.operator) as answer:
            async for line in answer.aiter_lines():
                self.seen.append(line.encode())
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    told[event] = json.loads(value)
                    if event == "requests":
                        break
        return told

    async def metric(self, name: str, **labels: str) -> float:
        """The value of one series; 0 if there is none."""
        for line in (await self.admin.get("/metrics")).text.splitlines():
            series, _, value = line.rpartition(" ")
            if series.startswith(name + "{") and all(f'{key}="{text}"' in series for key, text in labels.items()):
                return float(value)
        return 0.0


@asynccontextmanager
async def proxied(
    providers: Mapping[str, Any],
    routes: Mapping[str, Any],
    *,
    secrets: tuple[str, ...] = (),
    shown: tuple[str, ...] = (),
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    server: Mapping[str, Any] | None = None,
) -> AsyncIterator[Proxied]:
    """Start it; at the end look for secrets in the log, the admin pages and every answer that `client` got: for
    `secrets` and for all that the configuration names, but for what a vendor's own answers show (`shown`).
    """
    config = {
        "server": {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0", **(server or {})},
        "providers": providers,
        "routes": routes,
    }
    log = io.StringIO()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "authproxy.yaml"
        path.write_text(json.dumps(config))
        settings = load(path, environ or {})
        named = secrets_of(config, environ or {}, path.parent)
    app = App(settings, configure(log, json=True, level="debug"), clock)
    await app.start()
    seen: list[bytes] = []

    async def remember(response: httpx.Response) -> None:
        seen.append(str(response.headers).encode() + await response.aread())

    hooks = {"response": [remember]}
    try:
        async with (
            httpx.AsyncClient(
                base_url=f"http://{app.address}", event_hooks=hooks, trust_env=False, timeout=20
            ) as client,
            # Without kept connections: the admin listener would wait for them when it stops.
            httpx.AsyncClient(
                base_url=f"http://{app.admin_address}",
                trust_env=False,
                timeout=20,
                limits=httpx.Limits(max_connections=5, max_keepalive_connections=0),
            ) as admin,
        ):
            proxy = Proxied(app, client, admin, log, seen)
            yield proxy
            pages = [(await admin.get(page)).content for page in ("/", "/metrics", "/readyz?verbose")]
            pages.append((await admin.get("/status", headers=proxy.operator)).content)
            pages.append(json.dumps(await proxy.page_is_told()).encode())
            tokens = issued()
    finally:
        await app.stop(1)
    configure(io.StringIO(), json=True).flush()
    written = b"\n".join([log.getvalue().encode(), *pages])
    everything = b"\n".join([written, *seen])
    # A vendor may show a token that it issued, as those of tests do; what an operator sees shows none.
    found = [
        *leaks({*secrets, *named, app.admin_token.reveal()} - {*shown}, everything),
        *leaks({*tokens} - {*shown}, written),
    ]
    assert not found, f"{len(found)} secrets showed"
