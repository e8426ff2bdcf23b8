"""The OAuth 2.0 grants as RFC 6749 has them: the client's name, the grant, the answer and its errors."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qsl

import jwt as pyjwt
import pytest

from proxy.errors import CredentialRejected, CredentialUnavailable
from proxy.schemes.base import AnswerHead, OutboundRequest
from proxy.schemes.oauth2_client_credentials import OAuth2ClientCredentials
from proxy.schemes.oauth2_refresh_token import OAuth2RefreshToken
from proxy.secret import Secret
from proxy.template import Template
from proxy.tokens.cache import TokenCache
from tests.clock import FakeClock
from tests.login_endpoint import LOST, Answer, LoginEndpoint, SteadyRandom, grant, login_endpoint, provider_context
from tests.unit.test_scheme_jwt import pem, private_key

REQUEST = OutboundRequest("GET", "https://api.example.com", "/x")
CANARY = "CANARY-oauth-6e1"


def client(endpoint: LoginEndpoint, **rest: Any) -> OAuth2ClientCredentials:
    usual: dict[str, Any] = {
        "token_url": f"{endpoint.url}/token",
        "client_id": Template.parse("me"),
        "client_secret": Secret(CANARY),
    }
    return OAuth2ClientCredentials(**{**usual, **rest})


def fields(endpoint: LoginEndpoint, number: int = -1) -> list[tuple[str, str]]:
    return parse_qsl(endpoint.received[number].body.decode(), strict_parsing=True)


async def token_of(scheme: OAuth2ClientCredentials | OAuth2RefreshToken) -> str:
    return dict((await scheme.authorize(REQUEST)).headers)["Authorization"]


async def test_basic_is_the_default() -> None:
    """Section 4.4.2, authenticated by section 2.3.1."""
    async with login_endpoint(grant("t1", token_type="bearer", expires_in=60)) as endpoint:
        scheme = client(endpoint, scope="read write", audience="https://a", resource="https://r")
        scheme.bind(provider_context())
        assert await token_of(scheme) == "Bearer t1"
    (login,) = endpoint.received
    assert (login.method, login.target) == ("POST", "/token")
    assert login.header("content-type") == "application/x-www-form-urlencoded"
    assert b64decode((login.header("authorization") or "").removeprefix("Basic ")).decode() == f"me:{CANARY}"
    assert fields(endpoint) == [
        ("grant_type", "client_credentials"),
        ("scope", "read write"),
        ("audience", "https://a"),
        ("resource", "https://r"),
    ]


async def test_basic_encodes_id_and_secret_as_a_form_first() -> None:
    async with login_endpoint(grant("t1")) as endpoint:
        scheme = client(endpoint, client_id=Template.parse("a:b c"), client_secret=Secret("ä%+&"))
        scheme.bind(provider_context())
        await scheme.authorize(REQUEST)
    (login,) = endpoint.received
    pair = b64decode((login.header("authorization") or "").removeprefix("Basic "))
    assert pair == b"a%3Ab+c:%C3%A4%25%2B%26"


async def test_post_puts_them_into_the_form() -> None:
    async with login_endpoint(grant("t1")) as endpoint:
        scheme = client(endpoint, client_authentication="post", parameters={"tenant": Template.parse("t&1")})
        scheme.bind(provider_context())
        await scheme.authorize(REQUEST)
    assert endpoint.received[0].header("authorization") is None
    assert fields(endpoint) == [
        ("grant_type", "client_credentials"),
        ("tenant", "t&1"),
        ("client_id", "me"),
        ("client_secret", CANARY),
    ]


async def test_a_public_client_sends_its_id_alone() -> None:
    async with login_endpoint(grant("t1")) as endpoint:
        scheme = client(endpoint, client_authentication="post", client_secret=None)
        scheme.bind(provider_context())
        await scheme.authorize(REQUEST)
    assert fields(endpoint) == [("grant_type", "client_credentials"), ("client_id", "me")]


async def test_private_key_jwt_is_rfc_7523() -> None:
    async with login_endpoint(grant("t1", expires_in=10)) as endpoint:
        clock = FakeClock(wall=1_700_000_000.7)
        scheme = client(
            endpoint,
            client_authentication="private_key_jwt",
            client_secret=None,
            private_key=Secret(pem("256")),
            private_key_algorithm="ES256",
            key_id="k1",
        )
        scheme.bind(provider_context(clock=clock))
        await scheme.authorize(REQUEST)
        clock.advance(10)
        await scheme.authorize(REQUEST)
    first, second = (dict(fields(endpoint, number)) for number in (0, 1))
    assert first["client_id"] == "me"
    assert first["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    decoded = [
        pyjwt.decode(
            form["client_assertion"],
            private_key("256").public_key(),
            ["ES256"],
            audience=f"{endpoint.url}/token",
            options={"verify_exp": False, "verify_iat": False},
        )
        for form in (first, second)
    ]
    assert pyjwt.get_unverified_header(first["client_assertion"])["kid"] == "k1"
    assert decoded[0]["iss"] == decoded[0]["sub"] == "me"
    assert (decoded[0]["iat"], decoded[0]["exp"]) == (1_700_000_000, 1_700_000_060)
    assert decoded[0]["jti"] != decoded[1]["jti"]


async def test_expires_in_bounds_the_token_and_it_is_asked_for_again() -> None:
    async with login_endpoint(grant("t1", expires_in=60, refresh_token="ignored"), grant("t2")) as endpoint:
        clock = FakeClock()
        scheme = client(endpoint)
        scheme.bind(provider_context(clock=clock))
        assert await token_of(scheme) == "Bearer t1"
        clock.advance(60)
        assert await token_of(scheme) == "Bearer t2"
    assert fields(endpoint) == [("grant_type", "client_credentials")]


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, "invalid_grant"), (401, "invalid_client"), (400, "unauthorized_client"), (200, "invalid_scope")],
)
async def test_an_error_answer_is_the_credentials_fault(status: int, error: str) -> None:
    """Section 5.2; some servers send it with a 200."""
    async with login_endpoint(Answer(status, json.dumps({"error": error}).encode())) as endpoint:
        scheme = client(endpoint)
        scheme.bind(provider_context())
        for _ in range(3):
            with pytest.raises(CredentialRejected):
                await scheme.authorize(REQUEST)
    assert len(endpoint.received) == 1


async def test_a_server_error_is_not() -> None:
    async with login_endpoint(Answer(503)) as endpoint:
        scheme = client(endpoint)
        scheme.bind(provider_context())
        with pytest.raises(CredentialUnavailable):
            await scheme.authorize(REQUEST)


async def test_another_scope_is_another_credential() -> None:
    clock = FakeClock()
    tokens = TokenCache(clock, random=SteadyRandom())
    endpoint = LoginEndpoint(port=1)
    post = client(endpoint, client_authentication="post")
    schemes = [client(endpoint), client(endpoint, scope="read"), client(endpoint, scope="read"), post]
    for scheme in schemes:
        scheme.bind(provider_context(clock=clock, tokens=tokens))
    first, second, third, fourth = (scheme.credential for scheme in schemes)
    assert first is not second
    assert first is not fourth
    assert second is third


async def test_a_refresh_token_grant_keeps_the_newest_token() -> None:
    """Section 6: an answer with a refresh token replaces the old one, an answer without keeps it."""
    answers = [grant("t1", expires_in=60, refresh_token="r1"), grant("t2", expires_in=60), grant("t3")]
    async with login_endpoint(*answers) as endpoint:
        clock = FakeClock()
        scheme = OAuth2RefreshToken(
            token_url=f"{endpoint.url}/token",
            client_id=Template.parse("me"),
            client_secret=Secret(CANARY),
            refresh_token=Secret("r0"),
        )
        scheme.bind(provider_context(clock=clock))
        for number in (1, 2, 3):
            assert await token_of(scheme) == f"Bearer t{number}"
            clock.advance(60)
    assert [dict(fields(endpoint, number)) for number in range(3)] == [
        {"grant_type": "refresh_token", "refresh_token": "r0"},
        {"grant_type": "refresh_token", "refresh_token": "r1"},
        {"grant_type": "refresh_token", "refresh_token": "r1"},
    ]


@pytest.mark.parametrize(
    ("status", "error", "is_dead"),
    [(400, "invalid_grant", True), (200, "invalid_grant", True), (401, "invalid_client", False), (403, "", False)],
)
async def test_only_a_refresh_token_that_is_called_dead_is_given_up(status: int, error: str, is_dead: bool) -> None:
    """Any other refusal may be mended at the vendor's: the same token is sent again, within the budget."""
    refusal = Answer(status, json.dumps({"error": error}).encode())
    async with login_endpoint(refusal, grant("t1")) as endpoint:
        clock = FakeClock()
        scheme = OAuth2RefreshToken(
            token_url=f"{endpoint.url}/token",
            client_id=Template.parse("me"),
            client_secret=Secret(CANARY),
            refresh_token=Secret("r0"),
        )
        scheme.bind(provider_context(clock=clock))
        with pytest.raises(CredentialRejected):
            await scheme.authorize(REQUEST)
        clock.advance(60)
        if not is_dead:
            assert await token_of(scheme) == "Bearer t1"
            return
        with pytest.raises(CredentialRejected):
            await scheme.authorize(REQUEST)
        assert len(endpoint.received) == 1


async def test_a_lost_answer_is_asked_for_once_more() -> None:
    async with login_endpoint(LOST, grant("t1")) as endpoint:
        scheme = OAuth2RefreshToken(
            token_url=f"{endpoint.url}/token",
            client_id=Template.parse("me"),
            client_authentication="post",
            refresh_token=Secret("r0"),
        )
        scheme.bind(provider_context())
        assert await token_of(scheme) == "Bearer t1"
    assert len(endpoint.received) == 2


async def test_a_401_of_the_api_has_the_token_renewed() -> None:
    async with login_endpoint(grant("t1"), grant("t2")) as endpoint:
        scheme = client(endpoint)
        scheme.bind(provider_context())
        first = await scheme.authorize(REQUEST)
        assert not scheme.rejected(AnswerHead(403), first)
        assert scheme.rejected(AnswerHead(401), first)
        assert await token_of(scheme) == "Bearer t2"


def test_explaining_names_the_token_endpoint() -> None:
    scheme = client(LoginEndpoint(port=1))
    assert scheme.explanation(REQUEST) == (("token from", "POST http://127.0.0.1:1/token"),)
