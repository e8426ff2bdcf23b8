"""What has ended is gone at once: objects in a circle wait for a full garbage collection, which may never come."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import pytest

from proxy.gateway.route import Route
from tests.raw_upstream import OK, RawUpstream, Received, read_body
from tests.served import Served, provider, serve

OURS = {"CallerConnection", "UpstreamConnection", "Deadline", "Incoming", "Outgoing", "HeadReader", "Tunnel", "Passage"}
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
SWITCH = b"HTTP/1.1 101 -\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n" % ACCEPT
WISH = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n"

KINDS = {
    "a request, and another": ("GET /a/ok HTTP/1.1\r\n", "", 2),
    "a body": ("POST /a/ok HTTP/1.1\r\nContent-Length: 3\r\n", "abc", 1),
    "a body in chunks": ("POST /a/ok HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n", 1),
    "no request": ("?\r\n", "", 0),
    "an answer that is not taken": ("GET /a/large HTTP/1.1\r\n", "", 0),
    "an answer in chunks that is not taken": ("GET /a/chunks HTTP/1.1\r\n", "", 0),
    "an answer that breaks off": ("GET /a/broken HTTP/1.1\r\n", "", 0),
    "an answer up to the connection's end": ("GET /a/unbounded HTTP/1.1\r\n", "", 1),
    "an upload that breaks off": ("PUT /a/ok HTTP/1.1\r\nContent-Length: 9000000\r\n", "abc", 0),
    "an upload in chunks that breaks off": ("PUT /a/ok HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", "3\r\nab", 0),
    "no answer": ("GET /a/silence HTTP/1.1\r\n", "", 0),
    "a tunnel": (f"GET /a/switch HTTP/1.1\r\n{WISH}", "frames", 0),
}
LARGE = 32 * 1024 * 1024


async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    match received.target:
        case "/ok":
            await read_body(received, reader)
            writer.write(OK)
        case "/switch":
            writer.write(SWITCH + await reader.read(6))
            await reader.read()
        case "/large":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE + bytes(LARGE))
        case "/chunks":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % LARGE + bytes(LARGE))
        case "/broken":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
            writer.close()
        case "/unbounded":
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok")
            writer.close()
        case _:
            await reader.read()


async def call(proxy: Served, head: str, body: str, answers: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    with suppress(OSError):
        for _ in range(max(answers, 1)):
            writer.write(f"{head}Host: 127.0.0.1:{proxy.port}\r\n\r\n{body}".encode())
            if answers:
                await reader.readuntil(b"ok")
        if not answers:
            await asyncio.wait_for(reader.read(200), 0.05)
    writer.transport.abort()


@pytest.fixture
def garbage() -> Iterator[Counter[str]]:
    """Filled at the end of the test with the names of what only a collection found."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found.update(type(one).__name__ for one in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert {name: count for name, count in found.items() if name in OURS} == {}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_connection_that_has_ended_leaves_nothing_to_collect(kind: str, garbage: Counter[str]) -> None:
    async with RawUpstream(respond=respond) as vendor:
        async with serve(Route.to(provider(vendor.url), "/a", timeout=0.1)) as proxy:
            for _ in range(5):
                with suppress(TimeoutError):
                    await call(proxy, *KINDS[kind])
            async with asyncio.timeout(10):
                while proxy.listener.connections:
                    await asyncio.sleep(0.01)
            proxy.passages.clear()  # Only a test keeps them.
