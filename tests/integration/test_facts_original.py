"""Original through the whole proxy: each test is a fact about its API key and the token that is minted here."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from original_sdk import OriginalClient

from proxy.sandbox import Original
from tests.clock import FakeClock
from tests.vendors import JSON, ask, behind, canary, is_the_vendors

CREDENTIALS = {"api_key": canary("original key"), "api_secret": canary("original secret")}
VECTOR_SECRET = "s3cr3t-original-test-key-0123456789abcdef"
VECTOR = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjoiKiIsInJlc291cmNlIjoiKiIsImFjdGlvbiI6IioifQ."
    "bTUFO2BXWB_gyypEaZMoMiBVVPt950lcTHyCPBL0pCM"
)


def original(clock: FakeClock | None = None, token_lifetime: float = 3600.0, **credentials: str) -> Original:
    return Original(clock=clock, token_lifetime=token_lifetime, credentials={**CREDENTIALS, **credentials})


def tokens(vendor: Original) -> list[str]:
    return [received.values("Authorization")[0].decode().removeprefix("Bearer ") for received in vendor.requests]


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


async def test_the_token_is_hs256_over_the_configured_claims_byte_for_byte() -> None:
    """The measured vector: the vendor's claims in the vendor's order, no spaces, nothing added where exp is off."""
    vendor = original(api_secret=VECTOR_SECRET)
    # The vector's secret holds the route's name, which the log may tell.
    async with behind(vendor, {"lifetime": "none"}, echoed=("api_secret",)) as proxy:
        assert (await ask(proxy, "GET", "/original/v1/user/100000000001")).status == 200
    assert tokens(vendor) == [VECTOR]


async def test_exp_is_there_by_default_and_iat_and_nbf_are_not() -> None:
    """An hour; some servers reject an iat of a clock that is ahead."""
    clock = FakeClock(1_700_000_000.9)
    vendor = original(clock)
    async with behind(vendor, {"lifetime": None}, clock=clock) as proxy:
        assert (await ask(proxy, "GET", "/original/v1/user/100000000001")).status == 200
    assert claims(tokens(vendor)[0]) == {"user_id": "*", "resource": "*", "action": "*", "exp": 1_700_003_600}


async def test_other_claims_are_one_key_away_and_may_hold_the_api_key() -> None:
    """The vendor's own SDKs put it there."""
    vendor = original()
    vendor.claims = {"resource": "user", "action": "read", "user_id": "42"}
    given = {**vendor.claims, "api_key": "{{api_key}}"}
    async with behind(vendor, {"claims": given}) as proxy:
        assert (await ask(proxy, "GET", "/original/v1/user/100000000001")).status == 200
    minted = claims(tokens(vendor)[0])
    assert minted.pop("exp") > 0
    assert minted == {**vendor.claims, "api_key": CREDENTIALS["api_key"]}


async def test_a_token_is_minted_once_per_lifetime_and_never_used_beyond_it() -> None:
    clock = FakeClock()
    vendor = original(clock, token_lifetime=600)
    async with behind(vendor, clock=clock) as proxy:
        await asyncio.gather(*(ask(proxy, "GET", "/original/v1/users") for _ in range(50)))
        for step in (500, 99, 1, 599):
            clock.advance(step)
            assert (await ask(proxy, "GET", "/original/v1/users")).status == 200
    assert {received.status for received in vendor.requests} == {200}
    assert len(set(tokens(vendor)[:51])) == 1
    assert 2 <= len(set(tokens(vendor))) <= 4


async def test_the_token_is_renewed_after_the_wall_clock_jumped() -> None:
    """It has the time written in it: an hour back would let it live for two, an hour forth would kill it."""
    for jump in (-3600, 3600):
        clock = FakeClock()
        vendor = original(clock)
        async with behind(vendor, clock=clock) as proxy:
            await ask(proxy, "GET", "/original/v1/users")
            clock.jump(jump)
            assert (await ask(proxy, "GET", "/original/v1/users")).status == 200
        assert claims(tokens(vendor)[1])["exp"] == int(clock.wall()) + 3600


async def test_without_exp_one_token_serves_for_ever() -> None:
    clock = FakeClock()
    vendor = original(clock)
    async with behind(vendor, {"lifetime": "none"}, clock=clock) as proxy:
        for _ in range(3):
            assert (await ask(proxy, "GET", "/original/v1/users")).status == 200
            clock.advance(365 * 86_400)
    assert len(set(tokens(vendor))) == 1


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("?api_key=k&api_secret=s", ""),
        ("?api_secret=s&email=a%2Fb%40c&api_key=k", "?email=a%2Fb%40c"),
        ("?a=&&API_SECRET=s&a=%7e&api%5Fkey=k&api-key=x&", "?a=&&a=%7e&"),
        ("?%61pi_secret&b", "?b"),
    ],
)
async def test_api_key_and_api_secret_in_the_query_are_removed(query: str, left: str) -> None:
    """The vendor's SDKs put both there, in every request; the rest of the query stays as it was."""
    vendor = original()
    async with behind(vendor) as proxy:
        assert (await ask(proxy, "POST", f"/original/v1/anything{query}", [JSON], b"{}")).status == 200
    assert vendor.requests[0].target.decode() == f"/v1/anything{left}"


async def test_a_callers_own_key_and_token_are_replaced() -> None:
    vendor = original()
    fields = [
        ("X-API-KEY", "mine"),
        ("x_api_key", "mine"),
        ("authorization", "Bearer mine"),
        ("Authorization", "Basic x"),
    ]
    async with behind(vendor) as proxy:
        assert (await ask(proxy, "GET", "/original/v1/users", fields)).status == 200
    [received] = vendor.requests
    assert received.values("X-Api-Key") == (CREDENTIALS["api_key"].encode(),)
    assert len(received.values("Authorization")) == 1


@pytest.mark.parametrize("status", [401, 403, 429])
async def test_an_error_is_the_vendors_word_and_nothing_is_sent_twice(status: int) -> None:
    """Minting the same token again would not help."""
    vendor = original()
    body = b'{"success":false,"error":{"type":"client_error","detail":{"code":"x","message":"y"}}}'
    async with behind(vendor) as proxy:
        vendor.fail_next(status=status, body=body, headers={"Content-Type": "application/json"})
        answer = await ask(proxy, "GET", "/original/v1/users")
        assert (answer.status, answer.body) == (status, body)
        assert is_the_vendors(answer)
    assert len(vendor.requests) == 1


async def test_the_vendors_python_sdk_works_unmodified(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a made-up key and secret, which never get to the vendor."""
    for name in ("ORIGINAL_ENV", "ORIGINAL_URL", "API_VERSION", "ORIGINAL_TIMEOUT", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    vendor = original()

    def use(url: str) -> tuple[Any, Any, Any, str]:
        client = OriginalClient(api_key="dummy-key", api_secret="x" * 40, base_url=f"{url}/original")
        try:
            created = client.create_user(email="a+b@example.com", user_external_id="ext/1")
            found = client.get_user(created["data"]["uid"])
            by_email = client.get_user_by_email("a+b@example.com")
            with pytest.raises(Exception, match="Not found") as caught:
                client.get_user("no-such-user")
            return created, found, by_email, type(caught.value).__name__
        finally:
            client.session.close()

    async with behind(vendor) as proxy:
        created, found, by_email, error = await asyncio.to_thread(use, proxy.url)
        assert "dummy-key" not in proxy.log.getvalue() and "x" * 40 not in proxy.log.getvalue()
    assert created["success"] and found["success"] and by_email["success"]
    assert found["data"] == by_email["data"]
    assert (found["data"]["email"], found["data"]["user_external_id"]) == ("a+b@example.com", "ext/1")
    assert error == "ClientError"
    assert [received.method for received in vendor.requests] == ["POST", "GET", "GET", "GET"]
    for received in vendor.requests:
        assert b"dummy-key" not in received.target and b"xxxx" not in received.target
