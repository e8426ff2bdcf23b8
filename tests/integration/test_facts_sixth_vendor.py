"""A vendor that nobody wrote code for: one entry of the configuration, fewer than twenty lines."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import httpx

from proxy.app import App
from proxy.config.load import load
from proxy.logs import configure
from tests.canaries import leaks
from tests.clock import FakeClock
from tests.raw_upstream import OK, RawUpstream, Received, read_body
from tests.vendors import canary

USER, PASSWORD = canary("sixth user"), canary("sixth password")
CONFIG = """\
server: {listen: "127.0.0.1:0", admin: "off"}
providers:
  sixth:
    base_url: $URL/api
    auth:
      scheme: token_exchange
      variables: {user: "${SIXTH_USER}", password: {env: SIXTH_PASSWORD}}
      login:
        path: /sessions
        json: {login: {user: "{{user}}", password: "{{password}}"}}
      response: {token: result.session.key, lifetime: result.session.seconds}
      headers: {X-Session: "{{token}}"}
routes:
  /sixth: sixth
"""


class Sixth(RawUpstream):
    """Gives sessions for a user's name and password, and answers only who shows one that lives."""

    def __init__(self) -> None:
        super().__init__()
        self.respond = self.answer
        self.live: set[str] = set()
        self.logins: list[Received] = []

    async def answer(self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.body = await read_body(received, reader)
        if received.line == "POST /api/sessions HTTP/1.1":
            self.logins.append(received)
            writer.write(self.log_in(json.loads(received.body)))
        elif len(shown := received.values("x-session")) == 1 and shown[0] in self.live:
            writer.write(OK)
        else:
            writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    def log_in(self, given: object) -> bytes:
        assert given == {"login": {"user": USER, "password": PASSWORD}}
        key = canary(f"session {len(self.logins)}")
        self.live = {key}
        body = json.dumps({"result": {"session": {"key": key, "seconds": "600"}}}).encode()
        return b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
            len(body),
            body,
        )


async def test_a_sixth_vendor_is_a_few_lines_of_yaml_and_no_python(tmp_path: Path) -> None:
    """JSON login, the token under result.session.key, sent as X-Session: login, caching, expiry and replay all work."""
    assert CONFIG.count("\n") < 20
    clock, log, seen = FakeClock(), io.StringIO(), []
    async with Sixth() as vendor:
        path = tmp_path / "authproxy.yaml"
        path.write_text(CONFIG.replace("$URL", vendor.url))
        settings = load(path, {"SIXTH_USER": USER, "SIXTH_PASSWORD": PASSWORD})
        app = App(settings, configure(log, json=True, level="debug"), clock)
        await app.start()
        async with httpx.AsyncClient(base_url=f"http://{app.address}", trust_env=False) as client:

            async def status() -> int:
                answer = await client.get("/sixth/things?a=1", headers={"X-Session": "mine", "x_session": "mine"})
                seen.append(str(answer.headers).encode() + answer.content)
                return answer.status_code

            assert set(await asyncio.gather(*(status() for _ in range(20)))) == {200}
            assert len(vendor.logins) == 1
            clock.advance(601)
            assert await status() == 200
            assert len(vendor.logins) == 2
            vendor.live.clear()
            assert await status() == 200
            assert len(vendor.logins) == 3
        await app.stop(1)
    configure(io.StringIO(), json=True).flush()
    assert vendor.requests[-1].target == "/api/things?a=1"
    secrets = [USER, PASSWORD, *(canary(f"session {number}") for number in range(1, 4))]
    assert not leaks(secrets, b"\n".join([log.getvalue().encode(), *seen]))
