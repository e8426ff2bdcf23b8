"""A proxy whose standard error nobody reads."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import httpx

from tests.canaries import leaks
from tests.process import COMMAND
from tests.raw_upstream import RawUpstream

SECRET = "CANARY-unread-log-20c4"


async def test_a_pipe_that_nobody_reads_stops_neither_requests_nor_the_end(tmp_path: Path) -> None:
    """The pipe is full before the first request: its smallest size, filled up by us. What is lost is in the metrics."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"\n" * 4096)
    os.set_blocking(writer, True)
    async with RawUpstream() as vendor:
        path = tmp_path / "authproxy.yaml"
        address = f"unix:{tmp_path}/proxy"
        config = {
            "server": {"listen": address, "admin": f"unix:{tmp_path}/admin"},
            "providers": {
                "acme": {
                    "base_url": vendor.url,
                    "auth": {"scheme": "static", "headers": {"Authorization": {"value": SECRET}}},
                }
            },
            "routes": {"/acme": "acme"},
        }
        path.write_text(json.dumps(config))
        process = subprocess.Popen([*COMMAND, "run", "-c", str(path)], stderr=writer, stdout=subprocess.DEVNULL)
        os.close(writer)
        try:
            transport = httpx.AsyncHTTPTransport(uds=f"{tmp_path}/proxy", retries=0)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=10) as client:
                while not (tmp_path / "proxy").exists():
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(0.02)
                    assert process.returncode is None
                for _ in range(50):
                    assert (await client.get("/acme/x")).status_code == 200
            process.terminate()
            assert process.wait(15) == 0
        finally:
            process.kill()
            process.wait()
        written = b"".join(iter(lambda: os.read(reader, 65536), b""))
        os.close(reader)
        assert not leaks([SECRET], written)
