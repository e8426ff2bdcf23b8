"""What a run needs: the command as a process, a vendor whose logins can be spoiled, and the figures of /metrics."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from proxy.sandbox import Iofinnet
from proxy.sandbox.wire import Answer, Received, json_answer
from tests.process import Running, running
from tests.sandbox_caller import call
from tests.soak.load import Load

Judge = Callable[[Received], Answer | None]
PREFIX = "authproxy_"
LEEWAY = 0.25
_SERIES = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class Vendor(Iofinnet):
    """`login_answer` and `api_answer` may answer in the emulator's place; None lets it.

    Tokens live a little longer than it says, for those that expire between the proxy and here.
    """

    def __init__(self, **machinery: Any) -> None:
        super().__init__(**machinery)
        self.tokens.lifetime += LEEWAY

    login_answer: Judge | None = None
    api_answer: Judge | None = None

    def answer(self, received: Received) -> Answer:
        judge = self.login_answer if self.is_login(received) else self.api_answer
        answer = judge(received) if judge is not None else None
        return super().answer(received) if answer is None else answer

    @property
    def stale(self) -> list[Received]:
        """Requests that came with a token that was over."""
        return [received for received in self.api_requests if received.verdict == "the token is expired"]

    @property
    def ended(self) -> dict[str, int]:
        """How often each POST body was carried out."""
        found: dict[str, int] = {}
        for received in self.api_requests:
            if received.method == "POST" and received.status == 200:
                found[received.body.decode()] = found.get(received.body.decode(), 0) + 1
        return found


class Figures(dict[str, float]):
    """The series of one scrape. `of` gives one by the words in it; 0 if there is none."""

    def of(self, name: str, **labels: str) -> float:
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        found = [
            value
            for series, value in self.items()
            if series.partition("{")[0] == PREFIX + name and all(label in series for label in wanted)
        ]
        return sum(found)

    def __sub__(self, before: Figures) -> Figures:
        return Figures({series: value - before.get(series, 0.0) for series, value in self.items()})


@dataclass
class Stage:
    """One vendor behind the route /io, as provider `vendor`."""

    vendor: Vendor
    process: Running

    @property
    def port(self) -> int:
        return int(self.process.address.rpartition(":")[2])

    def load(self, method: str = "GET", path: str = "/io/v1/accounts") -> Load:
        """Each request has its number in its query or in its body."""
        head = f"Host: 127.0.0.1:{self.port}\r\nContent-Type: application/json\r\n".encode()

        def make(number: int) -> bytes:
            body = b'{"number":%d}' % number if method == "POST" else b""
            line = f"{method} {path}?n={number} HTTP/1.1\r\n".encode()
            return line + head + b"Content-Length: %d\r\n\r\n" % len(body) + body

        return Load(self.port, make)

    async def figures(self) -> Figures:
        text = (await self.admin("/metrics")).decode()
        found = (line.rpartition(" ") for line in text.splitlines() if line.startswith(PREFIX))
        return Figures({series: float(value) for series, _, value in found})

    async def admin(self, target: str) -> bytes:
        address = self.process.listening["admin"]
        return (await call(f"http://{address}", "GET", target)).body

    def send_signal(self, number: signal.Signals) -> None:
        self.process.process.send_signal(number)


@asynccontextmanager
async def stage(
    lifetime: float = 1000.0, entries: Mapping[str, Mapping[str, Any]] | None = None, **entry: Any
) -> AsyncIterator[Stage]:
    """`entry` is laid over the vendor's own; `entries` are laid over it in turn, one more provider and route each."""
    async with Vendor(token_lifetime=lifetime) as vendor:
        providers = {"vendor": {**vendor.provider_config(), **entry}}
        providers |= {name: {**vendor.provider_config(), **more} for name, more in (entries or {}).items()}
        routes = {"/io": "vendor", **{f"/{name}": name for name in (entries or {})}}
        listening = {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0"}
        with TemporaryDirectory() as folder:
            path = Path(folder) / "authproxy.yaml"
            path.touch(mode=0o600)
            path.write_text(json.dumps({"server": listening, "providers": providers, "routes": routes}))
            secrets = tuple(vendor.credentials.values())
            with running("run", "-c", str(path), secrets=secrets) as process:
                yield Stage(vendor, process)
                # Here and not when the context ends: requests may be under way that only this loop can answer.
                assert await asyncio.to_thread(process.stop) == 0
    assert vendor.breaches == []
    assert not [line for line in process.err if "Traceback" in line]


UNAVAILABLE = json_answer({"message": "Service Unavailable"}, 503)
UNAUTHORIZED = json_answer({"message": "Unauthorized"}, 401)
