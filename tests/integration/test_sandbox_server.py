"""The machinery under the emulators, seen through io.finnet and Wyre: raw bytes, journal, faults, holds, playground."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from proxy.sandbox import Defactor, Iofinnet, Sandbox
from tests.clock import FakeClock
from tests.sandbox_caller import Reply, call, post_json, read, send

CREDENTIALS = {"client_id": "CANARY-id", "client_secret": "CANARY-secret&_$x"}
LOGIN = {"clientId": CREDENTIALS["client_id"], "clientSecret": CREDENTIALS["client_secret"]}


@pytest.fixture
async def vendor() -> AsyncIterator[Iofinnet]:
    async with Iofinnet(clock=FakeClock(), credentials=CREDENTIALS) as emulator:
        yield emulator


async def with_token(vendor: Iofinnet, method: str, target: str, body: bytes = b"") -> Reply:
    token = (await post_json(vendor.url, "/auth/v1/accessToken", LOGIN)).json["accessToken"]
    return await call(vendor.url, method, target, [("Authorization", f"Bearer {token}")], body)


async def arrival(vendor: Iofinnet, count: int = 1) -> None:
    """Until so many requests have been journalled."""
    async with asyncio.timeout(5):
        while len(vendor.requests) < count:
            await asyncio.sleep(0)


TARGET = "/v1//a%2Fb/%7Eu/%e2%82%ac/../x;y='()?a=&a=%2F&b=%7e&&c=+%20&d"


async def test_journal_keeps_target_fields_and_body_as_they_came(vendor: Iofinnet) -> None:
    """Not a percent sign, a repetition, an order or the case of a name is lost."""
    fields = [("Host", "x"), ("X-b", "1"), ("x-B", "2"), ("X_B", " 3"), ("Content-Encoding", "gzip")]
    await call(vendor.url, "POST", TARGET, fields, b"\x1f\x8b not gzip\x00\xff")
    (received,) = vendor.requests
    assert received.target == TARGET.encode()
    assert received.headers[:5] == (
        (b"Host", b"x"),
        (b"X-b", b"1"),
        (b"x-B", b"2"),
        (b"X_B", b"3"),
        (b"Content-Encoding", b"gzip"),
    )
    assert received.body == b"\x1f\x8b not gzip\x00\xff"
    assert received.values("x-b") == (b"1", b"2", b"3")


@pytest.mark.parametrize("target", ["/v1/x?", "/v1/x??a", "http://evil.test/v1/x"])
async def test_odd_targets_stay(vendor: Iofinnet, target: str) -> None:
    await call(vendor.url, "GET", target)
    assert vendor.requests[0].target == target.encode("latin-1")


async def test_chunked_bodies_arrive_whole(vendor: Iofinnet) -> None:
    head = b"PUT /v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    await send(vendor.url, head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert vendor.requests[0].body == b"abcde"


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 100\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"]
)
async def test_a_body_that_ends_too_soon_is_journalled_as_such(vendor: Iofinnet, framing: bytes) -> None:
    """Half a login is no login, and half an upload is seen to be half."""
    _, writer = await asyncio.open_connection("127.0.0.1", int(vendor.url.rpartition(":")[2]))
    writer.write(b"POST /auth/v1/accessToken HTTP/1.1\r\nHost: x\r\n" + framing)
    await writer.drain()
    writer.close()
    await arrival(vendor)
    (received,) = vendor.requests
    assert (received.verdict, received.status, received.body) == ("the body ended too soon", 0, b"abc")
    assert vendor.logins == 0


async def test_expect_is_answered(vendor: Iofinnet) -> None:
    head = b"PUT /v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    answer = await send(vendor.url, head + b"ab")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 ")


async def test_journal_tells_verdict_and_status_and_shows_no_secret(vendor: Iofinnet) -> None:
    await with_token(vendor, "GET", "/v1/x?secret=CANARY-query")
    assert [(r.where, r.status, r.verdict) for r in vendor.requests] == [("login", 200, "ok"), ("api", 200, "ok")]
    assert "CANARY" not in repr(vendor.requests)


async def test_echo_tells_target_and_body_but_no_field(vendor: Iofinnet) -> None:
    reply = await with_token(vendor, "PATCH", TARGET, b"body")
    assert reply.json == {
        "method": "PATCH",
        "target": TARGET,
        "bodyLength": 4,
        "bodySha256": hashlib.sha256(b"body").hexdigest(),
    }
    assert reply.fields["server"] == "sandbox"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"])
async def test_every_method_is_served(vendor: Iofinnet, method: str) -> None:
    assert (await with_token(vendor, method, "/v1/x")).json["method"] == method


async def test_head_has_a_length_and_no_body(vendor: Iofinnet) -> None:
    reply = await with_token(vendor, "HEAD", "/v1/bytes/100")
    assert (reply.status, reply.fields["content-length"], reply.body) == (200, "100", b"")
    assert (await with_token(vendor, "HEAD", "/v1/stream")).body == b""


async def test_playground(vendor: Iofinnet) -> None:
    """Sizes, statuses, redirects, cookies, chunked answers, late ones."""
    assert (await with_token(vendor, "GET", "/v1/bytes/17")).body == b"0123456789abcdef0"
    assert (await with_token(vendor, "GET", "/v1/status/418")).status == 418
    assert (await with_token(vendor, "GET", "/v1/status/204")).body == b""
    redirect = await with_token(vendor, "GET", "/v1/redirect?to=http%3A%2F%2Fevil.test%2F")
    assert (redirect.status, redirect.fields["location"]) == (302, "http://evil.test/")
    assert "sandbox=1" in (await with_token(vendor, "GET", "/v1/cookie")).fields["set-cookie"]
    stream = await with_token(vendor, "GET", "/v1/stream?pieces=3&size=2&pause=0")
    assert (stream.fields["transfer-encoding"], stream.body) == ("chunked", b"aabbcc")
    assert (await with_token(vendor, "GET", "/v1/slow?seconds=0.01")).status == 200
    for odd in ("/v1/status/999", "/v1/status/x", "/v1/redirect", "/v1/bytes/x"):
        assert (await with_token(vendor, "GET", odd)).json["target"] == odd


async def test_faults_come_in_order_and_only_where_they_belong(vendor: Iofinnet) -> None:
    """A fault stands in for the answer, so many times; a fault of the login leaves the API alone."""
    vendor.fail_next(2, status=503, where="login", body=b"sorry", headers={"Retry-After": "7"})
    assert (await call(vendor.url, "GET", "/v1/x")).status == 401
    first = await post_json(vendor.url, "/auth/v1/accessToken", LOGIN)
    assert (first.status, first.body, first.fields["retry-after"]) == (503, b"sorry", "7")
    assert (await post_json(vendor.url, "/auth/v1/accessToken", LOGIN)).status == 503
    assert (await post_json(vendor.url, "/auth/v1/accessToken", LOGIN)).status == 200
    assert (vendor.logins, len(vendor.login_requests), len(vendor.api_requests)) == (1, 3, 1)


async def test_a_lost_answer_is_work_done(vendor: Iofinnet) -> None:
    """`after`: the login has happened, and its answer never comes."""
    vendor.fail_next(status=None, where="login", after=True)
    assert (await post_json(vendor.url, "/auth/v1/accessToken", LOGIN)).status == 0
    assert vendor.logins == 1
    vendor.fail_next(status=None, where="login")
    assert (await post_json(vendor.url, "/auth/v1/accessToken", LOGIN)).status == 0
    assert vendor.logins == 1


async def test_held_logins_wait_while_the_api_answers(vendor: Iofinnet) -> None:
    vendor.hold_logins.clear()
    login = asyncio.create_task(post_json(vendor.url, "/auth/v1/accessToken", LOGIN))
    assert (await call(vendor.url, "GET", "/v1/x")).status == 401
    await arrival(vendor, 2)
    assert not login.done() and vendor.login_requests[0].status == 0
    vendor.hold_logins.set()
    assert (await login).status == 200


async def test_hold_stops_everything(vendor: Iofinnet) -> None:
    vendor.hold.clear()
    waiting = asyncio.create_task(call(vendor.url, "GET", "/v1/x"))
    await arrival(vendor)
    assert vendor.requests[0].verdict == "waiting"
    vendor.hold.set()
    assert (await waiting).status == 401


async def test_stopping_closes_idle_connections(vendor: Iofinnet) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(vendor.url.rpartition(":")[2]))
    writer.write(b"HEAD /v1/x HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    await vendor.stop()
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_the_port_survives_a_restart(vendor: Iofinnet) -> None:
    url = vendor.url
    await vendor.stop()
    with pytest.raises(ConnectionRefusedError):
        await call(url, "GET", "/v1/x")
    await vendor.start()
    assert vendor.url == url and (await call(url, "GET", "/v1/x")).status == 401


async def test_what_belongs_to_the_proxy_is_a_breach(vendor: Iofinnet) -> None:
    await call(vendor.url, "GET", "/v1/x", [("X-AuthProxy-Token", "CANARY"), ("Proxy-Authorization", "CANARY")])
    assert vendor.breaches == ["Proxy-Authorization reached the vendor", "X-AuthProxy-Token reached the vendor"]


async def test_sandbox_runs_all_five_and_each_refuses_its_own_example_directly() -> None:
    """What `try_it` asks for needs a credential: sent straight to a vendor, it gets the vendor's error."""
    async with Sandbox(token_lifetime=5, credentials={"iofinnet": CREDENTIALS}) as sandbox:
        replies = {}
        for emulator in sandbox.emulators:
            method, path, fields, body = emulator.try_it
            replies[emulator.name] = await call(emulator.url, method, path, list(fields.items()), body)
        assert len({emulator.url for emulator in sandbox.emulators}) == 5
        assert sandbox.iofinnet.credentials == CREDENTIALS
    statuses = {name: reply.status for name, reply in replies.items()}
    assert statuses == {"iofinnet": 401, "wyre": 401, "defactor": 200, "original": 401, "one45": 401}
    assert replies["iofinnet"].json == {"message": "Unauthorized"}
    assert replies["wyre"].json["type"] == "AccessDeniedException"
    assert replies["defactor"].json["errors"][0]["extensions"]["code"] == "validation-failed"
    assert replies["original"].json["success"] is False
    assert replies["one45"].json == {"error": "not authorized"}


async def test_provider_configs_are_plain() -> None:
    """Text, numbers and {"value": ...}: what YAML can say, with the preset of the vendor's name."""
    async with Sandbox() as sandbox:
        entries = sandbox.provider_configs()
    assert {name: entry["preset"] for name, entry in entries.items()} == {name: name for name in entries}
    for entry in [*entries.values(), sandbox.wyre.token_provider_config()]:
        assert entry["base_url"].startswith("http://127.0.0.1:")
        assert all(isinstance(value, str | int) or list(value) == ["value"] for value in entry.values())
    assert entries["defactor"]["statement"] == "Sign in with Ethereum to the app."
    assert entries["one45"]["token_lifetime"] == entries["original"]["lifetime"] == "30s"


async def test_a_deployment_without_statement_has_none_in_its_configuration() -> None:
    vendor = Defactor()
    vendor.expected = replace(vendor.expected, statement=None)
    assert "statement" not in vendor.provider_config()


async def test_ports_can_be_given() -> None:
    async with Iofinnet() as other:
        port = int(other.url.rpartition(":")[2])
    async with Sandbox(ports={"one45": port}) as sandbox:
        assert sandbox.one45.url == f"http://127.0.0.1:{port}"


def test_the_caller_of_these_tests_reads_chunks() -> None:
    octets = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    assert read(octets).body == b"ab"
