"""The Wyre emulator verifies what arrived, byte for byte."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator

import pytest

from proxy.sandbox import Wyre
from tests.clock import FakeClock
from tests.sandbox_caller import Reply, call, post_json

SECRET = "SK-TEST0001-TEST0002-TEST0003-TEST0004"
API_KEY = "AK-TEST0001-TEST0002-TEST0003-TEST0004"
SESSION = "5ess10n-CANARY-0123456789abcdef"
MILLISECONDS = 1426252182534
TRANSFER = (
    b'{"source":"account:AC-XXXXXXX","sourceCurrency":"USD","sourceAmount":5,'
    b'"dest":"bitcoin:14CriXWTRoJmQdBzdikw6tEmSuwxMozWWq"}'
)


@pytest.fixture
async def vendor() -> AsyncIterator[Wyre]:
    credentials = {"api_key": API_KEY, "secret_key": SECRET, "session_key": SESSION}
    async with Wyre(clock=FakeClock(MILLISECONDS / 1000), credentials=credentials) as emulator:
        yield emulator


def sign(text: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def stamped(target: str, milliseconds: object = MILLISECONDS) -> str:
    return f"{target}{'&' if '?' in target else '?'}timestamp={milliseconds}"


async def signed_call(
    vendor: Wyre, method: str, target: str, body: bytes = b"", key: str = API_KEY, **how: str
) -> Reply:
    signature = sign(vendor.url.encode() + target.encode("latin-1") + body, how.get("secret", SECRET))
    return await call(vendor.url, method, target, [("X-Api-Key", key), ("X-Api-Signature", signature)], body)


@pytest.mark.parametrize(
    ("method", "target", "body", "signature"),
    [
        (
            "GET",
            "/v2/rates?timestamp=1426252182534",
            b"",
            "bf3448dc92ab295400655bc664095abcd669efb05c869c29a19d60083db4bf8c",
        ),
        (
            "GET",
            "/v3/accounts/AC-XXXXXXX?masqueradeAs=AC-XXXXXXX&timestamp=1426252182534",
            b"",
            "cbe48d3819f682035f76d20caeeab676413e6bad2988505b52b76051dee2e3a4",
        ),
        (
            "POST",
            "/v3/transfers?timestamp=1426252182534",
            TRANSFER,
            "61ed29e7e228f9a5ee7c0a0cac2cf1c84d1a1f265c34f9e457189db43d990847",
        ),
    ],
)
async def test_measured_vectors(vendor: Wyre, method: str, target: str, body: bytes, signature: str) -> None:
    """The known signatures over https://api.sendwyre.com pass where that origin leads here, and no others."""
    vendor.origins.add("https://api.sendwyre.com")
    fields = [("Host", "api.sendwyre.com"), ("X-Api-Key", API_KEY), ("X-Api-Signature", signature)]
    assert (await call(vendor.url, method, target, fields, body)).status == 200
    assert (await call(vendor.url, method, target, fields, body + b" ")).status == 401


@pytest.mark.parametrize(
    "target",
    [
        "/v3/x%2Fy/%7Eu?a=%27%28&a=&b=%2f%2F&&c",
        "/v4//x/../y?x=%e2%82%ac&q='()!*",
        "/v2/x?",
        '/v3/"<>^`{|}?=',
        "/v3/x?timestam=1",
    ],
)
@pytest.mark.parametrize("body", [b"", b"{}", b"\x00\xff\r\n" * 700_000])
async def test_good_signatures_pass_whatever_the_bytes(vendor: Wyre, target: str, body: bytes) -> None:
    reply = await signed_call(vendor, "POST", stamped(target), body)
    assert (reply.status, reply.json["bodyLength"]) == (200, len(body)), vendor.requests[-1].verdict


@pytest.mark.parametrize("position", ["/v3/x?timestamp={}&z=1", "/v3/x?a=1&timestamp={}&z=1", "/v3/x?%74imestamp={}"])
async def test_timestamp_may_stand_anywhere(vendor: Wyre, position: str) -> None:
    assert (await signed_call(vendor, "GET", position.format(MILLISECONDS))).status == 200


@pytest.mark.parametrize(
    ("target", "status", "reason"),
    [
        ("/v3/x", 400, "0 timestamp"),
        ("/v3/x?timestamp=1&timestamp=1426252182534", 400, "2 timestamp"),
        ("/v3/x?timestamp=1426252182534&%74imestamp=1426252182534", 400, "2 timestamp"),
        ("/v3/x?Timestamp=1426252182534", 400, "0 timestamp"),
        ("/v3/x?timestamp=1426252182.534", 400, "whole number"),
        ("/v3/x?timestamp=", 400, "whole number"),
        ("/v3/x?timestamp=+1426252182534", 400, "whole number"),
        ("/v3/x?timestamp=1426252182", 401, "window"),
        ("/v3/x?timestamp=1426252122533", 401, "window"),
        ("/v3/x?timestamp=1426252242535", 401, "window"),
        ("/v3/x?timestamp=1426252182534&secretKey=x", 400, "secret key in the query"),
        ("/other?timestamp=1426252182534", 404, "no such path"),
    ],
)
async def test_wrong_targets_are_refused_though_signed(vendor: Wyre, target: str, status: int, reason: str) -> None:
    assert (await signed_call(vendor, "GET", target)).status == status
    assert reason in vendor.requests[0].verdict
    assert bool(vendor.breaches) is (reason in ("2 timestamp", "secret key in the query"))


async def test_the_window_is_a_minute_either_way(vendor: Wyre) -> None:
    for milliseconds in (MILLISECONDS - 60_000, MILLISECONDS + 60_000):
        assert (await signed_call(vendor, "GET", stamped("/v3/x", milliseconds))).status == 200


async def test_errors_have_the_vendors_shape(vendor: Wyre) -> None:
    """errorCode and type as documented; a changing exceptionId; nothing of the true reason or of the request."""
    reply = await call(vendor.url, "GET", "/v3/x?timestamp=1&canary=CANARY")
    problem = reply.json
    assert problem.pop("exceptionId").startswith("test_")
    assert problem == {
        "language": "en",
        "errorCode": "accessDenied.invalidSession",
        "message": "Invalid Session",
        "type": "AccessDeniedException",
        "compositeType": "",
        "subType": "",
        "transient": False,
    }
    assert (await signed_call(vendor, "GET", "/v3/x")).json["type"] == "ValidationException"
    assert (await call(vendor.url, "GET", "/x")).json["type"] == "NotFoundException"


async def test_what_was_signed_must_be_what_was_sent(vendor: Wyre) -> None:
    """Each of these signs something near the request: re-quoted, another host or scheme, without body, another key."""
    target, body = stamped("/v3/a%2Fb?x=%7E"), b'{"a": 1}'
    url = vendor.url.encode()
    for text in (
        url + target.replace("%2F", "/").encode() + body,
        url + target.replace("%7E", "~").encode() + body,
        url.replace(b"http:", b"https:") + target.encode() + body,
        b"http://localhost:8080" + target.encode() + body,
        target.encode() + body,
        url + target.encode(),
        url + target.encode() + b"\n" + body,
        b"POST" + url + target.encode() + body,
        url + target.encode() + b'{"a":1}',
    ):
        fields = [("X-Api-Key", API_KEY), ("X-Api-Signature", sign(text))]
        assert (await call(vendor.url, "POST", target, fields, body)).status == 401
        assert vendor.requests[-1].verdict == "the signature does not fit the URL and body that arrived"


async def test_signature_is_lowercase_hex_with_the_right_key(vendor: Wyre) -> None:
    target = stamped("/v3/x")
    right = sign((vendor.url + target).encode())
    await call(vendor.url, "GET", target, [("X-Api-Key", API_KEY), ("X-Api-Signature", right.upper())])
    assert vendor.requests[-1].verdict == "the signature is not 64 lowercase hex digits"
    for key, signature in ((API_KEY, right.upper()), (API_KEY, right[:-1]), ("AK-OTHER", right), (API_KEY, "")):
        reply = await call(vendor.url, "GET", target, [("X-Api-Key", key), ("X-Api-Signature", signature)])
        assert reply.status == 401
    assert (await signed_call(vendor, "GET", target, secret="SK-OTHER")).status == 401


@pytest.mark.parametrize("extra", ["X-Api-Key", "x-api-signature", "X_Api_Key", "Authorization"])
async def test_a_second_credential_is_a_breach(vendor: Wyre, extra: str) -> None:
    target = stamped("/v3/x")
    signature = sign((vendor.url + target).encode())
    fields = [("X-Api-Key", API_KEY), ("X-Api-Signature", signature), (extra, "Bearer x")]
    assert (await call(vendor.url, "GET", target, fields)).status == 401
    assert len(vendor.breaches) == 1
    half = [("Authorization", f"Bearer {SECRET}"), ("X-Api-Key", API_KEY)]
    assert (await call(vendor.url, "GET", target, half)).status == 401


async def test_a_host_that_is_not_its_own_is_refused(vendor: Wyre) -> None:
    """A signature over the proxy's own address must not pass because the Host was passed on as well."""
    target = stamped("/v3/x")
    for host in ("localhost:8080", "127.0.0.1", "api.sendwyre.com"):
        signature = sign(f"http://{host}{target}".encode())
        fields = [("Host", host), ("X-Api-Key", API_KEY), ("X-Api-Signature", signature)]
        assert (await call(vendor.url, "GET", target, fields)).status == 400


async def test_a_replay_is_refused(vendor: Wyre) -> None:
    target = stamped("/v3/x")
    assert [(await signed_call(vendor, "GET", target)).status for _ in range(2)] == [200, 401]
    assert (await signed_call(vendor, "GET", stamped("/v3/x", MILLISECONDS + 1))).status == 200
    vendor.refuses_replays = False
    assert (await signed_call(vendor, "GET", target)).status == 200


async def test_masquerading_is_reported_back(vendor: Wyre) -> None:
    reply = await signed_call(vendor, "GET", stamped("/v3/x?masqueradeAs=account%3AAC-CHILD"))
    assert (reply.json["authenticatedAs"], reply.json["masqueradeAs"]) == (API_KEY, "account:AC-CHILD")
    for query in ("masqueradeAs=AC-A&masqueradeAs=AC-B", "masqueradeAs=nobody"):
        assert (await signed_call(vendor, "GET", stamped(f"/v3/x?{query}"))).status == 400


@pytest.mark.parametrize("in_query", [True, False])
async def test_a_registered_key_is_a_bearer_token_and_signs(vendor: Wyre, in_query: bool) -> None:
    """Registration by query or by JSON; then the key is sent, or signs with the apiKey that came back."""
    key = "new-session-CANARY+key/0123456789"
    assert (await call(vendor.url, "GET", "/v3/x", [("Authorization", f"Bearer {key}")])).status == 401
    if in_query:
        quoted = key.replace("+", "%2B")
        reply = await call(vendor.url, "POST", f"/v2/sessions/auth/key?secretKey={quoted}")
    else:
        reply = await post_json(vendor.url, "/v2/sessions/auth/key", {"secretKey": key})
    assert reply.json == {"apiKey": reply.json["apiKey"], "authenticatedAs": None}
    assert (await call(vendor.url, "GET", "/v3/x", [("Authorization", f"Bearer {key}")])).status == 200
    assert (await signed_call(vendor, "GET", stamped("/v3/x"), key=reply.json["apiKey"], secret=key)).status == 200
    assert (await signed_call(vendor, "GET", stamped("/v3/x"), key=API_KEY, secret=key)).status == 401
    assert (vendor.logins, len(vendor.login_requests)) == (1, 1)
    vendor.revoke_tokens()
    assert (await call(vendor.url, "GET", "/v3/x", [("Authorization", f"Bearer {key}")])).status == 401


async def test_a_session_key_has_25_characters_at_least_and_is_posted(vendor: Wyre) -> None:
    for method, length, status in (("POST", 24, 400), ("POST", 25, 200), ("GET", 25, 404)):
        reply = await call(vendor.url, method, f"/v2/sessions/auth/key?secretKey={'x' * length}")
        assert reply.status == status


async def test_known_session_key_and_dashboard_secret_are_bearer_tokens(vendor: Wyre) -> None:
    for token in (SESSION, SECRET):
        assert (await call(vendor.url, "GET", "/v3/x", [("Authorization", f"Bearer {token}")])).status == 200
    assert (await call(vendor.url, "GET", "/v3/x", [("Authorization", f"Bearer {API_KEY}")])).status == 401


@pytest.mark.parametrize(
    ("target", "fields", "body"),
    [
        ("?secretKey=short", [], b""),
        ("?secretKey=with%0Aa-line-break-and-long-enough", [], b""),
        ("?secretKey=long-enough-0123456789abcdef&timestamp=1", [], b""),
        ("?secretKey=long-enough-0123456789abcdef&secretKey=x", [], b""),
        ("?secretKey=long-enough-0123456789abcdef", [], b"{}"),
        ("?secretKey=long-enough-0123456789abcdef", [("Authorization", "Bearer x")], b""),
        ("?secretKey=long-enough-0123456789abcdef", [("X-Api-Key", API_KEY)], b""),
        ("?secretKey=long-enough-0123456789abcdef", [("X-Api-Signature", "0")], b""),
        ("", [("Content-Type", "application/json")], b'{"secretKey":5}'),
        ("", [], b""),
    ],
)
async def test_registration_refuses(vendor: Wyre, target: str, fields: list[tuple[str, str]], body: bytes) -> None:
    reply = await call(vendor.url, "POST", "/v2/sessions/auth/key" + target, list(fields), body)
    assert (reply.status, reply.json["type"], vendor.logins) == (400, "ValidationException", 0)
