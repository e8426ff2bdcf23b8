"""The Original emulator takes tokens apart by hand, and detects the SDK's leak."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator

import pytest
from original_sdk import OriginalClient
from original_sdk.types.exceptions import ClientError

from proxy.sandbox import Original
from tests.clock import FakeClock
from tests.sandbox_caller import Fields, call, post_json

SECRET = "s3cr3t-original-test-key-0123456789abcdef"
KEY = "test_api_key_1"
HEADER = {"alg": "HS256", "typ": "JWT"}
CLAIMS = {"user_id": "*", "resource": "*", "action": "*"}
O1 = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjoiKiIsInJlc291cmNlIjoiKiIsImFjdGlvbiI6IioifQ"
    ".bTUFO2BXWB_gyypEaZMoMiBVVPt950lcTHyCPBL0pCM"
)


@pytest.fixture
async def vendor() -> AsyncIterator[Original]:
    async with Original(clock=FakeClock(1_700_000_000), credentials={"api_key": KEY, "api_secret": SECRET}) as emulator:
        yield emulator


def part(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def mint(claims: object = CLAIMS, header: object = HEADER, secret: str = SECRET, digest: str = "sha256") -> str:
    signed = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}"
    return f"{signed}.{part(hmac.new(secret.encode(), signed.encode(), digest).digest())}"


def credentials(token: str) -> Fields:
    return [("X-Api-Key", KEY), ("Authorization", f"Bearer {token}")]


@pytest.mark.parametrize(
    "token",
    [
        O1,
        mint(),
        mint({**CLAIMS, "api_key": KEY}),
        mint({**CLAIMS, "exp": 1_700_000_001}),
        mint(header={"typ": "JWT", "alg": "HS256"}),
    ],
)
async def test_good_tokens_pass(vendor: Original, token: str) -> None:
    reply = await call(vendor.url, "GET", "/v1/x", credentials(token))
    assert (reply.status, reply.json["success"]) == (200, True), vendor.requests[0].verdict
    assert reply.fields["x-ratelimit-limit"] == "500, 500"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (mint({**CLAIMS, "iat": 1_700_000_000}), "iat"),
        (mint({**CLAIMS, "nbf": 1}), "nbf"),
        (mint({**CLAIMS, "exp": 1_700_000_000}), "expired"),
        (mint({**CLAIMS, "exp": "1800000000"}), "whole number"),
        (mint({**CLAIMS, "exp": True}), "whole number"),
        (mint({**CLAIMS, "exp": None}), "whole number"),
        (mint({**CLAIMS, "exp": 1_800_000_000.5}), "whole number"),
        (mint({**CLAIMS, "api_key": "other"}), "another API key"),
        (mint({**CLAIMS, "user_id": "1"}), "claim"),
        (mint({"user_id": "*", "resource": "*"}), "claim"),
        (mint([]), "JSON object"),
        (mint(secret="another-secret-of-the-right-length-0123"), "signature"),
        (mint(header={"alg": "HS512", "typ": "JWT"}, digest="sha512"), "header"),
        (mint(header={"alg": "HS256"}), "header"),
        (mint(header={**HEADER, "kid": "1"}), "header"),
        (part(b'{"alg":"none","typ":"JWT"}') + "." + O1.split(".")[1] + ".", "header"),
        (O1.rpartition(".")[0], "three parts"),
        (O1 + "=", "base64url"),
        (O1[:-1] + "N", "canonical"),
        (O1.replace("_", "/"), "base64url"),
        ("x.y.z", "base64url"),
        ("eHg.y.z", "not JSON"),
    ],
)
async def test_bad_tokens_are_refused(vendor: Original, token: str, reason: str) -> None:
    reply = await call(vendor.url, "GET", "/v1/x", credentials(token))
    assert (reply.status, reply.json["success"], reply.json["error"]["type"]) == (401, False, "client_error")
    assert reply.json["error"]["detail"]["code"] == "not_authenticated"
    assert reason in vendor.requests[0].verdict


async def test_duplicate_claims_are_refused(vendor: Original) -> None:
    twice = json.dumps(CLAIMS)[:-1] + ', "user_id": "*"}'
    signed = f"{O1.partition('.')[0]}.{part(twice.encode())}"
    token = f"{signed}.{part(hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest())}"
    assert (await call(vendor.url, "GET", "/v1/x", credentials(token))).status == 401


async def test_strictness_can_be_switched(vendor: Original) -> None:
    vendor.allows_issued_at = True
    assert (await call(vendor.url, "GET", "/v1/x", credentials(mint({**CLAIMS, "iat": 1})))).status == 200
    vendor.claims = {"user_id": "u1"}
    assert (await call(vendor.url, "GET", "/v1/x", credentials(mint({"user_id": "u1"})))).status == 200


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("Authorization", f"Bearer {O1}")],
        [("X-Api-Key", KEY)],
        [("X-Api-Key", "other"), ("Authorization", f"Bearer {O1}")],
        [("X-Api-Key", KEY), ("X-API-KEY", KEY), ("Authorization", f"Bearer {O1}")],
        [("X-Api-Key", KEY), ("Authorization", f"Bearer {O1}"), ("Authorization", f"Bearer {O1}")],
        [("X-Api-Key", KEY), ("Authorization", O1)],
    ],
)
async def test_each_header_is_needed_exactly_once(vendor: Original, fields: Fields) -> None:
    assert (await call(vendor.url, "GET", "/v1/x", list(fields))).status == 401


@pytest.mark.parametrize("query", ["api_key=x", "a=1&api_secret=", "%61pi_secret=x", "api_key"])
async def test_a_secret_in_the_query_is_a_breach(vendor: Original, query: str) -> None:
    assert (await call(vendor.url, "GET", f"/v1/user?{query}", credentials(O1))).status == 400
    assert len(vendor.breaches) == 1 and "in the query" in vendor.breaches[0]


async def test_users_can_be_created_got_and_looked_up(vendor: Original) -> None:
    fields = credentials(O1)
    made = await post_json(vendor.url, "/v1/user", {"email": "a@example.com", "user_external_id": "e1"}, fields)
    uid = made.json["data"]["uid"]
    assert made.status == 201
    for target in (f"/v1/user/{uid}", "/v1/user?email=a%40example.com", "/v1/user?user_external_id=e1"):
        assert (await call(vendor.url, "GET", target, list(fields))).json["data"]["uid"] == uid
    missing = await call(vendor.url, "GET", "/v1/user/none", list(fields))
    assert (missing.status, missing.json["error"]["detail"]["code"]) == (404, "not_found")
    assert (await call(vendor.url, "GET", "/user", list(fields))).status == 404


async def test_a_revoked_key_pair_is_dead(vendor: Original) -> None:
    vendor.revoke_tokens()
    assert (await call(vendor.url, "GET", "/v1/x", credentials(O1))).status == 401


class WithoutTheLeak(OriginalClient):  # type: ignore[misc]
    """The vendor's SDK as it is behind a proxy that takes the secrets out of the query."""

    def get_default_params(self) -> dict[str, str]:
        return {}


async def test_the_vendors_sdk_works_but_for_its_leak(vendor: Original) -> None:
    """PyPI's original-sdk puts its secret into every query; without that its calls pass."""
    leaking = OriginalClient(KEY, SECRET, base_url=vendor.url)
    with leaking.session, pytest.raises(ClientError):
        await asyncio.to_thread(leaking.create_user, email="a@example.com")
    assert vendor.breaches
    client = WithoutTheLeak(KEY, SECRET, base_url=vendor.url)
    with client.session:
        made = await asyncio.to_thread(client.create_user, email="a@example.com", user_external_id="e1")
        got = await asyncio.to_thread(client.get_user, made["data"]["uid"])
        asset = await asyncio.to_thread(client.create_asset, name="a", user_uid=made["data"]["uid"])
        await asyncio.to_thread(client.edit_asset, asset["data"]["uid"], name="b")
        assets = await asyncio.to_thread(client.get_assets_by_user_uid, made["data"]["uid"])
        balance = await asyncio.to_thread(client.get_balance, "r", "u")
    assert got["data"]["email"] == "a@example.com" and got.rate_limit().limit == 500
    assert (balance["success"], [each["name"] for each in assets["data"]]) == (True, ["b"])
