"""The One45 emulator: one token at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from proxy.sandbox import One45
from tests.clock import FakeClock
from tests.sandbox_caller import Fields, Reply, call, post_json

CREDENTIALS = {"client_key": "CANARY-key", "client_secret": "CANARY-secret"}
GENERATE = "/public/api/v1/token/generate"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def vendor(clock: FakeClock) -> AsyncIterator[One45]:
    async with One45(clock=clock, token_lifetime=14_400, credentials=CREDENTIALS) as emulator:
        yield emulator


async def generate(vendor: One45) -> dict[str, str]:
    grant = (await post_json(vendor.url, GENERATE, CREDENTIALS)).json
    assert sorted(grant) == ["access_token", "refresh_token"]
    return dict(grant)


async def use(vendor: One45, token: str, target: str = "/api/v1/x") -> Reply:
    return await call(vendor.url, "GET", target, [("Authorization", f"Bearer {token}")])


async def test_a_new_token_kills_the_one_before(vendor: One45) -> None:
    first = (await generate(vendor))["access_token"]
    assert (await use(vendor, first)).status == 200
    second = (await generate(vendor))["access_token"]
    assert ((await use(vendor, first)).status, (await use(vendor, second)).status) == (401, 200)
    assert (vendor.logins, vendor.takeovers) == (2, 1)


async def test_a_token_lives_four_hours(vendor: One45, clock: FakeClock) -> None:
    token = (await generate(vendor))["access_token"]
    clock.advance(14_399)
    assert (await use(vendor, token)).status == 200
    clock.advance(1)
    reply = await use(vendor, token)
    assert (reply.status, reply.json) == (401, {"error": "not authorized"})
    await generate(vendor)
    assert vendor.takeovers == 0


async def test_refresh_rotates_and_kills_too(vendor: One45) -> None:
    first = await generate(vendor)
    path = "/public/api/v1/token/refresh"
    second = (await post_json(vendor.url, path, {"refresh_token": first["refresh_token"]})).json
    assert ((await use(vendor, first["access_token"])).status, (await use(vendor, second["access_token"])).status) == (
        401,
        200,
    )
    assert (await post_json(vendor.url, path, {"refresh_token": first["refresh_token"]})).status == 401
    assert (vendor.logins, vendor.refreshes) == (1, 1)


async def test_refresh_without_a_grant_is_refused(vendor: One45) -> None:
    assert (await post_json(vendor.url, "/public/api/v1/token/refresh", {"refresh_token": ""})).status == 401


async def test_invalidate_is_a_delete_with_a_body(vendor: One45) -> None:
    token = (await generate(vendor))["access_token"]
    fields, body = [("Content-Type", "application/json")], f'{{"access_token":"{token}"}}'.encode()
    path = "/public/api/v1/token/invalidate"
    assert (await call(vendor.url, "POST", path, list(fields), body)).status == 405
    assert (await call(vendor.url, "DELETE", path, list(fields))).status == 400
    assert [(await call(vendor.url, "DELETE", path, list(fields), body)).status for _ in range(2)] == [200, 401]
    assert (await use(vendor, token)).status == 401


@pytest.mark.parametrize(
    ("target", "fields", "value", "status"),
    [
        ("", [], {**CREDENTIALS, "client_secret": "wrong"}, 401),
        ("", [], {**CREDENTIALS, "client_key": "wrong"}, 401),
        ("", [], {**CREDENTIALS, "grant_type": "client_credentials"}, 400),
        ("", [], {"clientKey": "x", "clientSecret": "y"}, 400),
        ("?client_key=CANARY-key", [], CREDENTIALS, 400),
        ("", [("Authorization", "Bearer stale")], CREDENTIALS, 400),
        ("", [("Cookie", "a=b")], CREDENTIALS, 400),
    ],
)
async def test_generate_refuses(vendor: One45, target: str, fields: Fields, value: object, status: int) -> None:
    assert (await post_json(vendor.url, GENERATE + target, value, list(fields))).status == status
    assert vendor.logins == 0


async def test_generate_is_no_get(vendor: One45) -> None:
    assert (await call(vendor.url, "GET", f"{GENERATE}?client_key=a&client_secret=b")).status == 405
    assert (await call(vendor.url, "POST", "/public/api/v1/token/other")).status == 404


async def test_api_needs_the_token_in_one_field(vendor: One45) -> None:
    token = (await generate(vendor))["access_token"]
    field = ("Authorization", f"Bearer {token}")
    assert (await call(vendor.url, "GET", "/api/v1/x")).status == 401
    assert (await call(vendor.url, "GET", "/api/v1/x", [field, field])).status == 401
    assert (await call(vendor.url, "GET", f"/api/v1/x?access_token={token}", [field])).status == 400
    assert len(vendor.breaches) == 2
    vendor.revoke_tokens()
    assert (await use(vendor, token)).status == 401


async def test_public_paths_need_no_token_and_others_do_not_exist(vendor: One45) -> None:
    assert (await call(vendor.url, "GET", "/public/api/v1/institution")).status == 200
    assert (await call(vendor.url, "GET", "/api/v2/x")).status == 404
