"""Server-sent events of the admin listener: what a page is told, who is told, and that a slow one is no burden."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from proxy.admin.actions import Actions
from proxy.admin.events import MOST_PAGES
from proxy.admin.server import AdminServer
from proxy.admin.status import ProviderStatus, StatusSnapshot
from proxy.journal.journal import Journal
from proxy.journal.pulse import Pulse
from proxy.metrics import Metrics
from proxy.secret import Secret
from tests.clock import FakeClock
from tests.unit.test_journal import kept

TOKEN = "CANARY-8a40-admin-token"
WELL = StatusSnapshot((ProviderStatus("io", "ok"),))


@dataclass
class Page:
    """A connection on which events come."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: str
    read: bytes = b""

    async def event(self) -> tuple[str, Any]:
        """The next one, with its value."""
        async with asyncio.timeout(10):
            while True:
                chunk = await self.reader.readuntil(b"\n\n")
                lines = [line for line in chunk.decode().splitlines() if line.startswith(("event: ", "data: "))]
                if lines:
                    return lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: "))

    async def of(self, name: str) -> Any:
        """The value of the next event of this name."""
        while True:
            found, value = await self.event()
            if found == name:
                return value


@dataclass
class Admin:
    port: int
    server: AdminServer
    pulse: Pulse
    snapshots: list[StatusSnapshot] = field(default_factory=lambda: [WELL])

    async def open(self, query: str = "", *fields: str, buffer: int | None = None) -> Page:
        sock = socket.socket()
        if buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        limit = 2**22 if buffer is None else 2
        reader, writer = await asyncio.open_connection(sock=sock, limit=limit)
        lines = [f"GET /events{query} HTTP/1.1", f"Host: localhost:{self.port}", f"Authorization: Bearer {TOKEN}"]
        writer.write("\r\n".join([*lines, *fields, "", ""]).encode())
        if buffer is not None:
            return Page(reader, writer, "")
        async with asyncio.timeout(5):
            return Page(reader, writer, (await reader.readuntil(b"\r\n\r\n")).decode())


@pytest.fixture
async def admin() -> AsyncIterator[Admin]:
    sock = socket.create_server(("127.0.0.1", 0))
    pulse = Pulse(Journal())
    snapshots = [WELL]
    server = AdminServer(lambda: snapshots[-1], Metrics("1.2.3"), Actions(), pulse, FakeClock())
    server.allow((), [Secret(TOKEN)])
    port = sock.getsockname()[1]
    await server.start(sock)
    yield Admin(port, server, pulse, snapshots)
    await server.stop()


async def test_a_page_is_told_the_state_the_figures_and_the_requests_and_then_what_is_new(admin: Admin) -> None:
    kept(admin.pulse.journal, 2)
    page = await admin.open()
    assert page.head.startswith("HTTP/1.1 200")
    for wanted in ("Content-Type: text/event-stream", "Cache-Control: no-store", "default-src 'none'", "nosniff"):
        assert wanted in page.head
    assert "aiohttp" not in page.head
    assert [(await page.event())[0] for _ in range(3)] == ["status", "beats", "requests"]
    kept(admin.pulse.journal)
    assert [one["number"] for one in (await page.of("requests"))["entries"]] == [3]
    admin.snapshots.append(StatusSnapshot((ProviderStatus("io", "refused"),)))
    assert (await page.of("status"))["reason"] == "io refused"
    page.writer.close()


@pytest.mark.parametrize(
    ("query", "first"), [("?after=1", 2), ("?after=x", 1), ("?after=-1", 1), ("?after=" + "9" * 40, 1)]
)
async def test_a_page_that_comes_back_says_what_it_knows(admin: Admin, query: str, first: int) -> None:
    kept(admin.pulse.journal, 2)
    page = await admin.open(query)
    assert (await page.of("requests"))["entries"][0]["number"] == first
    page.writer.close()


async def test_a_page_that_takes_nothing_is_not_waited_for_and_fills_no_memory(admin: Admin) -> None:
    """What it did not take is not kept for it: another page is told everything meanwhile, and the journal stays small."""
    slow = await admin.open(buffer=2048)
    quick = await admin.open()
    await quick.of("requests")
    for generation in range(12):
        kept(admin.pulse.journal, 3000)
        large = [ProviderStatus(f"p{number}", "ok", generation=generation) for number in range(2000)]
        admin.snapshots.append(StatusSnapshot(tuple(large)))
        assert (await quick.of("status"))["providers"][0]["generation"] == generation
    # One event may wait, which is half a megabyte here; not all that were missed.
    assert max(map(waiting, admin.server._server.connections)) < 1_500_000  # type: ignore[union-attr]
    assert len(admin.pulse.journal.since(0)[0]) == 512
    for page in (slow, quick):
        page.writer.close()


def waiting(connection: Any) -> int:
    """Bytes that a caller has not taken yet."""
    return 0 if connection.transport is None else connection.transport.get_write_buffer_size()


async def test_beyond_so_many_pages_one_more_is_turned_away_until_another_leaves(admin: Admin) -> None:
    pages = [await admin.open() for _ in range(MOST_PAGES)]
    refused = await admin.open()
    assert refused.head.startswith("HTTP/1.1 503")
    assert "X-AuthProxy-Error: too_many_pages" in refused.head
    pages[0].writer.transport.abort()
    async with asyncio.timeout(10):
        while (again := await admin.open()).head.startswith("HTTP/1.1 503"):
            again.writer.close()
            kept(admin.pulse.journal)  # Writing shows who has left.
            await asyncio.sleep(0.05)
    for page in (*pages, refused, again):
        page.writer.close()


async def test_streams_end_with_the_listener_without_a_word_in_the_log(
    admin: Admin, caplog: pytest.LogCaptureFixture
) -> None:
    """One that is told something, one that waits, and one that takes nothing."""
    stalled, page = await admin.open(buffer=2048), await admin.open()
    await page.of("requests")
    large = [ProviderStatus(f"p{number}", "ok") for number in range(20_000)]
    admin.snapshots.append(StatusSnapshot(tuple(large)))
    await asyncio.sleep(0.6)
    async with asyncio.timeout(5):
        await admin.server.stop()
        await asyncio.sleep(0.05)
        assert admin.server._events._pages == set()
        with suppress(ConnectionError):
            assert not (await page.reader.read()).startswith(b"HTTP")
    for one in (stalled, page):
        one.writer.close()
    assert [record.getMessage() for record in caplog.records] == []


async def test_only_get_begins_a_stream(admin: Admin) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", admin.port)
    writer.write(f"HEAD /events HTTP/1.1\r\nHost: localhost:{admin.port}\r\nConnection: close\r\n\r\n".encode())
    assert (await reader.read()).startswith(b"HTTP/1.1 405")
    writer.close()
