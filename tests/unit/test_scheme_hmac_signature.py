"""What is signed is the request as it is sent: its URL with the injected query, and its raw body."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest

from proxy.schemes.base import Injection, OutboundRequest
from proxy.schemes.hmac_signature import HmacSignature, SigningToken
from proxy.secret import FileSecret, Secret
from proxy.target import add_parameters
from proxy.template import Template
from proxy.tokens.grant import TokenFields
from proxy.tokens.login_request import LoginRequest
from tests.clock import FakeClock
from tests.login_endpoint import grant, login_endpoint, provider_context, templates

WYRE_SECRET = "SK-TEST0001-TEST0002-TEST0003-TEST0004"
WYRE_MOMENT = 1_426_252_182.534
CANARY = "CANARY-hmac-31c0"
TRANSFER = (
    b'{"source":"account:AC-XXXXXXX","sourceCurrency":"USD","sourceAmount":5,'
    b'"dest":"bitcoin:14CriXWTRoJmQdBzdikw6tEmSuwxMozWWq"}'
)


def signed_by(**rest: Any) -> HmacSignature:
    clock = rest.pop("clock", None) or FakeClock(wall=WYRE_MOMENT)
    scheme = HmacSignature(**{"key": Secret(WYRE_SECRET), "message": Template.parse("{{url}}{{body}}"), **rest})
    scheme.bind(provider_context(clock=clock))
    return scheme


def wyre() -> HmacSignature:
    return signed_by(
        variables={"api_key": Template((Secret("AK-1"),))},
        query=templates(timestamp="{{timestamp_ms}}"),
        headers=templates(X_Api_Key="{{api_key}}", X_Api_Signature="{{signature}}"),
    )


def request(target: str, method: str = "GET", body: bytes = b"", *fields: tuple[bytes, bytes]) -> OutboundRequest:
    return OutboundRequest(method, "https://api.sendwyre.com", target, fields, body)


def header(injection: Injection, name: str) -> str:
    return dict(injection.headers)[name]


def digest(message: bytes, algorithm: str = "sha256", key: bytes = WYRE_SECRET.encode()) -> bytes:
    return hmac.digest(key, message, algorithm)


@pytest.mark.parametrize(
    ("outbound", "signature"),
    [
        (request("/v2/rates"), "bf3448dc92ab295400655bc664095abcd669efb05c869c29a19d60083db4bf8c"),
        (
            request("/v3/accounts/AC-XXXXXXX?masqueradeAs=AC-XXXXXXX"),
            "cbe48d3819f682035f76d20caeeab676413e6bad2988505b52b76051dee2e3a4",
        ),
        (
            request("/v3/transfers", "POST", TRANSFER),
            "61ed29e7e228f9a5ee7c0a0cac2cf1c84d1a1f265c34f9e457189db43d990847",
        ),
    ],
)
async def test_wyres_vectors(outbound: OutboundRequest, signature: str) -> None:
    injection = await wyre().authorize(outbound)
    assert injection.headers == (("X-Api-Key", "AK-1"), ("X-Api-Signature", signature))
    assert injection.query == (("timestamp", "1426252182534"),)
    assert injection.use == "signed"


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("/p?a=%2F&b=%7E", "/p?a=%2F&b=%7E&timestamp=1426252182534"),
        ("/%7Eu/a%2fb?x=%e2%82%ac", "/%7Eu/a%2fb?x=%e2%82%ac&timestamp=1426252182534"),
        ("/p%28a%29?q=%27%28%29", "/p%28a%29?q=%27%28%29&timestamp=1426252182534"),
        ("/p?a=1&a=2&&b=&c", "/p?a=1&a=2&&b=&c&timestamp=1426252182534"),
        ("/p?", "/p?timestamp=1426252182534"),
        ("/p?a=b+c%20d!'()*", "/p?a=b+c%20d!'()*&timestamp=1426252182534"),
    ],
)
async def test_the_target_is_signed_byte_for_byte_as_it_is_sent(target: str, sent: str) -> None:
    injection = await wyre().authorize(request(target))
    assert add_parameters(target, injection.query) == sent
    assert header(injection, "X-Api-Signature") == digest(f"https://api.sendwyre.com{sent}".encode()).hex()


@pytest.mark.parametrize("body", [b"", b"\x00\xff\xfe", b"\r\n", "ä€".encode(), b"{{url}}", b"x" * 1_000_000])
async def test_the_body_is_signed_as_raw_bytes(body: bytes) -> None:
    injection = await wyre().authorize(request("/p", "POST", body))
    expected = digest(b"https://api.sendwyre.com/p?timestamp=1426252182534" + body).hex()
    assert header(injection, "X-Api-Signature") == expected


async def test_every_call_has_a_fresh_timestamp_and_nonce() -> None:
    clock = FakeClock(wall=WYRE_MOMENT)
    scheme = signed_by(clock=clock, headers=templates(T="{{timestamp}}", N="{{nonce}}", S="{{signature}}"))
    first = await scheme.authorize(request("/p"))
    clock.advance(1.5)
    second = await scheme.authorize(request("/p"))
    assert header(first, "T") == "1426252182"
    assert header(second, "T") == "1426252184"
    assert len({header(first, "N"), header(second, "N")}) == 2


@pytest.mark.parametrize(
    ("place", "is_dated"),
    [("timestamp", True), ("timestamp_ms", True), ("timestamp_iso", True), ("expires", True), ("nonce", False), ("path", False)],
)  # fmt: skip
@pytest.mark.parametrize("where", ["message", "headers", "query"])
async def test_a_request_is_dated_by_the_moment_in_it_and_not_by_a_number_used_once(
    place: str, is_dated: bool, where: str
) -> None:
    """Only a dated one is worth another attempt when the vendor's clock turns out to be another."""
    text = f"{{{{{place}}}}}"
    scheme = signed_by(**{where: Template.parse(text) if where == "message" else templates(A=text)})
    assert ((await scheme.authorize(request("/p"))).clock_version is not None) == is_dated


async def test_one_request_has_one_nonce_wherever_it_is_used() -> None:
    scheme = signed_by(
        message=Template.parse("{{nonce}}"),
        query=templates(n="{{nonce}}"),
        headers=templates(N="{{nonce}}", S="{{signature}}"),
    )
    injection = await scheme.authorize(request("/p"))
    assert injection.query == (("n", header(injection, "N")),)
    assert header(injection, "S") == digest(header(injection, "N").encode()).hex()


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("method", "PATCH"),
        ("origin", "https://api.sendwyre.com"),
        ("host", "api.sendwyre.com"),
        ("path", "/a%2Fb"),
        ("query", "x=1&x=2&v=%2F"),
        ("target", "/a%2Fb?x=1&x=2&v=%2F"),
        ("target_decoded", "/a/b?x=1&x=2&v=/"),
        ("query_decoded", "x=1&x=2&v=/"),
        ("url", "https://api.sendwyre.com/a%2Fb?x=1&x=2&v=%2F"),
        ("timestamp", "1426252182"),
        ("timestamp_ms", "1426252182534"),
        ("timestamp_iso", "2015-03-13T13:09:42.534Z"),
        ("body_sha256", hashlib.sha256(b"body").hexdigest()),
        ("body_sha256_base64", b64encode(hashlib.sha256(b"body").digest()).decode()),
        ("body_sha512", hashlib.sha512(b"body").hexdigest()),
        ("expires", "1426252242"),
        ("header.Content-Type", "text/plain"),
        ("header.x-missing", ""),
    ],
)
async def test_what_each_place_of_the_message_stands_for(place: str, text: str) -> None:
    scheme = signed_by(
        message=Template.parse(f"<{{{{{place}}}}}>"), query=templates(v="/"), headers=templates(S="{{signature}}")
    )
    outbound = request("/a%2Fb?x=1&x=2", "PATCH", b"body", (b"content-type", b"text/plain"))
    assert header(await scheme.authorize(outbound), "S") == digest(f"<{text}>".encode()).hex()


async def test_a_header_that_is_not_ascii_is_signed_as_it_is_sent() -> None:
    scheme = signed_by(message=Template.parse("{{header.X}}"), headers=templates(S="{{signature}}"))
    injection = await scheme.authorize(request("/p", "GET", b"", (b"X", b"\xe4\xff")))
    assert header(injection, "S") == digest(b"\xe4\xff").hex()


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize(
    ("encoding", "encode"),
    [("hex", bytes.hex), ("base64", lambda d: b64encode(d).decode()), ("base64url", lambda d: urlsafe_b64encode(d).decode())],
)  # fmt: skip
async def test_algorithms_and_encodings(algorithm: Any, encoding: Any, encode: Any) -> None:
    scheme = signed_by(algorithm=algorithm, encoding=encoding, headers=templates(S="{{signature}}"))
    expected = encode(digest(b"https://api.sendwyre.com/p", algorithm))
    assert header(await scheme.authorize(request("/p")), "S") == expected


@pytest.mark.parametrize(("encoding", "text"), [("hex", "00ff10"), ("base64", "AP8Q"), ("utf8", "\x00ÿ\x10")])
async def test_key_encodings(encoding: Any, text: str) -> None:
    scheme = signed_by(key=Secret(text), key_encoding=encoding, headers=templates(S="{{signature}}"))
    raw = text.encode() if encoding == "utf8" else b"\x00\xff\x10"
    assert header(await scheme.authorize(request("/p")), "S") == digest(b"https://api.sendwyre.com/p", key=raw).hex()


async def test_rfc_4231_test_case_2() -> None:
    scheme = signed_by(
        key=Secret("Jefe"), message=Template.parse("{{body}}"), headers=templates(S="{{signature}}"), algorithm="sha512"
    )
    injection = await scheme.authorize(request("/", "POST", b"what do ya want for nothing?"))
    assert header(injection, "S").startswith("164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554")


async def test_a_signature_in_the_query_comes_behind_the_signed_parameters() -> None:
    scheme = signed_by(query=templates(sig="{{signature}}", t="{{timestamp}}"))
    injection = await scheme.authorize(request("/p?a=1"))
    signature = digest(b"https://api.sendwyre.com/p?a=1&t=1426252182").hex()
    assert injection.query == (("t", "1426252182"), ("sig", signature))


async def test_a_signature_expires_when_the_configuration_says() -> None:
    scheme = signed_by(valid_for=5.0, headers=templates(E="{{expires}}", T="{{timestamp}}", S="{{signature}}"))
    injection = await scheme.authorize(request("/p"))
    assert header(injection, "T") == "1426252182"
    assert header(injection, "E") == "1426252187"


async def test_what_is_not_utf8_can_be_signed_without_its_escapes_too() -> None:
    """As the replacement character, which is what most vendors would read."""
    scheme = signed_by(message=Template.parse("{{target_decoded}}"), headers=templates(S="{{signature}}"))
    injection = await scheme.authorize(request("/p?a=%ff%C3%A4"))
    assert header(injection, "S") == digest("/p?a=\ufffdä".encode()).hex()


async def test_a_variable_can_be_signed_alone_and_is_masked_when_shown() -> None:
    """With the same key and in the same encoding as the message."""
    scheme = signed_by(
        variables={"v": Template((Secret(CANARY),))},
        encoding="base64",
        headers=templates(V="{{hmac.v}}", S="{{signature}}"),
    )
    injection = await scheme.authorize(request("/p"))
    signed = b64encode(digest(CANARY.encode())).decode()
    assert header(injection, "V") == signed
    assert header(injection, "S") == b64encode(digest(b"https://api.sendwyre.com/p")).decode()
    assert dict((await scheme.preview(request("/p"))).headers)["V"] == "***"


async def test_a_key_file_that_changes_is_used_at_once(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("one")
    scheme = signed_by(key=FileSecret(path), headers=templates(S="{{signature}}"))
    await scheme.authorize(request("/p"))
    path.write_text("two!")
    injection = await scheme.authorize(request("/p"))
    assert header(injection, "S") == digest(b"https://api.sendwyre.com/p", key=b"two!").hex()


async def test_signing_with_what_a_registration_returned() -> None:
    """The registration call holds the secret in its query, is made once, and its answer names the key."""
    async with login_endpoint(grant("AK-NEW")) as endpoint:
        scheme = HmacSignature(
            variables={"secret_key": Template((Secret(CANARY),))},
            key=Secret(CANARY),
            message=Template.parse("{{url}}{{body}}"),
            headers=templates(X_Api_Key="{{token}}", X_Api_Signature="{{signature}}"),
            token=SigningToken(
                login=LoginRequest(path="/v2/sessions/auth/key", query=templates(secretKey="{{secret_key}}")),
                response=TokenFields(token="access_token"),
            ),
        )
        scheme.bind(provider_context(endpoint.url))
        for _ in range(3):
            injection = await scheme.authorize(request("/p"))
        assert [call.target for call in endpoint.received] == [f"/v2/sessions/auth/key?secretKey={CANARY}"]
    assert header(injection, "X-Api-Key") == "AK-NEW"
    assert header(injection, "X-Api-Signature") == digest(b"https://api.sendwyre.com/p", key=CANARY.encode()).hex()
    assert injection.generation == 1


async def test_explaining_shows_the_string_that_the_shown_signature_is_of() -> None:
    scheme = signed_by(
        message=Template.parse("{{url}}|{{nonce}}"),
        query=templates(timestamp="{{timestamp_ms}}"),
        headers=templates(N="{{nonce}}", S="{{signature}}"),
    )
    outbound = request("/p")
    shown, lines = await scheme.preview(outbound), dict(scheme.explanation(outbound))
    timestamp, nonce = dict(shown.query)["timestamp"], dict(shown.headers)["N"]
    assert lines["string to sign"] == f"https://api.sendwyre.com/p?timestamp={timestamp}|{nonce}"
    assert lines["sha256 of it"] == hashlib.sha256(lines["string to sign"].encode()).hexdigest()
    assert "masked in it" not in lines
    assert dict(shown.headers)["S"] == digest(lines["string to sign"].encode()).hex()


async def test_explaining_shows_the_string_to_sign_with_secrets_masked() -> None:
    scheme = signed_by(
        variables={"v": Template((Secret(CANARY),))},
        message=Template.parse("{{url}}|{{v}}|{{body}}"),
        query=templates(k="{{v}}"),
        headers=templates(K="{{v}}", S="{{signature}}"),
    )
    outbound = request("/p", "POST", b"a\nb")
    shown, lines = await scheme.preview(outbound), dict(scheme.explanation(outbound))
    assert CANARY not in str(shown) + str(lines)
    assert lines["string to sign"] == r"https://api.sendwyre.com/p?k=***|***|a\nb"
    assert "length and SHA-256 are of the text as shown" in lines["masked in it"]
    assert dict(shown.headers)["K"] == "***"
    assert shown.query == (("k", "***"),)
    assert dict(shown.headers)["S"] == header(await scheme.authorize(outbound), "S")


def test_explaining_shows_every_byte_that_could_be_overlooked() -> None:
    lines = dict(signed_by().explanation(request("/p", "POST", 'a\r\n\tb\\é "'.encode())))
    assert lines["string to sign"].endswith(r'/pa\r\n\tb\\\xc3\xa9 "')
    assert lines["length of it"] == f"{len('https://api.sendwyre.com/p') + 10} bytes"
