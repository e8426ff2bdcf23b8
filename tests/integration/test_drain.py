"""The end: readiness first, then no new connections, what is under way ends within its time, exit code 0."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.process import Running, running
from tests.raw_upstream import RawUpstream, Received, read_body

SECRET = "CANARY-drain-5e1d-secret"


@dataclass
class Slow:
    """Answers in two parts: the second one, and all of a login, when it is told to."""

    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def respond(self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.body = await read_body(received, reader)
        if received.target == "/login":
            self.arrived.set()
            await self.may_end.wait()
            body = json.dumps({"access_token": "token-1", "expires_in": 3600}).encode()
            writer.write(b"HTTP/1.1 200 -\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
            writer.write(body)
            return
        writer.write(b"HTTP/1.1 200 -\r\nContent-Length: 10\r\n\r\nfirst")
        await writer.drain()
        if received.target.endswith("/slow"):
            self.arrived.set()
            await self.may_end.wait()
        writer.write(b"-last")


@dataclass
class Draining:
    proxy: Running
    client: httpx.AsyncClient
    admin: httpx.AsyncClient
    vendor: Slow

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.proxy.process.send_signal(number)

    async def written(self, pattern: str) -> None:
        await asyncio.to_thread(self.proxy.wait_for, pattern)

    async def code(self) -> int:
        return await asyncio.to_thread(self.proxy.process.wait, 20)

    async def begin_slow(self) -> asyncio.Task[httpx.Response]:
        task = asyncio.create_task(self.client.get("/acme/slow"))
        await self.vendor.arrived.wait()
        return task

    async def stopped_accepting(self) -> None:
        async with asyncio.timeout(10):
            while True:
                try:
                    async with httpx.AsyncClient(base_url=self.client.base_url, trust_env=False) as another:
                        await another.get("/acme/x")
                except httpx.ConnectError:
                    return


def config(base_url: str, server: str, auth: str) -> str:
    return f"""
server: {{listen: "127.0.0.1:0", admin: "127.0.0.1:0"{server}}}
providers:
  acme: {{base_url: "{base_url}", auth: {auth}}}
routes: {{/acme: acme}}
"""


STATIC = '{scheme: static, headers: {Authorization: "Bearer ${ACME}"}}'
LOGIN = '{scheme: token_exchange, login: {path: /login, json: {p: "${ACME}"}}}'


@asynccontextmanager
async def draining(folder: Path, server: str = "", auth: str = STATIC) -> AsyncIterator[Draining]:
    vendor, path = Slow(), folder / "authproxy.yaml"
    async with RawUpstream(respond=vendor.respond) as upstream:
        path.write_text(config(upstream.url, server, auth))
        environ = {"ACME": SECRET, "HERE": str(folder)}
        with running("run", "-c", str(path), environ=environ, secrets=(SECRET,)) as proxy:
            address = await asyncio.to_thread(lambda: proxy.address)
            async with (
                httpx.AsyncClient(base_url=f"http://{address}", trust_env=False, timeout=20) as client,
                httpx.AsyncClient(base_url=f"http://{proxy.listening['admin']}", trust_env=False) as admin,
            ):
                yield Draining(proxy, client, admin, vendor)
            vendor.may_end.set()
            if proxy.process.poll() is None:
                proxy.process.kill()


async def test_a_streamed_answer_ends_whole_and_its_connection_with_it(tmp_path: Path) -> None:
    async with draining(tmp_path) as drain:
        slow = await drain.begin_slow()
        drain.signal()
        await drain.stopped_accepting()
        began = time.monotonic()
        while time.monotonic() - began < 1:  # Longer than callers who are idle get.
            assert (await drain.admin.get("/readyz")).text == "not ready: draining"
        assert (await drain.admin.get("/livez")).status_code == 200
        drain.vendor.may_end.set()
        assert (await slow).text == "first-last"
        assert await drain.code() == 0


async def test_a_kept_connection_is_answered_to_the_last_and_told_to_go(tmp_path: Path) -> None:
    """Its caller began before he could know."""
    async with draining(tmp_path) as drain:
        slow = await drain.begin_slow()
        kept = await drain.client.get("/acme/x")
        assert kept.headers.get("connection") != "close"
        drain.signal()
        await drain.stopped_accepting()
        answer = await drain.client.get("/acme/x")
        assert (answer.text, answer.headers["connection"]) == ("first-last", "close")
        with pytest.raises(httpx.ConnectError):
            await drain.client.get("/acme/x")
        drain.vendor.may_end.set()
        assert (await slow).text == "first-last"
        assert await drain.code() == 0


async def test_a_request_that_waits_for_a_login_gets_its_token(tmp_path: Path) -> None:
    async with draining(tmp_path, auth=LOGIN) as drain:
        waiting = asyncio.create_task(drain.client.get("/acme/x"))
        await drain.vendor.arrived.wait()
        drain.signal()
        await drain.stopped_accepting()
        drain.vendor.may_end.set()
        assert (await waiting).text == "first-last"
        assert await drain.code() == 0


async def test_readiness_goes_first_where_balancers_need_time_to_notice(tmp_path: Path) -> None:
    async with draining(tmp_path, ", drain_delay: 1h") as drain:
        drain.signal()
        await drain.written("stopping")
        assert (await drain.admin.get("/readyz")).status_code == 503
        async with httpx.AsyncClient(base_url=drain.client.base_url, trust_env=False) as another:
            answer = await another.get("/acme/x")
        assert answer.text == "first-last"
        assert answer.headers.get("connection") != "close"
        drain.signal()
        assert await drain.code() == 0


async def test_what_takes_longer_than_its_time_is_cut_off_and_does_not_look_whole(tmp_path: Path) -> None:
    async with draining(tmp_path, ", drain_timeout: 300ms") as drain:
        slow = await drain.begin_slow()
        drain.signal()
        with pytest.raises(httpx.TransportError):
            await slow
        assert await drain.code() == 0
        await drain.written("the time to drain is over")


async def test_signals_that_keep_coming_do_not_make_its_end_a_failure(tmp_path: Path) -> None:
    """Some supervisors repeat theirs until the process is gone."""
    async with draining(tmp_path) as drain:
        async with asyncio.timeout(20):
            while drain.proxy.process.poll() is None:
                drain.signal()
                await asyncio.sleep(0.001)
        assert await drain.code() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_it_at_once(number: int, tmp_path: Path) -> None:
    async with draining(tmp_path) as drain:
        slow = await drain.begin_slow()
        drain.signal()
        await drain.stopped_accepting()
        began = time.monotonic()
        drain.signal(number)
        with pytest.raises(httpx.TransportError):
            await slow
        assert await drain.code() == 0
        assert time.monotonic() - began < 5
        await drain.written("stopping at once")


async def test_a_command_for_a_secret_holds_no_end_up_and_is_ended_too(tmp_path: Path) -> None:
    script = tmp_path / "print.sh"
    script.write_text('#!/bin/sh\n[ -e "$HERE/slow" ] && echo $$ > "$HERE/pid" && exec sleep 600\necho secret\n')
    script.chmod(0o755)
    auth = "{scheme: static, headers: {X-Key: {exec: [./print.sh]}}}"
    async with draining(tmp_path, auth=auth) as drain:
        assert (await drain.client.get("/acme/x")).text == "first-last"
        os.mkfifo(tmp_path / "pid")
        (tmp_path / "slow").touch()
        drain.signal(signal.SIGHUP)
        command = int(await asyncio.to_thread((tmp_path / "pid").read_text))
        began = time.monotonic()
        drain.signal()
        assert await drain.code() == 0
        assert time.monotonic() - began < 5
        async with asyncio.timeout(5):
            while Path(f"/proc/{command}").exists():
                await asyncio.sleep(0.01)


async def test_a_reload_is_not_begun_any_more(tmp_path: Path) -> None:
    async with draining(tmp_path) as drain:
        slow = await drain.begin_slow()
        drain.signal()
        await drain.stopped_accepting()
        drain.signal(signal.SIGHUP)
        assert (await drain.admin.get("/readyz")).status_code == 503
        drain.vendor.may_end.set()
        assert (await slow).text == "first-last"
        assert await drain.code() == 0
        assert "reloaded" not in drain.proxy.written.decode()
