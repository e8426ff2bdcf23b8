"""Ten broken set-ups, each told from the others by what the real command says, which names the next step."""

from __future__ import annotations

import asyncio
import json
import shlex
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import pytest

from proxy.sandbox import Iofinnet
from tests.canaries import leaks
from tests.process import run
from tests.raw_upstream import RawUpstream, Received, read_body

SECRET = "CANARY-setup-4e7b-secret"
Command = list[str]
Arrange = Callable[[Path], AbstractAsyncContextManager[Command]]


@dataclass(frozen=True)
class Setup:
    """`words` is what only this message says; `next` is the command that it names."""

    name: str
    code: int
    words: str
    next: str
    arrange: Arrange


def write(folder: Path, provider: dict[str, Any], **server: str) -> str:
    path = folder / "authproxy.yaml"
    addresses = {"listen": "127.0.0.1:0", "admin": "off", **server}
    path.write_text(json.dumps({"server": addresses, "providers": {"acme": provider}, "routes": {"/acme": "acme"}}))
    return str(path)


def acme(base_url: str, **body: str) -> dict[str, Any]:
    login = {"path": "/login", "json": {"secret": "{{secret}}", **body}}
    auth = {"scheme": "token_exchange", "variables": {"secret": {"env": "ACME_SECRET"}}, "login": login}
    return {"base_url": base_url, "auth": auth}


def answering(status: str, body: bytes, kind: str = "application/json", ahead: float = 0.0, **dated: str) -> Arrange:
    """`test` before a vendor that answers logins so, and whose clock is so many seconds ahead."""

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.body = await read_body(received, reader)
        content = b"" if received.line.startswith("HEAD ") else body
        date = formatdate(time() + ahead, usegmt=True)
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nDate: {date}\r\nContent-Length: {len(content)}\r\n\r\n"
        writer.write(head.encode() + content)

    @asynccontextmanager
    async def arrange(folder: Path) -> AsyncIterator[Command]:
        async with RawUpstream(respond=respond) as upstream:
            yield ["test", "-c", write(folder, acme(upstream.url, **dated))]

    return arrange


@asynccontextmanager
async def wrong_secret(folder: Path) -> AsyncIterator[Command]:
    async with Iofinnet() as vendor:
        yield ["test", "-c", write(folder, {**vendor.provider_config(), "client_secret": {"env": "ACME_SECRET"}})]


@asynccontextmanager
async def port_busy(folder: Path) -> AsyncIterator[Command]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        yield ["run", "-c", write(folder, acme("http://127.0.0.1:1"), listen=listen)]


@asynccontextmanager
async def missing_variable(folder: Path) -> AsyncIterator[Command]:
    provider = acme("http://127.0.0.1:1")
    provider["auth"]["variables"]["secret"] = {"env": "ACME_OTHER_SECRET"}
    yield ["run", "-c", write(folder, provider)]


@asynccontextmanager
async def vendor_down(folder: Path) -> AsyncIterator[Command]:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield ["test", "-c", write(folder, acme(f"http://127.0.0.1:{closed.getsockname()[1]}"))]


@asynccontextmanager
async def unreadable_file(folder: Path) -> AsyncIterator[Command]:
    """A folder stands for it: tests may run as root, who may read everything."""
    yield ["run", "-c", str(folder)]


@asynccontextmanager
async def read_only_folder(folder: Path) -> AsyncIterator[Command]:
    if sys.platform != "linux":
        pytest.skip("needs a folder in which even root cannot write")
    yield ["init", "--preset", "iofinnet", "-o", "/sys/authproxy.yaml"]


@asynccontextmanager
async def no_file(folder: Path) -> AsyncIterator[Command]:
    yield ["run", "-c", str(folder / "none.yaml")]


@asynccontextmanager
async def bad_yaml(folder: Path) -> AsyncIterator[Command]:
    path = folder / "authproxy.yaml"
    path.write_text(f"providers:\n  acme: {{base_url: {SECRET}\nroutes: {{/acme: acme}}\n")
    yield ["run", "-c", str(path)]


PAGE = b"<!DOCTYPE html><title>Welcome to Hotel WiFi</title>"
SETUPS = [
    Setup("wrong secret", 3, "does not take the secret", "authproxy test -c ", wrong_secret),
    Setup("expired key", 3, "a key that has expired or was revoked", "authproxy test -c ",
          answering("401 Unauthorized", b'{"message":"API key expired"}')),
    Setup("wrong clock", 3, "this machine's clock is 900 s behind the vendor's", "timedatectl set-ntp true",
          answering("401 Unauthorized", b"{}", ahead=900, at="{{timestamp}}")),
    Setup("wrong URL", 3, "there is no login at this address", "authproxy test -c ",
          answering("404 Not Found", b"{}")),
    Setup("proxy in between", 3, "a web page where an API's JSON is expected", "curl -sv -o /dev/null",
          answering("200 OK", PAGE, "text/html")),
    Setup("vendor down", 3, "nobody listens at 127.0.0.1", "curl -sv http://127.0.0.1", vendor_down),
    Setup("port busy", 75, "Address already in use", "authproxy status", port_busy),
    Setup("missing variable", 78, "ACME_OTHER_SECRET is not set", "authproxy check -c", missing_variable),
    Setup("bad YAML", 78, "this mapping is not closed", "authproxy check -c", bad_yaml),
    Setup("unreadable configuration", 78, "cannot be read: Is a directory", "ls -ld", unreadable_file),
    Setup("no configuration", 78, "cannot be read: No such file", "authproxy init --preset", no_file),
    Setup("read-only folder", 1, "cannot be written: ", "ls -ld", read_only_folder),
]  # fmt: skip


@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.name)
async def test_a_broken_setup_is_known_by_its_message_alone(setup: Setup, tmp_path: Path) -> None:
    environ = {"ACME_SECRET": SECRET, "HTTPS_PROXY": "", "ALL_PROXY": ""}
    async with setup.arrange(tmp_path) as command:
        done = await asyncio.to_thread(run, *command, environ=environ)
    told = done.stdout + done.stderr
    assert done.returncode == setup.code
    assert [other.name for other in SETUPS if other.words in told] == [setup.name]
    assert f"`{setup.next}" in told
    assert len(told.splitlines()) <= 2
    assert not leaks([SECRET], told.encode())
    assert "Traceback" not in told
    for named in told.split("`")[1::2]:
        assert shlex.split(named), "a command that can be copied"
