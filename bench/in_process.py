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


@dataclass(frozen=True)
class Kind:
    """What is asked and answered; `target` and `fields` may have a place for the request's number, as `answer` may."""

    route: str = "plain"
    method: str = "GET"
    target: str = "x"
    fields: str = ""
    has_unlike_answers: bool = False


KINDS = {
    "get": Kind(),
    "post": Kind(method="POST"),
    "signed": Kind(route="signed", method="POST"),
    "unlike": Kind(target="x?id=%d", has_unlike_answers=True),
    # One of both, or another thing in which requests differ.
    "targets": Kind(target="x?id=%d"),
    "ids": Kind(fields="X-Request-Id: %d\r\n"),
    "answers": Kind(has_unlike_answers=True),
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
        uvloop.run(_serve(settings, to, KINDS[kind], requests))


async def _serve(settings: Settings, log: Log, kind: Kind, requests: int) -> None:
    app = App(settings, log)
    await app.start()
    vendor = Vendor()
    for provider in app._assembly.providers.values():
        provider.pool._dialer = vendor  # type: ignore[assignment]
    callers = [Wire(app._serving._listener()) for _ in range(CALLERS)]
    for caller in callers:
        caller.protocol.connection_made(caller)
    await asyncio.sleep(0)
    ask = _request(kind, app.address)
    for first in range(0, _WARM_UP + requests, CALLERS):
        for number, caller in enumerate(callers, first):
            caller.protocol.data_received(ask % number if b"%" in ask else ask)
        await _turn()
        for number, wire in enumerate(vendor.wires, first):
            if wire.written:
                wire.written.clear()
                wire.protocol.data_received(_ANSWER % (number if kind.has_unlike_answers else 0))
        await _turn()
        for caller in callers:
            if not caller.written or not caller.written[0].startswith(b"HTTP/1.1 200 "):
                raise SystemExit(f"no answer: {caller.written[:1]}")
            caller.written.clear()
    os._exit(0)  # Of stand-ins nobody has to take leave.


def _request(kind: Kind, address: str) -> bytes:
    line = f"{kind.method} /{kind.route}/{kind.target} HTTP/1.1\r\n"
    head = f"{line}Host: {address}\r\nAuthorization: Bearer of-the-caller\r\n{kind.fields}"
    if kind.method == "GET":
        return f"{head}\r\n".encode()
    return f"{head}Content-Type: text/plain\r\nContent-Length: {len(_BODY)}\r\n\r\n".encode() + _BODY


async def _turn() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
