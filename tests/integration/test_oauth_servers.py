"""OAuth 2.0 against servers that others wrote: a certified, strict one with an API of its own, and one that errs on request.

Time moves for the proxy and for the server together.
"""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.canaries import leaks
from tests.clock import FakeClock
from tests.oauth_servers import OAuthServer, oauth_server
from tests.proxied import Proxied, proxied
from tests.relay import LOSE_ANSWER, TURN_AWAY, Relay
from tests.sandbox_caller import Reply, call
from tests.vendors import ask, canary, problem, until

SECRET = canary("client secret of the certified server")
# Everything that RFC 6749 lets into them (appendix A: visible ASCII and the space) and that a header could stumble on.
ODD_ID = "client :&+=%41/?#@ id~"
ODD_SECRET = SECRET + " :%20+&=\"\\'<>{}|^`~"
READ = "https://api.example.com/read"
PRIVATE = "https://api.example.com/private"
RESOURCES = {READ: "read write:all", PRIVATE: "admin"}
LIFETIME = 60
FORM = ("Content-Type", "application/x-www-form-urlencoded")


class Here:
    """The proxy before the API of an OAuth server; both sides' time moves by `advance`."""

    def __init__(self, server: OAuthServer, relay: Relay, proxy: Proxied, clock: FakeClock) -> None:
        self.server, self.relay, self.proxy, self.clock = server, relay, proxy, clock

    async def ask(self, method: str = "GET", target: str = "/acme/x", body: bytes = b"") -> Reply:
        return await ask(self.proxy, method, target, [], body)

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.server.tell("advance", seconds)

    async def fetches(self, outcome: str = "ok") -> float:
        return await self.proxy.metric("authproxy_token_fetches_total", provider="acme", outcome=outcome)

    @property
    def asked(self) -> list[dict[str, Any]]:
        return [request["asked"] for request in self.server.token_requests]


@asynccontextmanager
async def here(
    auth: dict[str, Any],
    client: dict[str, Any] | None = None,
    *,
    script: str = "oidc_provider",
    consent: bool = False,
    **settings: Any,
) -> AsyncIterator[Here]:
    """Both the proxy's logins and its requests to the API go through the relay."""
    registered = {"client_id": "acme", "client_secret": SECRET, **(client or {})}
    registered = {name: value for name, value in registered.items() if value is not None}
    clock = FakeClock(time.time())
    settings = {"clients": [registered], "resources": RESOURCES, "defaultResource": READ, **settings}
    async with Relay() as relay, oauth_server(script, {"issuer": relay.url, **settings}) as server:
        relay.target = server.port
        usual = {"token_url": f"{relay.url}/token", "client_id": registered["client_id"]}
        environ = {"SECRET": registered.get("client_secret", "")}
        if "private_key" not in auth:
            usual["client_secret"] = {"env": "SECRET"}
        if consent:
            environ["REFRESH"] = await server.tell("consent", {"client": "acme", "scope": "read", "resource": READ})
            usual |= {"scheme": "oauth2_refresh_token", "refresh_token": {"env": "REFRESH"}}
        else:
            usual["scheme"] = "oauth2_client_credentials"
        entry = {"base_url": f"{relay.url}/api", "auth": {**usual, **auth}}
        secrets = tuple(secret for secret in environ.values() if len(secret) > 8)
        async with proxied({"acme": entry}, {"/acme": "acme"}, secrets=secrets, environ=environ, clock=clock) as proxy:
            yield Here(server, relay, proxy, clock)
        output = b"\n".join([proxy.log.getvalue().encode(), *proxy.seen])
        # The mock server's tokens are JWTs, of which the header alone is like any other's.
        assert not leaks([token.rpartition(".")[2] for token in server.issued], output)


def key_pair(algorithm: str) -> tuple[str, dict[str, Any]]:
    """A private key as PEM, and the public one as a server registers it."""
    key = rsa.generate_private_key(65537, 2048) if algorithm == "RS256" else ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
    maker = RSAAlgorithm if algorithm == "RS256" else ECAlgorithm
    return pem, {**maker.to_jwk(key.public_key(), as_dict=True), "kid": "key-7", "use": "sig", "alg": algorithm}


# --- How a client names itself ----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["basic", "post"])
async def test_a_certified_server_takes_odd_characters_in_id_and_secret(how: str) -> None:
    """Form-encoded before base64 (RFC 6749 section 2.3.1): this server refuses what is not, as the RFC wants it."""
    client = {"client_id": ODD_ID, "client_secret": ODD_SECRET, "token_endpoint_auth_method": f"client_secret_{how}"}
    async with here({"client_authentication": how}, client) as on:
        answers = await asyncio.gather(*(on.ask("POST", body=b"%d" % number) for number in range(20)))
        assert {answer.status for answer in answers} == {200}
        assert answers[0].json["client"] == ODD_ID
        assert [request["grant_type"] for request in on.asked] == ["client_credentials"]


@asynccontextmanager
async def signed_assertions(algorithm: str, **more: Any) -> AsyncIterator[Here]:
    pem, public = key_pair(algorithm)
    client = {
        "client_secret": None,
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": algorithm,
        "jwks": {"keys": [public]},
    }
    auth = {
        "client_authentication": "private_key_jwt",
        "private_key": {"value": pem},
        "private_key_algorithm": algorithm,
        "key_id": "key-7",
    }
    async with here({**auth, **more.pop("auth", {})}, client, **more) as on:
        yield on


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_a_certified_server_takes_a_signed_assertion_and_each_only_once(algorithm: str) -> None:
    async with signed_assertions(algorithm) as on:
        for _ in range(3):
            assert (await on.ask()).status == 200
            await on.advance(LIFETIME + 1)
        assert [request["status"] for request in on.server.token_requests] == [200] * 3


async def test_an_assertion_of_the_wrong_time_is_signed_again() -> None:
    """Ours is an hour behind, so that the first assertion had expired; the refusal tells the time."""
    async with signed_assertions("ES256") as on:
        await on.server.tell("advance", 3600)
        for _ in range(3):
            assert (await on.ask()).status == 200
        assert [request["status"] for request in on.server.token_requests] == [401, 200]
        assert await on.proxy.metric("authproxy_auth_retries_total", provider="acme", reason="skewed") == 1


async def test_a_dead_refresh_token_is_not_sent_again_because_the_clock_was_wrong() -> None:
    """By so little that the assertion holds; but the answer teaches it."""
    unknown = {"refresh_token": {"value": canary("an unknown refresh token")}}
    async with signed_assertions("ES256", consent=True, auth=unknown) as on:
        await on.server.tell("advance", 30)
        assert (await on.ask()).status == 502
        assert [request["error"] for request in on.server.token_requests] == ["invalid_grant"]


@pytest.mark.parametrize(
    ("auth", "error"),
    [
        ({"client_secret": {"value": canary("not that secret")}}, "invalid_client"),
        ({"client_id": "somebody-else"}, "invalid_client"),
        ({"scope": "read", "resource": "https://elsewhere.example.com/"}, "invalid_target"),
    ],
    ids=["wrong secret", "unknown client", "unknown resource"],
)
async def test_what_a_certified_server_refuses_is_the_credentials_fault_and_has_a_budget(
    auth: dict[str, Any], error: str
) -> None:
    """502 with a clear code, nothing at the API, and no more than five refused logins within an hour."""
    async with here(auth) as on:
        for _ in range(60):
            for answer in await asyncio.gather(*(on.ask() for _ in range(5))):
                assert (answer.status, problem(answer)["code"]) == (502, "credential_rejected")
            await on.advance(60)
        assert {request["error"] for request in on.server.token_requests} == {error}
        assert 2 <= len(on.server.token_requests) <= 5
        assert on.server.api_requests == []
        assert await on.fetches("refused") == len(on.server.token_requests)


async def test_scope_and_resource_reach_the_token() -> None:
    async with here({"scope": "read", "resource": READ}) as on:
        told = (await on.ask()).json
        assert (told["scope"], told["audience"]) == ("read", READ)


# --- The life of a token ----------------------------------------------------------------------------------


async def test_tokens_of_a_certified_server_live_as_long_as_it_says() -> None:
    """Five minutes of tokens that live for one: no request meets a dead one, and there is one login for each."""
    async with here({}) as on:
        for _ in range(60):
            assert (await on.ask("POST", body=b"x")).status == 200
            await on.advance(5)
        assert {request["status"] for request in on.server.api_requests} == {200}
        assert 5 <= len(on.asked) <= 7


async def test_tokens_of_five_seconds_from_a_server_that_counts_whole_ones_fail_no_request() -> None:
    """It ends some up to a second early. A minute of them, with requests beside and after each end, costs no cool-down."""
    async with here({}, lifetimes={"ClientCredentials": 5}) as on:
        for _ in range(240):
            answers = await asyncio.gather(*(on.ask("POST", body=b"x") for _ in range(3)))
            assert {answer.status for answer in answers} == {200}
            await on.advance(0.25)
        assert 12 <= len(on.asked) <= 16


async def test_a_token_that_is_revoked_early_costs_one_login_and_nobody_notices() -> None:
    """At the revocation endpoint (RFC 7009), while requests go on; each of them is carried out once."""
    async with here({}) as on:
        assert (await on.ask()).status == 200
        await revoke(on, on.server.issued[-1])
        answers = await asyncio.gather(*(on.ask("POST", body=b"%d" % number) for number in range(30)))
        assert {answer.status for answer in answers} == {200}
        assert len(on.asked) == 2
        done = [request["body"] for request in on.server.api_requests[1:] if request["status"] == 200]
        assert sorted(map(int, done)) == list(range(30))


async def revoke(on: Here, token: str) -> None:
    """As another instance of the same client might."""
    form = urlencode({"token": token}).encode()
    fields = [("Authorization", f"Basic {b64encode(f'acme:{SECRET}'.encode()).decode()}"), FORM]
    assert (await call(on.server.url, "POST", "/token/revocation", fields, form)).status == 200


# --- Rotation, and a server that detects reuse ------------------------------------------------------------


def sent(on: Here) -> list[str]:
    return [request["refresh_token"] for request in on.asked]


async def test_a_rotating_server_sees_each_refresh_token_once() -> None:
    async with here({}, consent=True) as on:
        for _ in range(5):
            answers = await asyncio.gather(*(on.ask("POST", body=b"x") for _ in range(50)))
            assert {answer.status for answer in answers} == {200}
            await on.advance(LIFETIME + 1)
        assert len(sent(on)) == len(set(sent(on))) == 5


@pytest.mark.parametrize("rotations", [0, 3])
async def test_a_refresh_that_never_arrived_is_sent_once_more_and_nobody_notices(rotations: int) -> None:
    async with here({}, consent=True) as on:
        for _ in range(rotations):
            assert (await on.ask()).status == 200
            await on.advance(LIFETIME + 1)
        on.relay.befall(TURN_AWAY, when=b"POST /token")
        assert (await on.ask()).status == 200
        assert on.relay.faults_left == []
        assert len(sent(on)) == len(set(sent(on))) == rotations + 1


@pytest.mark.parametrize("rotations", [0, 3])
async def test_a_refresh_token_whose_answer_was_lost_is_tried_once_more_and_never_again(rotations: int) -> None:
    """The server takes the second try for theft and revokes everything: after that nothing is sent to it any more.

    Neither that token nor an older one, such as the configuration's, which may have been spent long ago.
    """
    async with here({}, consent=True) as on:
        for _ in range(rotations):
            assert (await on.ask()).status == 200
            await on.advance(LIFETIME + 1)
        on.relay.befall(LOSE_ANSWER, when=b"POST /token")
        for _ in range(40):
            answer = await on.ask()
            assert (answer.status, problem(answer)["code"]) == (502, "credential_rejected")
            await on.advance(200)
        assert Counter(sent(on)).most_common() == [(sent(on)[-1], 2), *((old, 1) for old in sent(on)[:-2])]
        assert on.server.token_requests[-1]["error"] == "invalid_grant"
        assert any("refresh token" in line["event"] for line in on.proxy.log_lines)


async def test_a_refresh_that_is_answered_by_silence_goes_on_being_tried_until_a_word_comes() -> None:
    """A login endpoint that hangs ends no session: nothing arrived, and the token is good when it is back."""
    async with here({}, consent=True) as on:
        assert (await on.ask()).status == 200
        await on.advance(LIFETIME + 1)
        on.relay.befall(*[TURN_AWAY] * 6, when=b"POST /token")
        for _ in range(20):
            answer = await on.ask()
            if answer.status == 200:
                break
            assert (answer.status, problem(answer)["code"]) == (503, "credential_unavailable")
            await on.advance(31)
        assert answer.status == 200
        assert len(sent(on)) == len(set(sent(on))) == 2


async def test_a_lost_refresh_ahead_of_time_leaves_the_live_token_in_use() -> None:
    """Reuse detection kills it early: the API's 401 is passed on, and the refresh token is not sent a third time."""
    async with here({}, consent=True) as on:
        assert (await on.ask()).status == 200
        await on.advance(LIFETIME - 5)
        on.relay.befall(LOSE_ANSWER, when=b"POST /token")
        answers = [await on.ask() for _ in range(20)]
        await until(lambda: len(sent(on)) == 3)
        answers += [await on.ask() for _ in range(20)]
        assert {answer.status for answer in answers} <= {200, 401, 502}
        assert answers[-1].status in (401, 502)
        await on.advance(600)
        assert (await on.ask()).status == 502
        assert [count for _, count in Counter(sent(on)).most_common()] == [2, 1]


async def test_a_new_refresh_token_in_its_file_is_taken_up_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "refresh"
    file.write_text(canary("a refresh token of long ago"))
    async with here({"refresh_token": {"file": str(file)}}, consent=True) as on:
        assert (await on.ask()).status == 502
        file.write_text(await on.server.tell("consent", {"client": "acme", "scope": "read", "resource": READ}))
        await on.advance(61)
        assert (await on.ask()).status == 200
        assert [request["status"] for request in on.server.token_requests] == [400, 200]


# --- A server that errs on request ------------------------------------------------------------------------


@pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client", "invalid_scope", "temporarily_unavailable"])
async def test_an_error_that_is_not_the_refresh_tokens_leaves_it_in_use(error: str) -> None:
    """What is tried next is the newest token, never the configuration's, which was spent by the first refresh."""
    async with here({}, script="mock_server", consent=True) as on:
        assert (await on.ask("GET", "/acme/x")).status
        newest = on.server.issued[-1]
        await on.advance(3601)
        await on.server.tell("spoil", [{"status": 401 if error == "invalid_client" else 400, "body": {"error": error}}])
        assert (await on.ask()).status == 502
        await on.advance(61)
        await on.ask()
        assert [request["status"] for request in on.server.token_requests] == [
            200,
            400 + (error == "invalid_client"),
            200,
        ]
        assert sent(on)[1:] == [newest, newest]


SPOILED: dict[str, dict[str, Any]] = {
    "no document": {"body": ""},
    "an empty object": {"body": {}},
    "a list": {"body": []},
    "null": {"body": None},
    "a number": {"body": 7},
    "a token that is null": {"members": {"access_token": None}},
    "a token that is a number": {"members": {"access_token": 123456}},
    "a token that is a list": {"members": {"access_token": ["a", "b"]}},
    "a token that is empty": {"members": {"access_token": ""}},
    "a token called None": {"members": {"access_token": "None"}},
    "a token with a line break": {"members": {"access_token": "a\r\nX-Evil: 1"}},
    "a token of 20,000 characters": {"members": {"access_token": "a" * 20_000}},
    "500": {"status": 500},
    "502": {"status": 502, "body": {"message": "bad gateway"}},
    "503": {"status": 503, "fields": {"Retry-After": "1"}},
}


async def test_a_spoiled_grant_is_503_and_nothing_goes_out_with_it() -> None:
    """Though `expires_in` and all else be right. One after the other, each login when the back-off ends; then a good one."""
    async with here({}, script="mock_server") as on:
        for number, (name, fault) in enumerate(SPOILED.items()):
            await on.server.tell("spoil", [fault])
            for _ in range(3):
                answer = await on.ask()
                assert (answer.status, problem(answer)["code"]) == (503, "credential_unavailable"), name
                assert int(answer.fields["retry-after"]) >= 1
            assert len(on.server.token_requests) == number + 1, name
            await on.advance(31)
        assert not [entry.line for entry in on.relay.exchanges if b" /api" in entry.line]
        assert await on.fetches("malformed") + await on.fetches("unavailable") == len(SPOILED)
        await on.ask()
        assert await on.fetches() == 1
        assert [entry.line for entry in on.relay.exchanges if b" /api" in entry.line] == [b"GET /api/x HTTP/1.1"]


async def test_429_with_retry_after_is_obeyed_to_the_second() -> None:
    async with here({}, script="mock_server") as on:
        await on.server.tell(
            "spoil", [{"status": 429, "fields": {"Retry-After": "30"}, "body": {"error": "slow_down"}}]
        )
        assert (await on.ask()).fields["retry-after"] == "30"
        await on.advance(29)
        assert (await on.ask()).fields["retry-after"] == "1"
        assert len(on.server.token_requests) == 1
        await on.advance(1)
        await on.ask()
        assert [request["status"] for request in on.server.token_requests] == [429, 200]


DATED = "Wed, 21 Oct 2099 07:28:00 GMT"


@pytest.mark.parametrize(
    ("wish", "seconds"),
    [("0", 1), ("-5", None), ("9999999", 900), ("9" * 400, None), (DATED, 900), ("Wed, 21 Oct 2015 07:28:00 GMT", 1),
     ("soon", None), ("", None), ("1.5", None)],
)  # fmt: skip
async def test_an_odd_retry_after_is_clamped_or_counts_as_none(wish: str, seconds: int | None) -> None:
    """From a second to a quarter of an hour; what is no number and no date leaves the usual pause, half a second."""
    async with here({}, script="mock_server") as on:
        await on.server.tell(
            "spoil", [{"status": 429, "fields": {"Retry-After": wish}, "body": {"error": "slow_down"}}]
        )
        answer = await on.ask()
        assert (answer.status, answer.fields["retry-after"]) == (503, str(seconds or 1))
        if seconds is not None:
            await on.advance(seconds - 0.1)
            assert (await on.ask()).status == 503
            assert len(on.server.token_requests) == 1
        await on.advance(1)
        await on.ask()
        assert [request["status"] for request in on.server.token_requests] == [429, 200]


ODD = {
    "absent": ("absent", 3600), "null": (None, 3600), "true": (True, 3600), "0": (0, 3600), "negative": (-60, 3600),
    "text": ("an hour", 3600), "a list": ([60], 3600), "a float": (7.5, 7.5), "a number as text": ("90", 90),
    "huge": (10**30, 366 * 86_400), "a moment in seconds": ("in 120 s", 120), "in milliseconds": ("in 120000 ms", 120),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
async def test_an_odd_lifetime_is_read_or_the_tokens_own_counts(name: str) -> None:
    """This server's tokens are JWTs, whose `exp` says an hour: what the answer says uselessly is asked of them."""
    stated, seconds = ODD[name]
    async with here({}, script="mock_server") as on:
        now = on.clock.wall()
        value = {"in 120 s": int(now) + 120, "in 120000 ms": int((now + 120) * 1000)}.get(str(stated), stated)
        fault = {"without": ["expires_in"]} if stated == "absent" else {"members": {"expires_in": value}}
        await on.server.tell("spoil", [fault])
        await on.ask()
        expiry = await on.proxy.metric("authproxy_token_expiry_timestamp_seconds", provider="acme")
        assert expiry - now == pytest.approx(seconds, abs=3)
        await on.advance(seconds / 2)
        await on.ask()
        assert len(on.server.token_requests) == 1
        await on.advance(seconds / 2 + 2)
        await on.ask()
        assert len(on.server.token_requests) == 2


async def test_a_lifetime_counts_however_it_is_written() -> None:
    async with here({}, script="mock_server") as on:
        await on.server.tell("spoil", [{"members": {"expires_in": stated}} for stated in (5, "5", 5.5, "5.5")])
        for number in range(1, 6):
            await on.ask()
            assert len(on.server.token_requests) == number
            await on.advance(6)
