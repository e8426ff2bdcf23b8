"""The picture of the status page in the README: the demo's vendors with real traffic, seen by a real browser.

    python -m docs.picture [FOLDER]

writes it; with a folder, other views into that. Wants Chromium and Playwright's package, and a minute or two.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx
from playwright.async_api import Browser, async_playwright

from docs.png import smaller
from proxy.app import App
from proxy.config.load import load
from proxy.logs import configure
from proxy.sandbox import Emulator, Sandbox

TARGET = Path(__file__).parent / "images" / "status-page.png"
_TRAFFIC_SECONDS = 60.0
# Width, height, colours, how many picture points a CSS pixel has.
_VIEWS = {
    "readme": (1400, 1360, "light", 1),
    "light": (1360, 1000, "light", 1),
    "dark": (1360, 1000, "dark", 1),
    "phone": (360, 740, "light", 2),
    "phone-dark": (360, 740, "dark", 2),
    "tablet": (820, 1100, "light", 1),
}


@asynccontextmanager
async def scene() -> AsyncIterator[App]:
    """The demo's vendors, one whose login refuses the secret, and one that is not there."""
    async with Sandbox(token_lifetime=90.0) as sandbox:
        providers = sandbox.provider_configs()
        providers["io-old"] = providers["iofinnet"] | {"client_secret": {"value": "not-the-secret-of-this-account"}}
        providers["billing"] = {
            "base_url": "http://127.0.0.1:9",
            "auth": {"scheme": "static", "headers": {"X-Api-Key": {"value": "a-key-for-the-picture"}}},
        }
        routes: dict[str, Any] = {f"/{one.route}": one.name for one in sandbox.emulators}
        routes |= {"/io/old": "io-old", "/billing": {"provider": "billing", "headers": {"X-Team": "payments"}}}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "authproxy.yaml"
            server = {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0"}
            path.write_text(json.dumps({"server": server, "providers": providers, "routes": routes}), encoding="utf-8")
            app = App(load(path, {}), configure(io.StringIO(), json=True), read=lambda running: load(path, {}))
            await app.start()
            traffic = asyncio.create_task(_traffic(app, sandbox.emulators))
            try:
                yield app
            finally:
                traffic.cancel()
                await app.stop(1)


async def _traffic(app: App, emulators: tuple[Emulator, ...]) -> None:
    random = Random(7)  # noqa: S311 - the same picture each time
    async with httpx.AsyncClient(base_url=f"http://{app.address}", trust_env=False, timeout=10) as client:
        for step in range(100_000):
            emulator = random.choice(emulators)
            method, path, headers, body = emulator.try_it
            asked = [(method, f"/{emulator.route}{path}", {**headers, "X-Request-Id": f"demo-{step}"}, body)]
            match step % 40:
                case 7:
                    asked.append(("GET", "/billing/v1/invoices?month=2026-11", {}, b""))
                case 18:
                    asked.append(("GET", "/io/old/v1/accounts", {}, b""))
                case 27:
                    asked.append(("GET", "/io/v1/transactions/9c1f7f7e-1d0c-4d43-9a57-0e6f8d2b6b51", {}, b""))
                case 33:
                    asked.append(("DELETE", "/original/v1/user/100000000001", {"Authorization": "Bearer mine"}, b""))
                case 38:
                    asked.append(("GET", "/nowhere/else", {}, b""))
            for one in asked:
                await client.request(one[0], one[1], headers=one[2], content=one[3])
            await asyncio.sleep(random.expovariate(14 if step % 300 < 220 else 40))


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    async with async_playwright() as playwright:
        # Without a sandbox only where Chromium refuses to have one: it never has one as root.
        browser = await playwright.chromium.launch(executable_path=path, chromium_sandbox=os.geteuid() != 0)
        try:
            yield browser
        finally:
            await browser.close()


async def _taken(browser: Browser, app: App, view: str, path: Path) -> None:
    width, height, colours, scale = _VIEWS[view]
    page = await browser.new_page(
        viewport={"width": width, "height": height}, color_scheme=colours, device_scale_factor=scale
    )  # type: ignore[arg-type]
    await page.goto(f"http://{app.admin_address}/#token={app.admin_token.reveal()}")
    await page.wait_for_selector(".row")
    await page.wait_for_timeout(9000)
    if view != "readme":
        await page.screenshot(path=path)
    if view.startswith("phone"):
        await page.screenshot(path=path.with_stem(f"{path.stem}-whole"), full_page=True)
    # One with something added, something removed, and a body; then nothing moves any more.
    await page.fill("#filter", "delete")
    await page.wait_for_selector(".row")
    await page.keyboard.press("Escape")
    await page.click("#pause")
    await page.locator(".row", has_text="DELETE").first.click()
    await page.evaluate("document.activeElement.blur()")
    await page.mouse.move(5, 5)
    await page.wait_for_timeout(600)
    if view == "readme":
        taken = await page.screenshot()
        await asyncio.to_thread(lambda: path.write_bytes(smaller(taken)))
    else:
        await page.screenshot(path=path.with_stem(f"{path.stem}-detail"))
    await page.close()


async def main(pictures: dict[str, Path]) -> None:
    async with scene() as app, chromium() as browser:
        await asyncio.sleep(_TRAFFIC_SECONDS)
        for view, path in pictures.items():
            await _taken(browser, app, view, path)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET.parent
    folder.mkdir(exist_ok=True)
    every = {view: folder / f"{view}.png" for view in _VIEWS}
    asyncio.run(main(every if len(sys.argv) > 1 else {"readme": TARGET}))
