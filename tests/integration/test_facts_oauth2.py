"""OAuth 2.0 through the whole proxy, against a token server that takes RFC 6749 and RFC 7523 at their word."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.canaries import leaks
from tests.clock import FakeClock
from tests.proxied import Proxied, proxied
from tests.raw_upstream import OK, RawUpstream, Received, read_body
from tests.vendors import ask, canary, problem

CLIENT_ID = "client id:with/odd+chars"
CLIENT_SECRET = canary("oauth secret") + ":&+ %é"
REFRESH_TOKEN = canary("oauth refresh token")
LIFETIME = 100
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Refused(Exception):
    """An error of RFC 6749 section 5.2."""

    def __init__(self, error: str, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.status = error, status


@dataclass
class Authority:
    """A token server and, beside it, an API that takes its tokens. `how` is how the client must authenticate."""

    clock: FakeClock
    how: str = "basic"
    public_key: Any = None
    rotates: bool = True
    scope: str = "read write:all"
    server: RawUpstream = field(default_factory=RawUpstream)
    api: RawUpstream = field(default_factory=RawUpstream)
    issued: dict[str, float] = field(default_factory=dict)
    refresh_tokens: set[str] = field(default_factory=lambda: {REFRESH_TOKEN})
    spent: set[str] = field(default_factory=set)
    forms: list[dict[str, str]] = field(default_factory=list)
    assertions: set[str] = field(default_factory=set)
    status: int | None = None

    @property
    def token_url(self) -> str:
        return f"{self.server.url}/oauth/token"

    @property
    def secrets(self) -> tuple[str, ...]:
        return CLIENT_SECRET, REFRESH_TOKEN

    async def serve_tokens(
        self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        received.body = await read_body(received, reader)
        if self.status is not None:
            status, payload = self.status, {"error": "server_error"}
        else:
            try:
                status, payload = 200, self.grant(received)
            except Refused as refused:
                status, payload = refused.status, {"error": refused.error, "error_description": "no"}
        body = json.dumps(payload).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json;charset=UTF-8\r\nCache-Control: no-store\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()

    async def serve_api(self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.body = await read_body(received, reader)
        [authorization] = received.values("authorization") or [""]
        alive = self.issued.get(authorization.removeprefix("Bearer "), 0) > self.clock.wall()
        writer.write(OK if alive else b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    def grant(self, received: Received) -> dict[str, Any]:
        if received.line != "POST /oauth/token HTTP/1.1":
            raise Refused("invalid_request")
        if received.values("content-type") != ["application/x-www-form-urlencoded"] or received.values("cookie"):
            raise Refused("invalid_request")
        pairs = parse_qsl(received.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
        form = dict(pairs)
        if len(form) != len(pairs):
            raise Refused("invalid_request")
        self.forms.append(form)
        self.authenticate(received, form)
        if form.get("scope") != self.scope:
            raise Refused("invalid_scope")
        answer: dict[str, Any] = {"token_type": "Bearer", "expires_in": LIFETIME, "scope": self.scope}
        if form["grant_type"] == "refresh_token":
            answer |= self.rotate(form["refresh_token"])
        elif form["grant_type"] != "client_credentials":
            raise Refused("unsupported_grant_type")
        token = token_urlsafe(24)
        self.issued[token] = self.clock.wall() + LIFETIME
        return {"access_token": token, **answer}

    def rotate(self, refresh_token: str) -> dict[str, str]:
        if refresh_token not in self.refresh_tokens:
            raise Refused("invalid_grant")
        if not self.rotates:
            return {}
        self.refresh_tokens.discard(refresh_token)
        self.spent.add(refresh_token)
        new = token_urlsafe(24)
        self.refresh_tokens.add(new)
        return {"refresh_token": new}

    def authenticate(self, received: Received, form: dict[str, str]) -> None:
        ways = [bool(received.values("authorization")), "client_secret" in form, "client_assertion" in form]
        if ways != [self.how == "basic", self.how == "post", self.how == "private_key_jwt"]:
            raise Refused("invalid_client", 401)
        if self.how == "basic":
            [value] = received.values("authorization")
            name, _, secret = base64.b64decode(value.removeprefix("Basic "), validate=True).decode().partition(":")
            given = unquote_plus(name), unquote_plus(secret)
        elif self.how == "post":
            given = form["client_id"], form["client_secret"]
        else:
            given = self.checked_assertion(form), CLIENT_SECRET
        if given != (CLIENT_ID, CLIENT_SECRET):
            raise Refused("invalid_client", 401)

    def checked_assertion(self, form: dict[str, str]) -> str:
        text = form["client_assertion"]
        options = {"verify_exp": False, "verify_iat": False, "require": ["iss", "sub", "aud", "exp", "jti"]}
        try:
            claims = jwt.decode(text, self.public_key, ["ES256"], options=options, audience=self.token_url)
        except jwt.PyJWTError as error:
            raise Refused("invalid_client", 401) from error
        fresh = self.clock.wall() < claims["exp"] <= self.clock.wall() + 300
        if form["client_assertion_type"] != ASSERTION_TYPE or not fresh or claims["jti"] in self.assertions:
            raise Refused("invalid_client", 401)
        if jwt.get_unverified_header(text).get("kid") != "key-7" or claims["iss"] != claims["sub"]:
            raise Refused("invalid_client", 401)
        self.assertions.add(claims["jti"])
        return str(claims["sub"])


@asynccontextmanager
async def authority(**switches: Any) -> AsyncIterator[Authority]:
    running = Authority(FakeClock(), **switches)
    running.server.respond, running.api.respond = running.serve_tokens, running.serve_api
    async with running.server, running.api:
        yield running


@asynccontextmanager
async def behind(running: Authority, scheme: str, **auth: Any) -> AsyncIterator[Proxied]:
    usual = {
        "scheme": scheme,
        "token_url": running.token_url,
        "client_id": CLIENT_ID,
        "client_secret": {"env": "OAUTH_SECRET"},
        "scope": "read write:all",
    }
    entry = {
        "base_url": f"{running.api.url}/v2",
        "auth": {key: value for key, value in {**usual, **auth}.items() if value is not None},
    }
    environ = {"OAUTH_SECRET": CLIENT_SECRET, "OAUTH_REFRESH": REFRESH_TOKEN}
    async with proxied(
        {"acme": entry}, {"/acme": "acme"}, secrets=running.secrets, environ=environ, clock=running.clock
    ) as proxy:
        yield proxy
    output = b"\n".join([proxy.log.getvalue().encode(), *proxy.seen])
    assert not leaks([*running.issued, *running.refresh_tokens, *running.spent], output)


async def test_client_credentials_with_basic_authentication() -> None:
    """Both halves form-encoded before the base64 (RFC 6749 section 2.3.1), the scope asked for, the token sent on."""
    async with authority() as running:
        async with behind(running, "oauth2_client_credentials") as proxy:
            answers = await asyncio.gather(*(ask(proxy, "GET", "/acme/x?a=%2F") for _ in range(20)))
            assert [answer.status for answer in answers] == [200] * 20
        assert running.forms == [{"grant_type": "client_credentials", "scope": "read write:all"}]
        assert running.api.requests[0].target == "/v2/x?a=%2F"


async def test_client_credentials_with_the_secret_in_the_form() -> None:
    async with authority(how="post") as running:
        async with behind(
            running,
            "oauth2_client_credentials",
            client_authentication="post",
            audience="https://api.acme.test/",
            parameters={"x-tenant": "t 1"},
        ) as proxy:
            assert (await ask(proxy, "GET", "/acme/x")).status == 200
        [form] = running.forms
        assert (form["audience"], form["x-tenant"]) == ("https://api.acme.test/", "t 1")


async def test_client_credentials_with_a_signed_assertion() -> None:
    """RFC 7523: iss and sub the client, aud the token URL, a short life and a jti that is used once."""
    key = ec.generate_private_key(ec.SECP256R1())
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(encoding, form, serialization.NoEncryption()).decode()
    async with authority(how="private_key_jwt", public_key=key.public_key()) as running:
        auth = {
            "client_authentication": "private_key_jwt",
            "private_key": {"value": pem},
            "private_key_algorithm": "ES256",
            "key_id": "key-7",
            "client_secret": None,
        }
        async with behind(running, "oauth2_client_credentials", **auth) as proxy:
            for _ in range(3):
                assert (await ask(proxy, "GET", "/acme/x")).status == 200
                running.clock.advance(LIFETIME + 1)
        assert len(running.assertions) == len(running.forms) == 3


async def test_the_lifetime_is_expires_in() -> None:
    async with authority() as running:
        async with behind(running, "oauth2_client_credentials") as proxy:
            for step in (0, 79, 21, 79):
                running.clock.advance(step)
                assert (await ask(proxy, "GET", "/acme/x")).status == 200
        assert len(running.forms) == 2


async def test_a_401_of_the_api_costs_one_token_and_one_replay() -> None:
    async with authority() as running:
        async with behind(running, "oauth2_client_credentials") as proxy:
            assert (await ask(proxy, "POST", "/acme/x", [], b"1")).status == 200
            running.issued.clear()
            assert (await ask(proxy, "POST", "/acme/x", [], b"2")).status == 200
        assert len(running.forms) == 2
        assert [received.body for received in running.api.requests] == [b"1", b"2", b"2"]


@pytest.mark.parametrize("fault", ["secret", "scope", "authentication"])
async def test_an_error_of_the_token_server_is_the_credentials_fault(fault: str) -> None:
    """invalid_client, invalid_scope: 502, nothing sent to the API, and no further attempt for a while."""
    auth: dict[str, Any] = {
        "secret": {"client_secret": {"value": canary("a wrong oauth secret")}},
        "scope": {"scope": "admin"},
        "authentication": {"client_authentication": "post"},
    }[fault]
    async with authority() as running:
        async with behind(running, "oauth2_client_credentials", **auth) as proxy:
            for _ in range(4):
                answer = await ask(proxy, "GET", "/acme/x")
                assert (answer.status, problem(answer)["code"]) == (502, "credential_rejected")
                running.clock.advance(14)
        assert len(running.server.requests) == 1
        assert running.api.requests == []


async def test_a_token_server_in_trouble_is_503_and_recovers() -> None:
    async with authority() as running, behind(running, "oauth2_client_credentials") as proxy:
        running.status = 500
        answer = await ask(proxy, "GET", "/acme/x")
        assert (answer.status, problem(answer)["code"]) == (503, "credential_unavailable")
        running.status = None
        running.clock.advance(31)
        assert (await ask(proxy, "GET", "/acme/x")).status == 200


@pytest.mark.parametrize("rotates", [True, False])
async def test_refresh_tokens_rotate_where_the_server_rotates_them(rotates: bool) -> None:
    """Each is used once; an answer without a new one leaves the old one good."""
    async with authority(rotates=rotates) as running:
        async with behind(running, "oauth2_refresh_token", refresh_token={"env": "OAUTH_REFRESH"}) as proxy:
            for _ in range(4):
                answers = await asyncio.gather(*(ask(proxy, "GET", "/acme/x") for _ in range(10)))
                assert {answer.status for answer in answers} == {200}
                running.clock.advance(LIFETIME + 1)
        sent = [form["refresh_token"] for form in running.forms]
        assert [form["grant_type"] for form in running.forms] == ["refresh_token"] * 4
        assert len(set(sent)) == (4 if rotates else 1)
        assert sent[0] == REFRESH_TOKEN


async def test_a_revoked_refresh_token_is_502() -> None:
    async with authority() as running:
        async with behind(running, "oauth2_refresh_token", refresh_token={"env": "OAUTH_REFRESH"}) as proxy:
            running.refresh_tokens.clear()
            answer = await ask(proxy, "GET", "/acme/x")
            assert (answer.status, problem(answer)["code"]) == (502, "credential_rejected")
        assert running.api.requests == []
