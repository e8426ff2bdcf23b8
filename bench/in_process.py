"""The proxy with stand-ins for its sockets, driven in one process: what a request takes of code, and nothing else.

For `bench.instructions`. As on a busy proxy, dozens of requests are in each turn of the event loop.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from bench.contender import CREDENTIAL
from bench.contenders import CONFIG
from proxy.app import App
from proxy.config.load import load
from proxy.config.models import Settings
from proxy.logs import Log, configure

CALLERS = 32
_WARM_UP = 40 * CALLERS
# A request's way through the event loop: read, answered by its task, written.
_TURNS = 3
_BODY = b"x" * 1024
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 28 Nov 2026 23:00:00 GMT\r\n"
    b"Content-Type: application/json\r\nContent-Length: 1024\r\nConnection: keep-alive\r\nX-Request-Id: %d\r\n\r\n"
    + _BODY
)
# The route, the method, and whether each request and each answer has another head.
KINDS: dict[str, tuple[bytes, bytes, bool]] = {
    "get": (b"plain", b"GET", False),
    "post": (b"plain", b"POST", False),
    "signed": (b"signed", b"POST", False),
    "unlike": (b"plain", b"GET", True),
}


@dataclass(eq=False)
class Wire:
    """A transport that keeps what is written."""

    protocol: Any = None
    written: list[bytes] = field(default_factory=list)

    def get_extra_info(self, name: str, default: object = None) -> object:
        return default

    def write(self, octets: bytes) -> None:
        self.written.append(octets)

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0


@dataclass
class Vendor:
    """Takes the place of a Dialer."""

    wires: list[Wire] = field(default_factory=list)

    async def dial(self, protocol: Any) -> None:
        self.wires.append(Wire(protocol))
        protocol.connection_made(self.wires[-1])


def main(kind: str, requests: int) -> None:
    with TemporaryDirectory() as folder, Path(os.devnull).open("w") as log:
        path = Path(folder, "authproxy.yaml")
        path.write_text(CONFIG.format(port=0, upstream="http://127.0.0.1:9", credential=CREDENTIAL, ca=""))
        settings, to = load(path, os.environ), configure(log, json=True)
        uvloop.run(_serve(settings, to, *KINDS[kind], requests))


async def _serve(settings: Settings, log: Log, route: bytes, method: bytes, is_unlike: bool, requests: int) -> None:
    app = App(settings, log)
    await app.start()
    vendor = Vendor()
    for provider in app._assembly.providers.values():
        provider.pool._dialer = vendor  # type: ignore[assignment]
    callers = [Wire(app._serving._listener()) for _ in range(CALLERS)]
    for caller in callers:
        caller.protocol.connection_made(caller)
    await asyncio.sleep(0)
    fields = f"Host: {app.address}\r\nAuthorization: Bearer of-the-caller\r\n".encode()
    body = _BODY if method == b"POST" else b""
    if body:
        fields += b"Content-Type: text/plain\r\nContent-Length: 1024\r\n"
    for first in range(0, _WARM_UP + requests, CALLERS):
        for number, caller in enumerate(callers, first):
            query = b"?id=%d" % number if is_unlike else b""
            caller.protocol.data_received(b"%b /%b/x%b HTTP/1.1\r\n%b\r\n%b" % (method, route, query, fields, body))
        await _turn()
        for number, wire in enumerate(vendor.wires, first):
            if wire.written:
                wire.written.clear()
                wire.protocol.data_received(_ANSWER % (number if is_unlike else 0))
        await _turn()
        for caller in callers:
            if not caller.written or not caller.written[0].startswith(b"HTTP/1.1 200 "):
                raise SystemExit(f"no answer: {caller.written[:1]}")
            caller.written.clear()
    os._exit(0)  # Of stand-ins nobody has to take leave.


async def _turn() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
