"""Memory that a body was in is there for the next one: it is not given back to the system and asked for again."""

from __future__ import annotations

import asyncio
import json
import os
import platform
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.process import Running, running
from tests.raw_upstream import RawUpstream

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="what is tested is glibc's; other C libraries are left as they are"
)
SECRET = "CANARY-allocator-51d0"
SIZE = 512 * 1024


def chunked(size: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (size, bytes(size))


REQUESTS = 40
# Of one request. Given back and asked for again, it is two hundred.
MOST_FAULTS = 20
# Callers at once who do not read.
RUSH = 100
MOST_KEPT = 24 * 1024 * 1024


def faults_of(process: int) -> int:
    """How many pages the system had to give it so far, proc(5)."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[7])


def resident_of(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
async def vendor() -> AsyncIterator[RawUpstream]:
    async with RawUpstream() as vendor:
        yield vendor


def configured(folder: Path, vendor: RawUpstream) -> str:
    path = folder / "authproxy.yaml"
    auth = {"scheme": "static", "headers": {"Authorization": {"value": SECRET}}}
    path.write_text(
        json.dumps(
            {
                "server": {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0"},
                "providers": {"acme": {"base_url": vendor.url, "auth": auth}},
                "routes": {"/acme": "acme"},
            }
        )
    )
    return str(path)


async def ask(proxy: Running, times: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://{proxy.address}", timeout=20, trust_env=False) as client:
        for _ in range(times):
            answer = await client.get("/acme/x")
            assert (answer.status_code, len(answer.content)) == (200, SIZE)


async def test_answers_that_follow_each_other_use_the_same_memory(tmp_path: Path, vendor: RawUpstream) -> None:
    vendor.answers = [chunked(SIZE)]
    with running("run", "-c", configured(tmp_path, vendor), secrets=(SECRET,)) as proxy:
        await asyncio.to_thread(lambda: proxy.address)
        await ask(proxy, 20)
        before = faults_of(proxy.process.pid)
        await ask(proxy, REQUESTS)
        faults = faults_of(proxy.process.pid) - before
    assert faults < MOST_FAULTS * REQUESTS


async def test_of_what_a_rush_has_taken_a_bounded_rest_is_kept(tmp_path: Path, vendor: RawUpstream) -> None:
    vendor.answers = [chunked(SIZE)] * 5 + [chunked(16 * SIZE)] * RUSH + [chunked(SIZE)]
    with running("run", "-c", configured(tmp_path, vendor), secrets=(SECRET,)) as proxy:
        host, port = (await asyncio.to_thread(lambda: proxy.address)).split(":")
        await ask(proxy, 5)
        before = resident_of(proxy.process.pid)
        callers = [await asyncio.open_connection(host, int(port), limit=1) for _ in range(RUSH)]
        for _, writer in callers:
            writer.write(b"GET /acme/x HTTP/1.1\r\nHost: %b:%b\r\n\r\n" % (host.encode(), port.encode()))
        async with asyncio.timeout(30):
            while resident_of(proxy.process.pid) < before + 2 * MOST_KEPT:
                await asyncio.sleep(0)
        for _, writer in callers:
            writer.transport.abort()
        await ask(proxy, 5)
        async with asyncio.timeout(30):
            while resident_of(proxy.process.pid) > before + MOST_KEPT:
                await asyncio.sleep(0.1)
