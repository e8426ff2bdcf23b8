"""A vendor that is a socket file on this machine."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, unix_serve

from proxy.config import ConfigError, load
from tests.canaries import leaks
from tests.proxied import proxied
from tests.raw_upstream import RawUpstream, Received

KEY = "CANARY-key-77b1-of-the-vendor"
STATIC = {"scheme": "static", "headers": {"X-Key": {"value": KEY}}}


async def test_requests_and_logins_go_to_the_file_and_the_host_is_the_base_urls(tmp_path: Path) -> None:
    """Plain http too, for nobody stands between; a token URL on another host is reached by its name."""
    file = tmp_path / "vendor.sock"

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(int((received.values("content-length") or ["0"])[0]))
        body = json.dumps({"token": f"{KEY}-token"} if received.target == "/v1/login" else {}).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )

    login = {"scheme": "token_exchange", "login": {"path": "/login"}, "response": {"token": "token"}}
    async with RawUpstream(respond=respond, path=str(file)) as vendor:
        provider = {"base_url": "http://vendor.internal/v1", "unix_socket": str(file), "auth": login}
        async with proxied({"a": provider}, {"/a": "a"}, secrets=(KEY,)) as proxy:
            assert [(await proxy.client.get("/a/x")).status_code for _ in range(2)] == [200, 200]
    assert [received.target for received in vendor.requests] == ["/v1/login", "/v1/x", "/v1/x"]
    assert {received.values("host")[0] for received in vendor.requests} == {"vendor.internal"}
    assert vendor.requests[1].values("authorization") == [f"Bearer {KEY}-token"]
    assert vendor.connections == 2  # One for the login, and one that was kept.


async def test_a_websocket_goes_to_the_file_too(tmp_path: Path) -> None:
    file = tmp_path / "vendor.sock"

    async def answer(connection: ServerConnection) -> None:
        assert connection.request is not None
        await connection.send(f"{connection.request.headers['Host']} {connection.request.headers['X-Key']}")
        async for message in connection:
            await connection.send(message)

    async with unix_serve(answer, str(file)):
        provider = {"base_url": "http://vendor.internal/v1", "unix_socket": str(file), "auth": STATIC}
        async with proxied({"a": provider}, {"/a": "a"}, secrets=(KEY,)) as proxy:
            async with connect(f"ws://{proxy.app.address}/a/x", proxy=None) as client:
                assert await client.recv() == f"vendor.internal {KEY}"
                await client.send("back")
                assert await client.recv() == "back"


async def test_a_file_on_which_nobody_listens_is_a_vendor_that_cannot_be_reached(tmp_path: Path) -> None:
    provider = {"base_url": "https://vendor.test", "unix_socket": str(tmp_path / "later.sock"), "auth": STATIC}
    async with proxied({"a": provider}, {"/a": "a"}, secrets=(KEY,)) as proxy:
        answer = await proxy.client.get("/a/x")
    assert (answer.status_code, answer.headers["x-authproxy-error"]) == (502, "upstream_unreachable")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("vendor.sock", "expected an absolute path of at most 107 bytes"),
        ("/" + "x" * 107, "expected an absolute path of at most 107 bytes"),
        ("/é" + "x" * 105, "expected an absolute path of at most 107 bytes"),
        ("/dev/null", "this file is not a socket"),
        ("", "expected an absolute path"),
    ],
)
def test_a_path_that_cannot_be_a_socket_is_told(tmp_path: Path, value: str, words: str) -> None:
    path = tmp_path / "authproxy.yaml"
    acme = {"base_url": "https://a.test", "unix_socket": value, "auth": STATIC}
    path.write_text(json.dumps({"providers": {"a": acme}, "routes": {"/a": "a"}}))
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert words in str(caught.value) and "unix_socket" in str(caught.value)
    assert not leaks([KEY], str(caught.value).encode())
