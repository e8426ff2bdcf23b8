"""A JWT is minted from the configured claims alone, once in its lifetime, by the configured algorithm."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64decode
from functools import cache
from math import inf
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from proxy.schemes.base import OutboundRequest
from proxy.schemes.jwt import Jwt
from proxy.secret import FileSecret, Secret
from proxy.template import JsonTemplate, Template
from tests.clock import FakeClock
from tests.login_endpoint import provider_context

REQUEST = OutboundRequest("GET", "https://api.example.com", "/x")
ORIGINAL_SECRET = "s3cr3t-original-test-key-0123456789abcdef"
ORIGINAL_CLAIMS = {"user_id": "*", "resource": "*", "action": "*"}
ORIGINAL_TOKEN = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjoiKiIsInJlc291cmNlIjoiKiIsImFjdGlvbiI6IioifQ."
    "bTUFO2BXWB_gyypEaZMoMiBVVPt950lcTHyCPBL0pCM"
)
# RFC 7515, appendix A.1.
RFC_KEY = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow=="


def claims(**values: Any) -> JsonTemplate:
    return JsonTemplate({name: Template.parse(v) if isinstance(v, str) else v for name, v in values.items()})


async def minted(scheme: Jwt, clock: FakeClock | None = None) -> str:
    scheme.bind(provider_context(clock=clock))
    return await sent(scheme)


async def sent(scheme: Jwt) -> str:
    ((name, value),) = (await scheme.authorize(REQUEST)).headers
    assert name == "Authorization"
    return value.removeprefix("Bearer ")


def payload(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


@cache
def private_key(kind: str) -> Any:
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    curves: dict[str, Any] = {"256": ec.SECP256R1, "384": ec.SECP384R1, "512": ec.SECP521R1, "256k": ec.SECP256K1}
    return ec.generate_private_key(curves[kind]()) if kind in curves else ed25519.Ed25519PrivateKey.generate()


def pem(kind: str) -> str:
    encoded: bytes = private_key(kind).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return encoded.decode()


async def test_the_vendors_token_is_reproduced_byte_for_byte() -> None:
    scheme = Jwt(key=Secret(ORIGINAL_SECRET), claims=claims(**ORIGINAL_CLAIMS), lifetime=inf)
    assert await minted(scheme) == ORIGINAL_TOKEN


async def test_an_independent_implementation_makes_the_same_token() -> None:
    clock = FakeClock(wall=1_700_000_000.5)
    secret = "x" * 64
    scheme = Jwt(key=Secret(secret), claims=claims(z="1", a="2", **ORIGINAL_CLAIMS), algorithm="HS512")
    expected = {"z": "1", "a": "2", **ORIGINAL_CLAIMS, "exp": 1_700_003_600}
    assert await minted(scheme, clock) == pyjwt.encode(expected, secret, "HS512")


async def test_exp_by_default_and_neither_iat_nor_nbf() -> None:
    token = await minted(Jwt(key=Secret(ORIGINAL_SECRET), claims=claims(a="1")), FakeClock(wall=1000.9))
    assert payload(token) == {"a": "1", "exp": 4600}


async def test_iat_nbf_and_kid_on_request() -> None:
    scheme = Jwt(key=Secret(ORIGINAL_SECRET), lifetime=60.0, issued_at=True, not_before=True, key_id="k-1")
    token = await minted(scheme, FakeClock(wall=1000.0))
    assert payload(token) == {"iat": 1000, "nbf": 1000, "exp": 1060}
    assert pyjwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT", "kid": "k-1"}


async def test_string_leaves_of_the_claims_are_filled_in() -> None:
    scheme = Jwt(
        key=Secret(ORIGINAL_SECRET),
        variables={"who": Template((Secret('a"b'),))},
        claims=JsonTemplate({"deep": [{"at": Template.parse("t{{timestamp}}"), "who": Template.parse("{{who}}")}, 1]}),
        lifetime=inf,
    )
    assert payload(await minted(scheme, FakeClock(wall=1000.0))) == {"deep": [{"at": "t1000", "who": 'a"b'}, 1]}


async def test_a_base64_key_is_decoded() -> None:
    standard = RFC_KEY.replace("-", "+").replace("_", "/")
    scheme = Jwt(key=Secret(standard), key_encoding="base64", claims=claims(a="1"), lifetime=inf)
    assert pyjwt.decode(await minted(scheme), urlsafe_b64decode(RFC_KEY), ["HS256"]) == {"a": "1"}


async def test_a_key_in_hexadecimal_is_its_bytes() -> None:
    token = await minted(Jwt(key=Secret("00ff" * 16), key_encoding="hex", claims=claims(a="1"), lifetime=inf))
    assert pyjwt.decode(token, b"\x00\xff" * 16, algorithms=["HS256"]) == {"a": "1"}


async def test_dates_may_lie_in_the_past_for_a_vendor_with_another_clock() -> None:
    """`iat` and `nbf`, never `exp`."""
    scheme = Jwt(key=Secret(ORIGINAL_SECRET), issued_at=True, not_before=True, backdated=60.0, lifetime=540.0)
    assert payload(await minted(scheme, FakeClock(wall=1000.9))) == {"iat": 940, "nbf": 940, "exp": 1540}


async def test_each_token_has_its_own_number_where_claims_ask_for_one() -> None:
    scheme = Jwt(key=Secret(ORIGINAL_SECRET), claims=claims(jti="{{uuid}}"), lifetime=10.0)
    clock = FakeClock()
    first = payload(await minted(scheme, clock))["jti"]
    clock.advance(60)
    assert len({first, payload(await sent(scheme))["jti"]}) == 2


async def test_a_short_secret_works_without_a_warning() -> None:
    """Vendors hand out short secrets; the run fails on any warning."""
    assert (await minted(Jwt(key=Secret("short"), claims=claims(a="1"), lifetime=inf))).count(".") == 2


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("RS256", "rsa"), ("RS384", "rsa"), ("RS512", "rsa"), ("PS256", "rsa"), ("PS384", "rsa"), ("PS512", "rsa"),
        ("ES256", "256"), ("ES384", "384"), ("ES512", "512"), ("ES256K", "256k"), ("EdDSA", "ed25519"),
    ],
)  # fmt: skip
async def test_asymmetric_tokens_verify_with_the_public_key(algorithm: Any, kind: str) -> None:
    token = await minted(Jwt(key=Secret(pem(kind)), algorithm=algorithm, claims=claims(a="1"), lifetime=inf))
    assert pyjwt.decode(token, private_key(kind).public_key(), [algorithm]) == {"a": "1"}


@pytest.mark.parametrize(
    ("algorithm", "kind"), [("ES256", "rsa"), ("RS256", "256"), ("ES256", "384"), ("EdDSA", "256"), ("ES384", "256")]
)
def test_a_key_of_another_type_is_refused_without_showing_it(algorithm: Any, kind: str) -> None:
    with pytest.raises(ValueError, match=f"{algorithm} needs an unencrypted private key") as refusal:
        Jwt(key=Secret(pem(kind)), algorithm=algorithm)
    assert "PRIVATE" not in str(refusal.value)


def test_a_public_or_an_encrypted_key_is_refused() -> None:
    key = private_key("rsa")
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    for text in (public, encrypted, b"not a key", b""):
        with pytest.raises(ValueError, match="RS256 needs an unencrypted private key"):
            Jwt(key=Secret(text.decode()), algorithm="RS256")


@pytest.mark.parametrize("kind", ["rsa", "256"])
def test_a_key_file_is_no_shared_secret(kind: str) -> None:
    encoded = b64encode(pem(kind).encode()).decode()
    configs: list[dict[str, Any]] = [{"key": Secret(pem(kind))}, {"key": Secret(encoded), "key_encoding": "base64"}]
    for config in configs:
        with pytest.raises(ValueError, match="a key file, not a shared secret"):
            Jwt(**config)


async def test_one_token_serves_for_its_lifetime_and_no_longer() -> None:
    clock = FakeClock()
    scheme = Jwt(key=Secret(ORIGINAL_SECRET), lifetime=100.0)
    first = await minted(scheme, clock)
    clock.advance(79)
    assert await sent(scheme) == first
    clock.advance(21)
    assert await sent(scheme) != first


async def test_a_token_never_outlives_its_exp_by_the_fraction_of_a_second() -> None:
    clock = FakeClock(wall=1000.9)
    scheme = Jwt(key=Secret(ORIGINAL_SECRET), lifetime=100.0)
    first = await minted(scheme, clock)
    clock.advance(payload(first)["exp"] - clock.wall())
    assert await sent(scheme) != first


async def test_without_lifetime_it_is_minted_once() -> None:
    clock = FakeClock()
    scheme = Jwt(key=Secret(ORIGINAL_SECRET), lifetime=inf)
    await minted(scheme, clock)
    clock.advance(1e9)
    assert (await scheme.authorize(REQUEST)).generation == 1


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
async def test_a_jump_of_the_wall_clock_has_a_new_token_minted(jump: float) -> None:
    clock = FakeClock()
    scheme = Jwt(key=Secret(ORIGINAL_SECRET), issued_at=True)
    first = payload(await minted(scheme, clock))
    clock.jump(jump)
    assert payload(await sent(scheme))["exp"] == first["exp"] + jump


async def test_a_rotated_key_file_has_a_new_token_minted(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("first" * 8)
    scheme = Jwt(key=FileSecret(path), claims=claims(a="1"), lifetime=inf)
    await minted(scheme)
    path.write_text("second" * 8)
    assert pyjwt.decode(await sent(scheme), "second" * 8, ["HS256"]) == {"a": "1"}


async def test_a_key_file_in_the_middle_of_a_swap_leaves_the_old_key_in_use(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(pem("rsa"))
    scheme = Jwt(key=FileSecret(path), algorithm="RS256", claims=claims(a="1"), lifetime=inf)
    first = await minted(scheme)
    path.write_text("half a k")
    assert await sent(scheme) == first


async def test_explaining_shows_the_claims_and_no_token() -> None:
    scheme = Jwt(
        key=Secret(ORIGINAL_SECRET), variables={"v": Template((Secret("CANARY-v"),))}, claims=claims(a="{{v}}")
    )
    scheme.bind(provider_context())
    assert (await scheme.preview(REQUEST)).headers == (("Authorization", "Bearer <token>"),)
    assert "CANARY" not in str(scheme.explanation(REQUEST))
    assert scheme.credential is not None
    assert scheme.credential.generation == 0


def test_explaining_names_the_claims_that_are_added() -> None:
    scheme = Jwt(key=Secret(ORIGINAL_SECRET), claims=claims(iss="me"), lifetime=90, issued_at=True, not_before=True)
    shown = json.loads(dict(scheme.explanation(REQUEST))["claims"])
    assert shown == {"iss": "me", "iat": "<now>", "nbf": "<now>", "exp": "<now + 90 s>"}
    bare = Jwt(key=Secret(ORIGINAL_SECRET), claims=claims(iss="me"), lifetime=inf)
    assert json.loads(dict(bare.explanation(REQUEST))["claims"]) == {"iss": "me"}
