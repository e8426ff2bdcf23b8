"""A browser, a proxy with emulated vendors, and a look at everything that the browser got to see."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from proxy.app import App
from proxy.config.load import load
from proxy.logs import configure
from proxy.sandbox import Iofinnet, One45, Original
from tests.canaries import leaks, secrets_of
from tests.vendors import canary

CREDENTIALS = {"client_id": canary("browser id"), "client_secret": canary("browser secret")}
CALLERS_OWN = canary("a secret of the caller's own")
AXE = Path(__file__).parents[1] / "node/node_modules/axe-core/axe.min.js"


def missing(what: str) -> None:
    """Skip, or fail in CI, where it has to be there."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(f"the status page's tests need {what}")


@asynccontextmanager
async def chromium() -> AsyncIterator[Any]:
    """The system's own, headless; skips where it or the package that drives it is missing."""
    try:
        from playwright.async_api import async_playwright
    except ImportError:
        missing("Playwright's package: pip install -c constraints.txt -e '.[browser]'")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        missing("Chromium: apt-get install chromium")
    async with async_playwright() as playwright:
        # As root Chromium has no sandbox, and in containers without /dev/shm no memory to share.
        arguments = ["--disable-dev-shm-usage", "--disable-gpu"]
        browser = await playwright.chromium.launch(
            executable_path=path, args=arguments, chromium_sandbox=os.geteuid() != 0
        )
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Stage:
    """A proxy that runs from a file. `link` opens its page."""

    app: App
    path: Path
    callers: httpx.AsyncClient
    vendor: Iofinnet
    seen: list[bytes] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://{self.app.admin_address}"

    @property
    def link(self) -> str:
        return f"{self.address}/#token={self.app.admin_token.reveal()}"

    async def call(self, method: str = "GET", path: str = "/io/v1/accounts", **rest: Any) -> int:
        return (await self.callers.request(method, path, **rest)).status_code

    def change(self, **config: Any) -> None:
        """Write another configuration; nobody is told."""
        self.path.write_text(json.dumps({**json.loads(self.path.read_text()), **config}))


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """One provider that works, one whose login refuses the secret, one with nobody there, one that signs a JWT."""
    async with (
        Iofinnet(token_lifetime=600.0, credentials=CREDENTIALS) as vendor,
        Original() as original,
        One45() as one45,
    ):
        working = vendor.provider_config()
        config = {
            "server": {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "watch": False},
            "providers": {
                "io": working,
                "refused": {**working, "client_secret": {"value": canary("a wrong secret")}},
                "gone": {
                    "base_url": "http://127.0.0.1:9",
                    "auth": {"scheme": "static", "headers": {"X-Key": {"value": canary("browser key")}}},
                },
                "original": original.provider_config(),
                "one45": one45.provider_config(),
            },
            "routes": {
                "/io": {"provider": "io", "headers": {"X-Team": "blue"}},
                "/refused": "refused",
                "/gone": "gone",
                "/original": "original",
                "/one45": "one45",
            },
        }
        with TemporaryDirectory() as folder:
            path = Path(folder) / "authproxy.yaml"
            path.write_text(json.dumps(config))
            log = io.StringIO()
            app = App(load(path, {}), configure(log, json=True), read=lambda running: load(path, {}, {}, running))
            await app.start()
            try:
                async with httpx.AsyncClient(base_url=f"http://{app.address}", trust_env=False, timeout=20) as callers:
                    here = Stage(app, path, callers, vendor)
                    yield here
            finally:
                await app.stop(1)
            secrets = {*secrets_of(config, {}, path.parent), app.admin_token.reveal(), CALLERS_OWN}
            shown = {original.credentials.get("user_id", "")}
    configure(io.StringIO(), json=True).flush()
    found = leaks(secrets - shown, b"\n".join([log.getvalue().encode(), *here.seen]))
    assert not found, f"{len(found)} secrets showed"


@dataclass
class Page:
    """A tab. What it was sent, and what it shows at the end, is searched for secrets; what it complained of is a fault."""

    tab: Any
    stage: Stage
    complaints: list[str] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)

    async def count(self, selector: str) -> int:
        return int(await self.tab.locator(selector).count())

    async def text(self, selector: str) -> str:
        return str(await self.tab.locator(selector).inner_text())

    async def until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        await self.tab.wait_for_function(f"() => ({condition})", timeout=15_000)

    async def row(self, text: str) -> Any:
        """The newest row with this path."""
        found = self.tab.locator(".row", has=self.tab.locator(f'.path[title*="{text}"]')).first
        await found.wait_for(timeout=15_000)
        return found


@asynccontextmanager
async def opened(browser: Any, here: Stage, *, url: str | None = None, **context: Any) -> AsyncIterator[Page]:
    """A page of a fresh browser profile, by the link unless another URL is given."""
    context.setdefault("viewport", {"width": 1280, "height": 900})
    profile = await browser.new_context(**context)
    tab = await profile.new_page()
    page = Page(tab, here)
    tab.on(
        "console",
        lambda message: page.complaints.append(message.text) if message.type in ("error", "warning") else None,
    )
    tab.on("pageerror", lambda error: page.complaints.append(str(error)))
    tab.on("request", lambda request: page.requests.append(request))  # noqa: PLW0108 - not every callable will do
    await tab.add_init_script(
        "addEventListener('securitypolicyviolation', (event) => console.error('policy: ' + event.violatedDirective))"
    )
    try:
        await tab.goto(url or here.link)
        if url is None:
            await tab.wait_for_selector(".provider .pill")
        yield page
        await asyncio.sleep(0.3)
        here.seen.append((await tab.content()).encode())
    finally:
        for request in page.requests:
            here.seen.append(f"{request.method} {request.url}".replace(here.app.admin_token.reveal(), "").encode())
        await profile.close()
    assert page.complaints == []
    assert {request.url.split("/")[2] for request in page.requests} == {here.app.admin_address}
