"""io.finnet through the whole proxy: each test is a fact about how this vendor authenticates."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.config.problems import ConfigError
from proxy.sandbox import Iofinnet
from proxy.sandbox.grants import AccessTokens
from tests.clock import FakeClock
from tests.proxied import proxied
from tests.vendors import JSON, ask, behind, canary, is_the_vendors, post, problem, until

# The vendor's own sample of a secret has `&` and `_`; the rest of these tempt YAML, shells, JSON and forms.
CREDENTIALS = {"client_id": canary("io id"), "client_secret": canary("io secret") + '&_$${x} "\\:+%=é{{token}}'}
SECONDS_PER_DAY = 86_400.0


def vendor(clock: FakeClock | None = None, token_lifetime: float = 1000.0, **rest: Any) -> Iofinnet:
    return Iofinnet(clock=clock, token_lifetime=token_lifetime, credentials=CREDENTIALS, **rest)


class OpaqueTokens(AccessTokens):
    """Tokens that say nothing of their own life."""

    def issue_jwt(self, claims: dict[str, object]) -> str:
        return self.issue_opaque()


async def test_the_login_is_a_bare_json_post_in_camel_case() -> None:
    """POST /auth/v1/accessToken with clientId and clientSecret exactly, and no header that could be a credential."""
    emulator = vendor()
    async with behind(emulator) as proxy:
        fields = [("Authorization", "Bearer mine"), ("Cookie", "a=b"), ("X-Api-Key", "mine"), ("X-Trace", "caller")]
        assert (await ask(proxy, "GET", "/io/v1/accounts?x=1", fields)).status == 200
    [login] = emulator.login_requests
    assert (login.method, login.target) == ("POST", b"/auth/v1/accessToken")
    given = json.loads(login.body)
    assert given == {"clientId": CREDENTIALS["client_id"], "clientSecret": CREDENTIALS["client_secret"]}
    sent = {name.decode().lower(): value for name, value in login.headers}
    assert sent.keys() == {"host", "accept", "user-agent", "content-type", "content-length", "connection"}
    assert (sent["content-type"], sent["accept"]) == (b"application/json", b"application/json")


async def test_the_secret_reaches_the_login_unchanged_from_the_environment() -> None:
    """Neither YAML, nor `${...}`, nor `{{...}}` is looked for inside a secret's own text."""
    emulator = vendor()
    entry = {"client_id": "${IO_ID}", "client_secret": {"env": "IO_SECRET"}}
    environ = {"IO_ID": CREDENTIALS["client_id"], "IO_SECRET": CREDENTIALS["client_secret"]}
    async with behind(emulator, entry, environ=environ) as proxy:
        assert (await ask(proxy, "GET", "/io/v1/accounts")).status == 200


async def test_the_path_of_the_newer_pages_is_one_key_away() -> None:
    emulator = vendor()
    async with behind(emulator, {"login_path": "/v1/auth/accessToken"}) as proxy:
        assert (await ask(proxy, "GET", "/io/v1/accounts")).status == 200
    assert [login.target for login in emulator.login_requests] == [b"/v1/auth/accessToken"]


async def served_for(emulator: Iofinnet, clock: FakeClock, seconds: float, **entry: Any) -> None:
    """Check that a token serves for these seconds: fresh for four fifths of them, replaced at their end."""
    async with behind(emulator, entry, clock=clock) as proxy:
        assert (await ask(proxy, "GET", "/io/v1/accounts")).status == 200
        clock.advance(seconds - min(60, seconds / 5) - 1)
        assert (await ask(proxy, "GET", "/io/v1/accounts")).status == 200
        assert emulator.logins == 1
        clock.advance(min(60, seconds / 5) + 1)
        assert (await ask(proxy, "GET", "/io/v1/accounts")).status == 200
        assert emulator.logins == 2
    tokens = [received.values("Authorization") for received in emulator.api_requests]
    assert tokens[0] == tokens[1] != tokens[2]
    assert [received.status for received in emulator.api_requests] == [200, 200, 200]


async def test_the_lifetime_is_what_expires_in_says() -> None:
    """Even where the JWT's `exp` and the configuration say more."""
    clock = FakeClock()
    emulator = vendor(clock, token_lifetime=100)
    emulator.tokens.lifetime = SECONDS_PER_DAY
    await served_for(emulator, clock, 100, token_lifetime="3h")


async def test_without_expires_in_the_lifetime_is_the_jwts() -> None:
    clock = FakeClock()
    emulator = vendor(clock, token_lifetime=400)
    emulator.sends_expires_in = False
    await served_for(emulator, clock, 400, token_lifetime="3h")


async def test_without_either_the_lifetime_is_the_configurations() -> None:
    clock = FakeClock()
    emulator = vendor(clock)
    emulator.tokens = OpaqueTokens(clock, SECONDS_PER_DAY)
    emulator.sends_expires_in = False
    await served_for(emulator, clock, 700, token_lifetime="700s")


async def test_without_anything_the_presets_fifteen_minutes_hold() -> None:
    clock = FakeClock()
    emulator = vendor(clock)
    emulator.tokens = OpaqueTokens(clock, SECONDS_PER_DAY)
    emulator.sends_expires_in = False
    await served_for(emulator, clock, 900)


async def test_a_due_token_serves_while_its_successor_is_fetched_in_the_background() -> None:
    """Nobody waits for it, and nobody asks twice."""
    clock = FakeClock()
    emulator = vendor(clock, token_lifetime=100)
    async with behind(emulator, clock=clock) as proxy:
        await ask(proxy, "GET", "/io/v1/accounts")
        clock.advance(90)
        emulator.hold_logins.clear()
        for _ in range(3):
            assert (await ask(proxy, "GET", "/io/v1/accounts")).status == 200
        await until(lambda: len(emulator.login_requests) == 2)
        emulator.hold_logins.set()
        await until(lambda: emulator.logins == 2)
        await until(lambda: _generation(proxy) == 2)
        assert (await ask(proxy, "GET", "/io/v1/accounts")).status == 200
        assert len(emulator.login_requests) == 2
    tokens = [received.values("Authorization") for received in emulator.api_requests]
    assert len(set(tokens[:4])) == 1 and tokens[4] != tokens[0]


def _generation(proxy: Any) -> int:
    [credential] = proxy.app.tokens.credentials
    return int(credential.generation)


async def test_one_token_serves_rest_and_graphql_on_every_route_and_under_every_name() -> None:
    emulator = vendor()
    twin = {key: {"value": value} for key, value in CREDENTIALS.items()}
    routes = {"/io": "vendor", "/io/treasury": {"provider": "vendor", "methods": ["POST"]}, "/twin": "twin"}
    twins = {"twin": {"preset": "iofinnet", "base_url": "$url", **twin}}
    async with behind(emulator, routes=routes, more_providers=twins) as proxy:
        assert (await ask(proxy, "GET", "/io/v1/accounts")).status == 200
        for prefix in ("/io", "/io/treasury", "/twin"):
            answer = await post(proxy, f"{prefix}/graphql", {"query": "{ vaults { id } }"})
            assert answer.status == 200
    assert emulator.logins == 1
    assert len({received.values("Authorization") for received in emulator.api_requests}) == 1


async def test_403_is_the_vendors_word_and_triggers_no_login() -> None:
    emulator = vendor()
    async with behind(emulator) as proxy:
        for _ in range(3):
            answer = await ask(proxy, "GET", "/io/v1/forbidden")
            assert (answer.status, answer.json) == (403, {"message": "Forbidden"})
            assert is_the_vendors(answer)
    assert emulator.logins == len(emulator.login_requests) == 1
    assert len(emulator.api_requests) == 3


@pytest.mark.parametrize("status", [400, 404, 409, 429, 500, 503])
async def test_only_401_says_that_the_token_died(status: int) -> None:
    emulator = vendor()
    async with behind(emulator) as proxy:
        answer = await ask(proxy, "GET", f"/io/v1/status/{status}")
        assert answer.status == status and is_the_vendors(answer)
    assert (emulator.logins, len(emulator.api_requests)) == (1, 1)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_401_costs_one_login_and_one_replay_of_the_same_request(method: str) -> None:
    emulator = vendor()
    body = b"" if method == "GET" else b'{"amount":"1.00"}\r\n'
    async with behind(emulator) as proxy:
        await ask(proxy, "GET", "/io/v1/accounts")
        emulator.revoke_tokens()
        answer = await ask(proxy, method, "/io/v1/accounts/a%7Eb?c=%2f&&c=", [JSON, ("X-One", "1")], body)
        assert answer.status == 200
        assert proxy.log_lines[-1]["retries"] == 1
    first, second = emulator.api_requests[1:]
    assert (first.status, second.status, emulator.logins) == (401, 200, 2)
    assert first.target == second.target == b"/v1/accounts/a%7Eb?c=%2f&&c="
    assert first.body == second.body == body
    assert [pair for pair in first.headers if pair[0] != b"Authorization"] == [
        pair for pair in second.headers if pair[0] != b"Authorization"
    ]


async def test_a_401_that_a_new_token_does_not_cure_is_passed_on_and_starts_no_storm() -> None:
    """Some endpoint answers 401 whatever token it sees: one login more, then the vendor's answers stand."""
    emulator = vendor(FakeClock())
    async with behind(emulator, clock=emulator.clock) as proxy:
        for _ in range(20):
            answer = await ask(proxy, "GET", "/io/v1/status/401")
            assert answer.status == 401 and is_the_vendors(answer)
    assert emulator.logins == 2


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_login_that_is_refused_is_not_tried_again_soon(status: int) -> None:
    """403 most likely is the vendor's IP allow-list: asking again would help nobody."""
    clock = FakeClock()
    emulator = vendor(clock)
    async with behind(emulator, clock=clock) as proxy:
        emulator.fail_next(5, status=status, where="login", body=b'{"message":"Forbidden"}')
        for _ in range(5):
            answer = await ask(proxy, "GET", "/io/v1/accounts")
            assert (answer.status, problem(answer)["code"]) == (502, "credential_rejected")
            clock.advance(10)
    assert len(emulator.login_requests) == 1
    assert emulator.api_requests == []


@pytest.mark.parametrize(
    "grant", [b'{"accessToken":"undefined"}', b'{"accessToken":null}', b"{}", b'{"access_token":"x"}']
)
async def test_bearer_undefined_is_never_sent(grant: bytes) -> None:
    """The vendor's sample sends it: an answer without the token is a failure, not a token."""
    emulator = vendor()
    async with behind(emulator) as proxy:
        emulator.fail_next(status=200, where="login", body=grant, headers={"Content-Type": "application/json"})
        assert (await ask(proxy, "GET", "/io/v1/accounts")).status == 503
    assert emulator.api_requests == []


async def test_plain_http_is_refused_by_the_configuration_but_to_this_machine() -> None:
    """HTTPS only by the vendor's word, so that `allow_http` does not help either."""
    entry = {"preset": "iofinnet", **{key: {"value": value} for key, value in CREDENTIALS.items()}}
    for more in ({}, {"allow_http": True}):
        with pytest.raises(ConfigError) as caught:
            async with proxied({"io": {**entry, "base_url": "http://api.iofinnet.com", **more}}, {"/io": "io"}):
                pass
        assert any("https" in str(each).lower() for each in caught.value.problems)
        assert not any(CREDENTIALS["client_id"] in str(each) for each in caught.value.problems)
    for url in ("http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"):
        async with proxied({"io": {**entry, "base_url": url}}, {"/io": "io"}):
            pass
