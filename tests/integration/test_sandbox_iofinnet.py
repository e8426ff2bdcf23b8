"""The io.finnet emulator lets right requests in and nothing else."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator

import pytest

from proxy.sandbox import Iofinnet
from tests.clock import FakeClock
from tests.sandbox_caller import Fields, call, post_json

CREDENTIALS = {"client_id": "CANARY-id", "client_secret": "CANARY&_$secret"}
LOGIN = {"clientId": CREDENTIALS["client_id"], "clientSecret": CREDENTIALS["client_secret"]}
JSON = ("Content-Type", "application/json")
WELL = json.dumps(LOGIN).encode()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def vendor(clock: FakeClock) -> AsyncIterator[Iofinnet]:
    async with Iofinnet(clock=clock, token_lifetime=30, credentials=CREDENTIALS) as emulator:
        yield emulator


async def token(vendor: Iofinnet) -> str:
    return str((await post_json(vendor.url, "/auth/v1/accessToken", LOGIN)).json["accessToken"])


@pytest.mark.parametrize("path", ["/auth/v1/accessToken", "/v1/auth/accessToken"])
async def test_login_gives_a_jwt_with_its_lifetime(vendor: Iofinnet, clock: FakeClock, path: str) -> None:
    """camelCase in and out; expiresIn in seconds; the token's exp says the same."""
    reply = await post_json(vendor.url, path, LOGIN)
    assert sorted(reply.json) == ["accessToken", "expiresIn", "type"]
    assert (reply.json["expiresIn"], reply.json["type"]) == (30, "Bearer")
    claims = json.loads(base64.urlsafe_b64decode(reply.json["accessToken"].split(".")[1] + "=="))
    assert (claims["iat"], claims["exp"]) == (clock.wall(), clock.wall() + 30)
    vendor.sends_expires_in = False
    assert "expiresIn" not in (await post_json(vendor.url, path, LOGIN)).json
    assert vendor.logins == 2


@pytest.mark.parametrize(
    ("target", "fields", "body", "status"),
    [
        ("", [JSON], json.dumps({**LOGIN, "clientSecret": "wrong"}).encode(), 401),
        ("", [JSON], json.dumps({**LOGIN, "clientId": "wrong"}).encode(), 401),
        ("", [JSON], json.dumps({**LOGIN, "clientId": "\ud800"}).encode(), 401),
        ("", [JSON], b'{"client_id":"a","client_secret":"b"}', 400),
        ("", [JSON], json.dumps({**LOGIN, "more": 1}).encode(), 400),
        ("", [JSON], json.dumps({**LOGIN, "clientId": 1}).encode(), 400),
        ("", [JSON], WELL[:-1] + b',"clientId":"twice"}', 400),
        ("", [JSON], b"[]", 400),
        ("", [JSON], b"clientId=CANARY-id", 400),
        ("", [JSON], b"\xff", 400),
        ("", [("Content-Type", "application/x-www-form-urlencoded")], WELL, 400),
        ("", [], WELL, 400),
        ("?x=1", [JSON], WELL, 400),
        ("?", [JSON], WELL, 400),
        ("", [JSON, ("Authorization", "Bearer x")], WELL, 400),
        ("", [JSON, ("Cookie", "a=b")], WELL, 400),
        ("", [JSON, ("X_Api_Key", "x")], WELL, 400),
    ],
)
async def test_login_refuses(vendor: Iofinnet, target: str, fields: Fields, body: bytes, status: int) -> None:
    reply = await call(vendor.url, "POST", "/auth/v1/accessToken" + target, list(fields), body)
    assert reply.status == status
    assert reply.json == {"message": {400: "Bad Request", 401: "Unauthorized"}[status]}
    assert vendor.logins == 0


async def test_login_is_a_post(vendor: Iofinnet) -> None:
    assert (await call(vendor.url, "GET", "/auth/v1/accessToken")).status == 405


async def test_one_token_serves_rest_and_graphql(vendor: Iofinnet) -> None:
    fields = [("Authorization", f"Bearer {await token(vendor)}")]
    assert (await call(vendor.url, "GET", "/v1/accounts", fields)).status == 200
    reply = await post_json(vendor.url, "/graphql", {"query": "{ vaults { name } }"}, fields)
    assert (reply.status, reply.json["data"]["method"]) == (200, "POST")
    assert (await post_json(vendor.url, "/graphql", {"no": 1}, fields)).status == 400
    assert (await post_json(vendor.url, "/graphql", [1], fields)).status == 400
    assert (await call(vendor.url, "GET", "/graphql", fields)).status == 404
    assert (await call(vendor.url, "GET", "/other", fields)).status == 404


@pytest.mark.parametrize(
    "form", ["{}", "bearer {}", "Bearer  {}", "Bearer {} ,", "Token {}", "Bearer x{}", "Bearer undefined", "Bearer", ""]
)
async def test_api_refuses_anything_but_bearer_and_a_live_token(vendor: Iofinnet, form: str) -> None:
    fields = [("Authorization", form.format(await token(vendor)))]
    for method, target in (("GET", "/v1/accounts"), ("POST", "/graphql")):
        reply = await call(vendor.url, method, target, fields)
        assert (reply.status, reply.json) == (401, {"message": "Unauthorized"})


async def test_the_word_undefined_is_told_from_a_dead_token(vendor: Iofinnet) -> None:
    """The vendor's own sample makes it, by reading a token off an answer that was not parsed."""
    await call(vendor.url, "GET", "/v1/accounts", [("Authorization", "Bearer undefined")])
    assert vendor.requests[0].verdict == "the token is the word undefined"


async def test_a_fractional_lifetime_is_told_as_one(clock: FakeClock) -> None:
    """Issued at a quarter past, for half a second: exp is at three quarters, and so is its end."""
    clock.advance(0.25)
    async with Iofinnet(clock=clock, token_lifetime=0.5, credentials=CREDENTIALS) as vendor:
        text = await token(vendor)
        claims = json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))
        assert claims["exp"] == clock.wall() + 0.5
        clock.advance(0.5)
        assert (await call(vendor.url, "GET", "/v1/x", [("Authorization", f"Bearer {text}")])).status == 401


async def test_whole_lifetimes_come_in_whole_seconds(vendor: Iofinnet, clock: FakeClock) -> None:
    clock.advance(0.25)
    claims = json.loads(base64.urlsafe_b64decode((await token(vendor)).split(".")[1] + "=="))
    assert (claims["iat"], claims["exp"]) == (1_700_000_000, 1_700_000_030)


async def test_api_refuses_no_token_and_two(vendor: Iofinnet) -> None:
    field = ("Authorization", f"Bearer {await token(vendor)}")
    assert (await call(vendor.url, "GET", "/v1/accounts")).status == 401
    assert (await call(vendor.url, "GET", "/v1/accounts", [field, field])).status == 401
    assert vendor.breaches == ["2 Authorization fields"]


async def test_a_token_dies_at_its_time_and_not_before(vendor: Iofinnet, clock: FakeClock) -> None:
    fields = [("Authorization", f"Bearer {await token(vendor)}")]
    clock.advance(29.9)
    assert (await call(vendor.url, "GET", "/v1/accounts", fields)).status == 200
    clock.advance(0.1)
    assert (await call(vendor.url, "GET", "/v1/accounts", fields)).status == 401


async def test_revoked_tokens_are_dead_and_new_ones_live(vendor: Iofinnet) -> None:
    fields = [("Authorization", f"Bearer {await token(vendor)}")]
    vendor.revoke_tokens()
    assert (await call(vendor.url, "GET", "/v1/accounts", fields)).status == 401
    fields = [("Authorization", f"Bearer {await token(vendor)}")]
    assert (await call(vendor.url, "GET", "/v1/accounts", fields)).status == 200


async def test_forbidden_is_403_with_a_valid_token_only(vendor: Iofinnet) -> None:
    assert (await call(vendor.url, "GET", "/v1/forbidden")).status == 401
    reply = await call(vendor.url, "GET", "/v1/forbidden", [("Authorization", f"Bearer {await token(vendor)}")])
    assert (reply.status, reply.json) == (403, {"message": "Forbidden"})
