"""`explain --compare`: which of the usual mistakes somebody made, each made here by hand, apart from the code that finds it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from proxy.assembly import Assembly, assemble
from proxy.config.load import load
from proxy.explain.comparison import comparison
from proxy.explain.explanation import prepared
from proxy.explain.verdict import Verdict
from proxy.tokens.cache import TokenCache
from proxy.vendor_clock import VendorClocks
from tests.canaries import leaks
from tests.clock import FakeClock

pytestmark = pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")

KEY = "SK-CANARY-6b1f-41c9"
API_KEY = "AK-CANARY-77aa-02e5"
URL = "https://api.wyre.test/v2"
STAMP = "1426252182534"
SENT = "timestamp=" + STAMP
BODY = b'{"b": 1, "a": [1,2]}'


def assembled(config: dict[str, Any], tmp_path: Path, **environ: str) -> tuple[Assembly, FakeClock]:
    path = tmp_path / "authproxy.yaml"
    path.write_text(json.dumps(config))
    clock = FakeClock()
    settings = load(path, {"KEY": KEY, "API_KEY": API_KEY, **environ})
    return assemble(settings, VendorClocks(clock), TokenCache(clock)), clock


def verdict(
    config: dict[str, Any], tmp_path: Path, *items: str, method: str = "GET", target: str = "/w/x?b=1&a=c%20d",
    body: bytes = b"", **environ: str,
) -> Verdict:  # fmt: skip
    assembly, clock = assembled(config, tmp_path, **environ)
    way = prepared(assembly, method, target, (), body)
    told = asyncio.run(comparison(assembly, way, target, (), items, clock))
    assert not leaks([KEY, API_KEY, *environ.values()], repr(told).encode())
    return told


def wyre(**auth: Any) -> dict[str, Any]:
    provider = {"preset": "wyre", "base_url": URL, "api_key": {"env": "API_KEY"}, "secret_key": {"env": "KEY"}}
    return {"providers": {"w": {**provider, **({"auth": auth} if auth else {})}}, "routes": {"/w": "w"}}


def mac(text: str | bytes, key: bytes = KEY.encode(), algorithm: str = "sha256") -> Any:
    return hmac.new(key, text.encode() if isinstance(text, str) else text, algorithm)


def test_a_signature_like_ours_fits_exactly(tmp_path: Path) -> None:
    signature = mac(f"{URL}/x?b=1&a=c%20d&timestamp={STAMP}").hexdigest()
    for items in (
        (f"X-Api-Signature: {signature}", SENT),
        (f"x_api_signature: {signature}", f"{URL}/x?timestamp={STAMP}"),
        (signature, STAMP),
    ):
        assert verdict(wyre(), tmp_path, *items).fits == "exactly"


QUERY = f"b=1&a=c%20d&timestamp={STAMP}"
GET_MISTAKES = [
    (f"{URL}/x?timestamp={STAMP}&b=1&a=c%20d", ["the query has timestamp first instead of last"]),
    (f"{URL}/x?a=c%20d&b=1&timestamp={STAMP}", ["the query parameters are sorted by name"]),
    (f"{URL}/x?a=c%20d&timestamp={STAMP}&b=1", ["the query parameters are in the order a, timestamp, b"]),
    (f"{URL}/x?b=1&a=c%20d", ["the query is signed without timestamp, which is sent with the request"]),
    (f"{URL}/x", ["the query is left out of what is signed"]),
    (f"{URL}/x?b=1&a=c+d&timestamp={STAMP}", ["a space in the query is written + instead of %20"]),
    (f"{URL}/x?b=1&a=c d&timestamp={STAMP}", ["path and query are decoded before they are signed"]),
    (f"{URL}/x?b=1&a=c%2520d&timestamp={STAMP}", ["path and query are percent-encoded once more"]),
    (f"/v2/x?{QUERY}", ["the URL is signed without scheme and host"]),
    (f"api.wyre.test/v2/x?{QUERY}", ["the URL is signed without its scheme"]),
    (f"http://api.wyre.test/v2/x?{QUERY}", ["the URL begins with http:// instead of https://"]),
    (f"https://api.wyre.test:443/v2/x?{QUERY}", ["the URL names the port, :443"]),
    (f"https://api.wyre.test/x?{QUERY}", ["the path is signed without /v2, with which it is sent"]),
    (f"http://localhost:8080/w/x?{QUERY}", ["it is the proxy's URL that is signed, not the vendor's"]),
    (f"http://127.0.0.1:8080/w/x?{QUERY}", ["it is the proxy's URL that is signed, not the vendor's"]),
    (f"{URL}/x/?{QUERY}", ["the path has a slash at its end"]),
    (f"{URL}/x?{QUERY}\n", ["the message has a line break at its end"]),
    (f"{URL}/x?{QUERY}{{}}", ["an empty JSON object, {}, is signed where there is no body"]),
    (f"{URL}/x?b=1&a=c%20d&timestamp=1426252182", ["the timestamp is in seconds"]),
    (f"{URL}/x?b=1&a=c%20d&timestamp=1426252182000", ["the timestamp is in seconds, with three zeros for milliseconds"]),
    (f"/v2/x?timestamp={STAMP}&b=1&a=c%20d",
     ["the query has timestamp first instead of last", "the URL is signed without scheme and host"]),
    (f"{URL}/x?a=c+d&b=1&timestamp=1426252182",
     None),
]  # fmt: skip


@pytest.mark.parametrize(("signed", "words"), GET_MISTAKES)
def test_a_mistake_in_the_text_is_named(signed: str, words: list[str] | None, tmp_path: Path) -> None:
    told = verdict(wyre(), tmp_path, f"X-Api-Signature: {mac(signed).hexdigest()}", SENT)
    assert told.fits == ("mistakes" if words else "no")
    assert list(told.mistakes) == (words or [])
    if words:
        assert told.sentences[0] == "it fits if " + ", and ".join(words)
        assert told.sentences[1].endswith(f"signs at that moment: {URL}/x?{QUERY}")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the body is left out of what is signed"),
        (BODY + b"\n", "the body has a line break at its end"),
        (b'{"b":1,"a":[1,2]}', "the body is written anew, without spaces"),
        (b'{"b": 1, "a": [1, 2]}', "the body is written anew, with a space behind each comma and colon"),
        (b'{"a":[1,2],"b":1}', "the body is written anew, with its keys sorted and without spaces"),
        (json.dumps(json.loads(BODY), indent=2).encode(), "the body is written anew, over several lines (2 spaces)"),
    ],
)
def test_a_mistake_in_the_body_is_named(body: bytes, words: str, tmp_path: Path) -> None:
    signature = mac(f"{URL}/x?{SENT}".encode() + body).hexdigest()
    told = verdict(wyre(), tmp_path, f"X-Api-Signature: {signature}", SENT, method="POST", target="/w/x", body=BODY)
    assert told.mistakes == (words,)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (KEY.encode() + b"\n", "the key has a line break at its end, as a file or `echo` leaves one"),
        (f'"{KEY}"'.encode(), "the key is used with quotes around it"),
        (KEY.lower().encode(), "the key is in lower case"),
        (API_KEY.encode(), "api_key is used as the key"),
    ],
)
def test_a_mistake_in_the_key_is_named(key: bytes, words: str, tmp_path: Path) -> None:
    told = verdict(wyre(), tmp_path, f"X-Api-Signature: {mac(f'{URL}/x?{QUERY}', key).hexdigest()}", SENT)
    assert told.mistakes == (words,)


@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_a_key_decoded_in_another_way_is_named(encoding: str, tmp_path: Path) -> None:
    raw = b"\x01\x02CANARY\xff-key-3c77"
    text = raw.hex() if encoding == "hex" else base64.b64encode(raw).decode()
    decoded = verdict(wyre(), tmp_path, mac(f"{URL}/x?{QUERY}", raw).hexdigest(), SENT, KEY=text)
    assert decoded.mistakes == (f"the key is decoded from {encoding}",)
    as_text = verdict(
        wyre(key_encoding=encoding), tmp_path, mac(f"{URL}/x?{QUERY}", text.encode()).hexdigest(), SENT, KEY=text
    )
    assert as_text.mistakes == ("the key is taken as text, not decoded",)


def test_another_digest_or_writing_is_named(tmp_path: Path) -> None:
    text = f"{URL}/x?{QUERY}"
    for signature, words in (
        (mac(text).hexdigest().upper(), "it is written in upper-case hex instead of hex"),
        (base64.b64encode(mac(text).digest()).decode(), "it is written in base64 instead of hex"),
        (base64.b64encode(mac(text).hexdigest().encode()).decode(), "it is written in base64 of the hex digits instead of hex"),
        (mac(text, algorithm="sha1").hexdigest(), "it is made with HMAC-SHA1 instead of HMAC-SHA256"),
        (mac(text, algorithm="sha512").hexdigest(), "it is made with HMAC-SHA512 instead of HMAC-SHA256"),
        (hashlib.sha256((KEY + text).encode()).hexdigest(), "it is a plain sha256 hash of key and message; the vendor wants an HMAC"),
    ):  # fmt: skip
        assert verdict(wyre(), tmp_path, f"X-Api-Signature: {signature}", SENT).mistakes == (words,)


def test_a_signature_inside_a_longer_field_is_found(tmp_path: Path) -> None:
    signature = mac(f"{URL}/x?{QUERY}").hexdigest()
    assert verdict(wyre(), tmp_path, f"X-Api-Signature: sha256={signature}", SENT).fits == "exactly"


def test_seconds_that_were_sent_and_signed_are_told_though_the_signature_is_right(tmp_path: Path) -> None:
    signature = mac(f"{URL}/x?b=1&a=c%20d&timestamp=1426252182").hexdigest()
    [words] = verdict(wyre(), tmp_path, f"X-Api-Signature: {signature}", "timestamp=1426252182").mistakes
    assert "not in milliseconds, as the vendor wants it" in words


def test_without_the_moment_nothing_is_claimed(tmp_path: Path) -> None:
    told = verdict(wyre(), tmp_path, f"X-Api-Signature: {mac(f'{URL}/x?{QUERY}').hexdigest()}")
    assert told.fits == "no"
    assert "--compare 'timestamp=...'" in told.sentences[-1]
    # But a signature that leaves the moment out can be told.
    assert verdict(wyre(), tmp_path, mac(f"{URL}/x?b=1&a=c%20d").hexdigest()).fits == "mistakes"


def test_a_signature_with_its_end_of_validity_fits(tmp_path: Path) -> None:
    """However long the sender let it be valid."""
    config = {
        "providers": {"w": {"preset": "bitmex", "api_key": {"env": "API_KEY"}, "api_secret": {"env": "KEY"}}},
        "routes": {"/w": "w"},
    }
    signature = mac("GET/api/x?b=1&a=c%20d1518064236").hexdigest()
    fields = (f"Api-Signature: {signature}", "Api-Expires: 1518064236")
    assert verdict(config, tmp_path, *fields).fits == "exactly"


def test_a_signature_over_what_is_not_escaped_fits(tmp_path: Path) -> None:
    """Where the vendor wants it so."""
    config = {
        "providers": {"w": {"preset": "gate", "api_key": {"env": "API_KEY"}, "api_secret": {"env": "KEY"}}},
        "routes": {"/w": "w"},
    }
    text = f"GET\n/x\nb=1&a=c d\n{hashlib.sha512(b'').hexdigest()}\n1541993715"
    fields = (f"SIGN: {mac(text, algorithm='sha512').hexdigest()}", "Timestamp: 1541993715")
    assert verdict(config, tmp_path, *fields).fits == "exactly"


def test_what_is_no_signature_is_said_to_be_none(tmp_path: Path) -> None:
    assert verdict(wyre(), tmp_path, "X-Api-Signature: hello").fits == "unknown"


SIGNED_LINES = {
    "providers": {
        "w": {
            "base_url": URL,
            "auth": {
                "scheme": "hmac_signature", "key": {"env": "KEY"}, "encoding": "base64",
                "message": "{{timestamp}}\n{{method}}\n{{target}}\n{{header.Content-Type}}{{body}}",
                "headers": {"X-Time": "{{timestamp}}", "X-Sign": "v1={{signature}}"},
            },
        }
    },
    "routes": {"/w": "w"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("signed", "words"),
    [
        ("1426252182\nGET\n/v2/x?q=%2F\n", []),
        ("1426252182GET/v2/x?q=%2F", ["the message has no line breaks"]),
        ("1426252182\r\nGET\r\n/v2/x?q=%2F\r\n", ["the message has Windows line breaks"]),
        ("1426252182\\nGET\\n/v2/x?q=%2F\\n", ["a line break is signed as backslash and n"]),
        ("1426252182\nget\n/v2/x?q=%2F\n", ["the method is in lower case"]),
        ("1426252182\nPOST\n/v2/x?q=%2F\n", ["the method is POST"]),
        ("1426252182\nGET\n/v2/x?q=%2f\n", ["the escapes are in lower case (%2f)"]),
        ("1426252182534\nGET\n/v2/x?q=%2F\n", None),
        ("1426252182000\nGET\n/v2/x?q=%2F\n", ["the timestamp is in milliseconds"]),
        ("1426252182\nGET\nhttps://api.wyre.test/v2/x?q=%2F\n", ["scheme and host are signed too"]),
        ("1426252182\nGET\napi.wyre.test/v2/x?q=%2F\n", ["the host is signed too"]),
    ],
)
def test_a_message_of_lines_is_judged_too(signed: str, words: list[str] | None, tmp_path: Path) -> None:
    signature = base64.b64encode(mac(signed).digest()).decode()
    told = verdict(SIGNED_LINES, tmp_path, f"X-Sign: v1={signature}", "X-Time: 1426252182", target="/w/x?q=%2F")
    assert list(told.mistakes) == (words or [])
    assert told.fits == ("no" if words is None else "mistakes" if words else "exactly")


MINTED: dict[str, Any] = {
    "providers": {
        "w": {
            "base_url": URL,
            "auth": {
                "scheme": "jwt", "key": {"env": "KEY"}, "claims": {"iss": "me", "aud": "them", "key": "{{api_key}}"},
                "variables": {"api_key": {"env": "API_KEY"}}, "lifetime": "1h",
            },
        }
    },
    "routes": {"/w": "w"},
}  # fmt: skip
CLAIMS = {"iss": "me", "aud": "them", "key": API_KEY}


def token(key: Any = KEY, algorithm: str = "HS256", headers: dict[str, str] | None = None, **claims: Any) -> str:
    content = {**CLAIMS, "exp": int(FakeClock().wall()) + 3600, **claims}
    content = {name: value for name, value in content.items() if value is not None}
    return jwt.encode(content, key, algorithm=algorithm, headers=headers)


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({}, None),
        ({"key": KEY + "\n"}, "its signature fits if the key has a line break at its end"),
        ({"key": API_KEY}, "its signature fits if api_key is used as the key"),
        ({"key": "another-one-0123456789"}, "its signature was made with another secret"),
        ({"algorithm": "HS512"}, 'its header says "HS512", the configuration HS256'),
        ({"exp": 1000}, "it expired"),
        ({"exp": 4_000_000_000_000}, "exp is in milliseconds"),
        ({"exp": None}, "the claim exp is missing"),
        ({"iat": 4_000_000_000}, "it was issued"),
        ({"nbf": 4_000_000_000}, "it is valid only"),
        ({"aud": "others"}, 'the claim aud is "others", and "them" in authproxy\'s'),
        ({"iss": None}, "the claim iss is missing"),
        ({"role": "admin"}, "it has a claim role, which authproxy's has not"),
        ({"headers": {"kid": "k1"}}, 'its kid is "k1", and null in authproxy\'s'),
    ],
)
def test_what_differs_in_a_token_is_named(claims: dict[str, Any], words: str | None, tmp_path: Path) -> None:
    told = verdict(MINTED, tmp_path, f"Authorization: Bearer {token(**claims)}")
    assert told.fits == ("mistakes" if words else "exactly")
    if words:
        assert any(words in sentence for sentence in told.sentences), told


def test_a_claim_that_is_a_secret_is_not_shown(tmp_path: Path) -> None:
    made = jwt.encode({**CLAIMS, "key": "x", "exp": int(FakeClock().wall()) + 3600}, KEY, algorithm="HS256")
    told = verdict(MINTED, tmp_path, made)
    assert 'the claim key is "x", and a secret in authproxy\'s' in told.sentences


def test_a_token_without_a_signature_is_named(tmp_path: Path) -> None:
    told = verdict(MINTED, tmp_path, jwt.encode(CLAIMS, None, algorithm="none"))
    assert told.sentences[0].startswith("it is not signed")
    assert verdict(MINTED, tmp_path, "Authorization: Bearer a.b.c").fits == "unknown"


def test_a_token_of_another_key_pair_is_named(tmp_path: Path) -> None:
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    pems = [
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        for key in keys
    ]  # fmt: skip
    config = json.loads(json.dumps(MINTED))
    config["providers"]["w"]["auth"]["algorithm"] = "ES256"
    assert verdict(config, tmp_path, token(keys[0], "ES256"), KEY=pems[0]).fits == "exactly"
    told = verdict(config, tmp_path, token(keys[1], "ES256"), KEY=pems[0])
    assert told.sentences == ("its signature was made with another private key, or its content was changed after it",)


BASIC: dict[str, Any] = {
    "providers": {"w": {"base_url": URL, "auth": {"scheme": "static", "basic": {"username": "me", "password": {"env": "KEY"}}}}},
    "routes": {"/w": "w"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (f"Basic {base64.b64encode(f'me:{KEY}'.encode()).decode()}", None),
        (f"Bearer {base64.b64encode(f'me:{KEY}'.encode()).decode()}", "begins with 'Bearer' instead of 'Basic'"),
        (f"Basic {base64.b64encode(f'me:{KEY}'.encode() + bytes([10])).decode()}", "has a line break at the end of the password"),
        (f"Basic {base64.b64encode(f'{KEY}:me'.encode()).decode()}", "the wrong way round"),
        (f"Basic {base64.b64encode(b'me:other').decode()}", "the right user and another password"),
        (f"Basic {base64.b64encode(b'you:other').decode()}", "has another user"),
        ("Basic !", "is not base64"),
        ("nonsense", "is another one"),
    ],
)  # fmt: skip
def test_what_differs_in_a_fixed_credential_is_named(field: str, words: str | None, tmp_path: Path) -> None:
    told = verdict(BASIC, tmp_path, f"Authorization: {field}")
    assert told.fits == ("mistakes" if words else "exactly")
    assert words is None or words in told.sentences[0]


def test_where_only_the_vendor_could_tell_this_is_said(tmp_path: Path) -> None:
    config = {
        "providers": {
            "w": {"preset": "iofinnet", "base_url": URL, "client_id": {"env": "API_KEY"}, "client_secret": {"env": "KEY"}}
        },
        "routes": {"/w": "w"},
    }  # fmt: skip
    assert "only the vendor knows it" in verdict(config, tmp_path, "Authorization: Bearer opaque").sentences[0]
    assert "it expired" in verdict(config, tmp_path, f"Authorization: Bearer {token(exp=1000)}").sentences[0]
