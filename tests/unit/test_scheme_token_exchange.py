"""A login described by templates gives the token; the vendor's answers tell when it died."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt as pyjwt
import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from proxy.errors import CredentialRejected, CredentialUnavailable
from proxy.schemes.base import AnswerHead, OutboundRequest
from proxy.schemes.siwe import SiweSettings
from proxy.schemes.token_bearing import Rejection
from proxy.schemes.token_exchange import GuestQueries, LoginAssertion, TokenExchange
from proxy.secret import FileSecret, Secret
from proxy.template import JsonTemplate, Template
from proxy.tokens.cache import TokenCache
from proxy.tokens.grant import TokenFields
from proxy.tokens.login_request import LoginRequest
from proxy.tokens.token import TokenPolicy
from tests.clock import FakeClock
from tests.login_endpoint import LOST, Answer, SteadyRandom, grant, login_endpoint, provider_context, templates

CANARY = "CANARY&exchange_$8d"
LONG_CANARY = CANARY * 2
ETHEREUM_KEY = "0x" + "11" * 32
ADDRESS = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
REQUEST = OutboundRequest("GET", "https://api.example.com", "/x")


def body(**texts: Any) -> JsonTemplate:
    def leaf(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: leaf(item) for name, item in value.items()}
        return Template.parse(value) if isinstance(value, str) else value

    return JsonTemplate(leaf(texts))


def iofinnet(**rest: Any) -> TokenExchange:
    usual: dict[str, Any] = {
        "variables": {"id": Template.parse("client"), "secret": Template((Secret(CANARY),))},
        "login": LoginRequest(path="/auth/v1/accessToken", json=body(clientId="{{id}}", clientSecret="{{secret}}")),
        "response": TokenFields(token="accessToken", lifetime="expiresIn"),
    }
    return TokenExchange(**{**usual, **rest})


def defactor(**rest: Any) -> TokenExchange:
    usual: dict[str, Any] = {
        "siwe": SiweSettings(
            private_key=Secret(ETHEREUM_KEY), domain="https://app.example.com", uri="https://app.example.com"
        ),
        "login": LoginRequest(
            path="/v1/login",
            json=body(variables={"session": {"message": "{{siwe.message}}", "signature": "{{siwe.signature}}"}}),
        ),
        "refresh": LoginRequest(
            path="/v1/graphql", json=body(variables={"session": {"refreshToken": "{{refresh_token}}"}})
        ),
        "response": TokenFields(
            token=["data.*.res.accessToken", "*.res.accessToken"],
            refresh_token=["data.*.res.refreshToken", "*.res.refreshToken"],
            success=["data.*.success", "*.success"],
        ),
        "rejection": Rejection(statuses=[401], graphql_codes=["invalid-jwt"]),
    }
    return TokenExchange(**{**usual, **rest})


def session(access: str, refresh: str) -> Answer:
    members = {"res": {"accessToken": access, "refreshToken": refresh}, "success": True}
    return Answer(body=json.dumps({"data": {"v1Loding": members}}).encode())


async def bearer(scheme: TokenExchange, request: OutboundRequest = REQUEST) -> str:
    return dict((await scheme.authorize(request)).headers)["Authorization"].removeprefix("Bearer ")


async def test_the_login_is_sent_as_configured_and_bare_of_credentials() -> None:
    async with login_endpoint(Answer(body=b'{"accessToken":"t1","expiresIn":60,"type":"Bearer"}')) as endpoint:
        scheme = iofinnet()
        scheme.bind(provider_context(endpoint.url))
        injection = await scheme.authorize(REQUEST)
        assert injection.headers == (("Authorization", "Bearer t1"),)
        assert (injection.generation, injection.use) == (1, "fetched")
        assert (await scheme.authorize(REQUEST)).use == "cached"
    (login,) = endpoint.received
    assert (login.method, login.target) == ("POST", "/auth/v1/accessToken")
    assert login.json == {"clientId": "client", "clientSecret": CANARY}
    assert login.header("content-type") == "application/json"
    assert login.header("accept") == "application/json"
    assert login.header("content-length") == str(len(login.body))
    assert (login.header("user-agent") or "").startswith("authproxy/")
    assert login.header("authorization") is None
    assert login.header("cookie") is None


async def test_login_parts_go_into_query_form_and_headers_without_breaking_out() -> None:
    async with login_endpoint(grant("t1")) as endpoint:
        scheme = TokenExchange(
            variables={"s": Template((Secret('a"&b=c d\\'),))},
            login=LoginRequest(
                url=f"{endpoint.url}/t?keep=%2F",
                query=templates(q="{{s}}"),
                form=templates(f="{{s}}"),
                headers=templates(X_Key="{{s}}", Accept="text/plain"),
            ),
        )
        scheme.bind(provider_context())
        await scheme.authorize(REQUEST)
    (login,) = endpoint.received
    assert login.target == "/t?keep=%2F&q=a%22%26b%3Dc%20d%5C"
    assert login.body == b"f=a%22%26b%3Dc+d%5C"
    assert login.header("content-type") == "application/x-www-form-urlencoded"
    assert login.header("x-key") == 'a"&b=c d\\'
    assert [value for name, value in login.fields if name.lower() == "accept"] == ["text/plain"]


async def test_a_get_login_has_no_body_and_no_length() -> None:
    async with login_endpoint(grant("t1")) as endpoint:
        scheme = TokenExchange(login=LoginRequest(method="GET", path="/t", query=templates(key="k")))
        scheme.bind(provider_context(endpoint.url))
        assert await bearer(scheme) == "t1"
    (login,) = endpoint.received
    assert (login.method, login.target, login.header("content-length")) == ("GET", "/t?key=k", None)


async def test_the_moment_of_a_login_in_its_usual_forms() -> None:
    async with login_endpoint(grant("t1")) as endpoint:
        places = body(s="{{timestamp}}", ms="{{timestamp_ms}}", n="{{nonce}}", u="{{uuid}}")
        scheme = TokenExchange(login=LoginRequest(path="/t", json=places))
        scheme.bind(provider_context(endpoint.url, clock=FakeClock(wall=1000.25)))
        await scheme.authorize(REQUEST)
    sent = endpoint.received[0].json
    assert (sent["s"], sent["ms"]) == ("1000", "1000250")
    assert len(sent["n"]) == 32
    assert len(sent["u"]) == 36


async def test_a_token_may_go_into_the_query_instead_of_the_header() -> None:
    async with login_endpoint(grant("t1")) as endpoint:
        scheme = iofinnet(response=TokenFields(), query=templates(access_token="{{token}}"))
        scheme.bind(provider_context(endpoint.url))
        injection = await scheme.authorize(REQUEST)
    assert (injection.headers, injection.query) == ((), (("access-token", "t1"),))


async def test_signing_in_with_ethereum_sends_one_message_with_its_own_signature() -> None:
    async with login_endpoint(session("a1", "r1")) as endpoint:
        scheme = defactor()
        scheme.bind(provider_context(endpoint.url))
        assert await bearer(scheme) == "a1"
    sent = endpoint.received[0].json["variables"]["session"]
    assert Account.recover_message(encode_defunct(text=sent["message"]), signature=sent["signature"]) == ADDRESS


async def test_a_restore_uses_the_newest_refresh_token_and_every_one_once() -> None:
    async with login_endpoint(session("a1", "r1"), session("a2", "r2"), session("a3", "r3")) as endpoint:
        clock = FakeClock()
        scheme = defactor()
        scheme.bind(provider_context(endpoint.url, clock=clock, policy=TokenPolicy(lifetime=100)))
        for expected in ("a1", "a2", "a3"):
            assert await bearer(scheme) == expected
            clock.advance(100)
    login, *restores = endpoint.received
    assert login.target == "/v1/login"
    assert [call.json["variables"]["session"] for call in restores] == [{"refreshToken": "r1"}, {"refreshToken": "r2"}]
    assert all(call.header("authorization") is None for call in restores)


async def test_a_failed_restore_is_followed_by_one_full_login() -> None:
    refusal = Answer(body=b'{"errors":[{"message":"no","extensions":{"code":"validation-failed"}}]}')
    async with login_endpoint(session("a1", "r1"), refusal, session("a2", "r2")) as endpoint:
        clock = FakeClock()
        scheme = defactor()
        scheme.bind(provider_context(endpoint.url, clock=clock, policy=TokenPolicy(lifetime=100)))
        await bearer(scheme)
        clock.advance(100)
        assert await bearer(scheme) == "a2"
    assert [call.target for call in endpoint.received] == ["/v1/login", "/v1/graphql", "/v1/login"]


async def test_a_lost_restore_is_tried_once_more_and_then_a_full_login_follows() -> None:
    async with login_endpoint(session("a1", "r1"), LOST, LOST, session("a2", "r2")) as endpoint:
        clock = FakeClock()
        scheme = defactor()
        scheme.bind(provider_context(endpoint.url, clock=clock, policy=TokenPolicy(lifetime=100)))
        await bearer(scheme)
        clock.advance(100)
        assert await bearer(scheme) == "a2"
    assert [call.target for call in endpoint.received[1:]] == ["/v1/graphql", "/v1/graphql", "/v1/login"]


async def test_an_initial_refresh_token_stands_in_for_the_private_key() -> None:
    async with login_endpoint(session("a1", "r1"), Answer(400)) as endpoint:
        clock = FakeClock()
        scheme = defactor(
            siwe=SiweSettings(domain="a.example", uri="https://a.example"), initial_refresh_token=Secret("r0")
        )
        scheme.bind(provider_context(endpoint.url, clock=clock, policy=TokenPolicy(lifetime=100)))
        assert await bearer(scheme) == "a1"
        clock.advance(100)
        with pytest.raises(CredentialRejected):
            await bearer(scheme)
    assert [call.json["variables"]["session"]["refreshToken"] for call in endpoint.received] == ["r0", "r1"]


@pytest.mark.parametrize(
    "answer",
    [
        {"data": {"v1Login": {"res": {"accessToken": "a1"}, "success": True}}},
        {"v1Login": {"res": {"accessToken": "a1"}, "success": True}},
        {"data": {"anything": {"res": {"accessToken": "a1"}}}},
        {"data": {"v1Login": {"res": '{"accessToken":"a1"}', "success": True}}},
        {"data": {"x": None, "y": {"res": {}}, "v1Login": {"res": {"accessToken": "a1"}}}},
    ],
)
async def test_the_token_is_found_under_any_mutation_name_and_wrapping(answer: Any) -> None:
    async with login_endpoint(Answer(body=json.dumps(answer).encode())) as endpoint:
        scheme = defactor()
        scheme.bind(provider_context(endpoint.url))
        assert await bearer(scheme) == "a1"


async def test_success_false_in_a_200_is_a_refusal() -> None:
    answer = {"data": {"v1Login": {"res": {"accessToken": "a1"}, "success": False}}}
    async with login_endpoint(Answer(body=json.dumps(answer).encode())) as endpoint:
        scheme = defactor()
        scheme.bind(provider_context(endpoint.url))
        with pytest.raises(CredentialRejected):
            await bearer(scheme)


# --- Judging answers --------------------------------------------------------------------------------------------------


def graphql_error(code: str) -> bytes:
    return json.dumps({"errors": [{"extensions": {"path": "$", "code": code}, "message": "m"}]}).encode()


@pytest.mark.parametrize(
    ("status", "answer", "died"),
    [
        (401, None, True),
        (200, graphql_error("invalid-jwt"), True),
        (400, graphql_error("invalid-jwt"), True),
        (200, b"[" + graphql_error("invalid-jwt") + b"]", True),
        (200, b'{"path":"$","error":"Could not verify JWT","code":"invalid-jwt"}', True),
        (200, b'{"data":{"invalid-jwt":1},"errors":[{},{"extensions":{"code":"invalid-jwt"}}]}', True),
        (403, None, False),
        (200, graphql_error("validation-failed"), False),
        (200, graphql_error("access-denied"), False),
        (200, b'{"data":{"code":"invalid-jwt"}}', False),
        (200, b'{"data":{"errors":[{"extensions":{"code":"invalid-jwt"}}]}}', False),
        (200, b'{"errors":"invalid-jwt"}', False),
        (200, b'{"errors":[{"extensions":"invalid-jwt"}, null, 5, "invalid-jwt"]}', False),
        (200, b'["invalid-jwt", null, 5]', False),
        (200, b"invalid-jwt", False),
        (200, b"[" * 60_000 + b'"invalid-jwt"', False),
        (200, None, False),
        (500, None, False),
    ],
)
async def test_which_answers_say_that_the_token_died(status: int, answer: bytes | None, died: bool) -> None:
    async with login_endpoint(session("a1", "r1")) as endpoint:
        scheme = defactor()
        scheme.bind(provider_context(endpoint.url))
        injection = await scheme.authorize(REQUEST)
        assert scheme.rejected(AnswerHead(status, body=answer), injection) is died


def test_bodies_are_looked_at_only_for_graphql_codes() -> None:
    assert defactor().inspects_answer
    assert not iofinnet().inspects_answer


async def test_without_configured_statuses_a_401_means_nothing() -> None:
    async with login_endpoint(grant("t1")) as endpoint:
        scheme = iofinnet(response=TokenFields(), rejection=Rejection(statuses=[]))
        scheme.bind(provider_context(endpoint.url))
        injection = await scheme.authorize(REQUEST)
        assert not scheme.rejected(AnswerHead(401), injection)
        assert (await scheme.authorize(REQUEST)).use == "cached"


async def test_two_hundred_rejections_of_one_token_cost_one_login() -> None:
    async with login_endpoint(grant("t1"), grant("t2")) as endpoint:
        scheme = iofinnet(response=TokenFields())
        scheme.bind(provider_context(endpoint.url))
        injections = await asyncio.gather(*(scheme.authorize(REQUEST) for _ in range(200)))
        assert all(scheme.rejected(AnswerHead(401), injection) for injection in injections)
        replays = await asyncio.gather(*(scheme.authorize(REQUEST) for _ in range(200)))
        assert {dict(replay.headers)["Authorization"] for replay in replays} == {"Bearer t2"}
    assert len(endpoint.received) == 2


async def test_a_token_that_was_accepted_may_die_again() -> None:
    async with login_endpoint(grant("t1"), grant("t2"), grant("t3")) as endpoint:
        scheme = iofinnet(response=TokenFields())
        scheme.bind(provider_context(endpoint.url))
        assert scheme.rejected(AnswerHead(401), await scheme.authorize(REQUEST))
        second = await scheme.authorize(REQUEST)
        assert not scheme.rejected(AnswerHead(200), second)
        assert scheme.rejected(AnswerHead(401), second)
        assert await bearer(scheme) == "t3"


async def test_answers_are_asked_for_until_one_shows_that_the_token_is_good() -> None:
    """Behind the proxy an answer is judged only if its status is one of those, or the injection asks for it."""
    async with login_endpoint(grant("t1"), grant("t2")) as endpoint:
        scheme = iofinnet(response=TokenFields())
        scheme.bind(provider_context(endpoint.url))
        assert scheme.judged_statuses == {401}
        first, second = await scheme.authorize(REQUEST), await scheme.authorize(REQUEST)
        assert first.awaits_verdict and second.awaits_verdict
        assert not scheme.rejected(AnswerHead(404), first)
        assert (await scheme.authorize(REQUEST)).awaits_verdict, "that says nothing of the token"
        assert not scheme.rejected(AnswerHead(302), first)
        assert not (await scheme.authorize(REQUEST)).awaits_verdict
        assert scheme.rejected(AnswerHead(401), second)
        assert (await scheme.authorize(REQUEST)).awaits_verdict


async def test_who_shares_a_token_learns_from_the_others_that_it_is_good() -> None:
    async with login_endpoint(grant("t1")) as endpoint:
        context = provider_context(endpoint.url)
        one, other = iofinnet(response=TokenFields()), iofinnet(response=TokenFields())
        for scheme in (one, other):
            scheme.bind(context)
        injection = await one.authorize(REQUEST)
        one.rejected(AnswerHead(200), injection)
        assert not (await other.authorize(REQUEST)).awaits_verdict


async def test_a_secret_file_beside_the_token_is_read_for_every_request(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("at first")
    async with login_endpoint(grant("t1")) as endpoint:
        scheme = iofinnet(
            response=TokenFields(),
            headers={"Authorization": Template.parse("Bearer {{token}}"), "X-Key": Template((FileSecret(path),))},
        )
        scheme.bind(provider_context(endpoint.url))
        for key in ("at first", "another", "a third one"):
            path.write_text(key)
            assert (await scheme.authorize(REQUEST)).headers == (("Authorization", "Bearer t1"), ("X-Key", key))
            assert (await scheme.authorize(REQUEST)).headers == (("Authorization", "Bearer t1"), ("X-Key", key))


@pytest.mark.parametrize("is_at_hand", [False, True])
async def test_a_swap_waits_for_every_request_that_goes_with_the_token_it_kills(is_at_hand: bool) -> None:
    """For the one that had it fetched, and for one that found it at hand."""
    clock = FakeClock()
    async with login_endpoint(grant("t1"), grant("t2")) as endpoint:
        scheme = iofinnet(response=TokenFields())
        scheme.bind(provider_context(endpoint.url, clock=clock, policy=TokenPolicy(lifetime=100, single_live=True)))
        injection = await scheme.authorize(REQUEST)
        if is_at_hand:
            scheme.returned(injection)
            injection = await scheme.authorize(REQUEST)
        clock.advance(98.5)
        swap = asyncio.create_task(bearer(scheme))
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(endpoint.received) == 1
        scheme.returned(injection)
        async with asyncio.timeout(1):
            assert await swap == "t2"


def test_where_bodies_may_say_that_a_token_died_every_answer_is_judged() -> None:
    assert defactor().judged_statuses is None


async def test_a_vendor_that_rejects_everything_is_asked_for_two_tokens_and_then_left_alone() -> None:
    async with login_endpoint(grant("t1"), grant("t2"), grant("t3"), grant("t4")) as endpoint:
        clock = FakeClock()
        scheme = iofinnet(response=TokenFields(), login=LoginRequest(path="/t"))
        scheme.bind(provider_context(endpoint.url, clock=clock, policy=TokenPolicy(lifetime=3600)))
        for _ in range(600):
            while scheme.rejected(AnswerHead(401), await scheme.authorize(REQUEST)):
                pass
            clock.advance(0.1)
    assert len(endpoint.received) == 3


# --- Guests -------------------------------------------------------------------------------------------------------------


def graphql(document: str) -> OutboundRequest:
    fields = ((b"Content-Type", b"application/json"),)
    content = json.dumps({"query": document}).encode()
    return OutboundRequest("POST", "https://api.example.com", "/base/v1/graphql", fields, content)


async def test_what_is_prepared_for_a_head_looks_at_each_body_anew() -> None:
    """A query and a mutation may well have the same head, and no body is here when it is prepared."""
    async with login_endpoint(session("t1", "r1")) as endpoint:
        scheme = defactor(guest_queries=GuestQueries(path="/v1/graphql"))
        scheme.bind(provider_context(f"{endpoint.url}/base"))
        query, mutation = graphql("{ a }"), graphql("mutation { a }")
        at_hand = scheme.prepare(replace(query, body=b""))
        assert at_hand(mutation.body) is None, "a token has to be fetched"
        await scheme.authorize(mutation)
        for request, generation in ((query, None), (mutation, 1), (query, None), (mutation, 1)):
            injection = at_hand(request.body)
            assert injection is not None
            assert injection.generation == generation
        streamed = at_hand(None)
        assert streamed is not None and streamed.generation == 1, "of what cannot be looked at nobody knows"


async def test_guest_queries_go_bare_and_mutations_with_the_token() -> None:
    async with login_endpoint(session("a1", "r1")) as endpoint:
        scheme = defactor(guest_queries=GuestQueries(path="/v1/graphql"))
        scheme.bind(provider_context(f"{endpoint.url}/base"))
        guest = await scheme.authorize(graphql("{ a }"))
        assert (guest.headers, guest.query, guest.generation, guest.use) == ((), (), None, "none")
        assert endpoint.received == []
        assert not scheme.rejected(AnswerHead(401), guest)
        assert await bearer(scheme, graphql("mutation { a }")) == "a1"
        assert endpoint.received[0].target == "/base/v1/login"
    assert "authorization" in scheme.injected_headers


# --- Sharing ------------------------------------------------------------------------------------------------------------


async def test_providers_with_the_same_login_share_one_token() -> None:
    async with login_endpoint(grant("t1")) as endpoint:
        clock = FakeClock()
        tokens = TokenCache(clock, random=SteadyRandom())
        schemes = [iofinnet(response=TokenFields()) for _ in range(3)]
        for number, scheme in enumerate(schemes):
            scheme.bind(provider_context(endpoint.url, name=f"p{number}", clock=clock, tokens=tokens))
        assert {await bearer(scheme) for scheme in schemes} == {"t1"}
        assert len({id(scheme.credential) for scheme in schemes}) == 1
        assert schemes[0].credential is not None
        assert schemes[0].credential.providers == ("p0", "p1", "p2")
    assert len(endpoint.received) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"variables": {"id": Template.parse("client"), "secret": Template((Secret("other"),))}},
        {"variables": {"id": Template.parse("client2"), "secret": Template((Secret(CANARY),))}},
        {"login": LoginRequest(path="/other", json=body(clientId="{{id}}", clientSecret="{{secret}}"))},
        {"login": LoginRequest(path="/auth/v1/accessToken", json=body(clientId="{{id}}"))},
        {"response": TokenFields(token="idToken")},
    ],
)
def test_a_login_that_differs_in_anything_has_a_token_of_its_own(other: dict[str, Any]) -> None:
    clock = FakeClock()
    tokens = TokenCache(clock)
    first, second = iofinnet(), iofinnet(**other)
    for scheme in (first, second):
        scheme.bind(provider_context(clock=clock, tokens=tokens))
    assert first.credential is not second.credential


# --- Trouble ------------------------------------------------------------------------------------------------------------


async def test_no_secret_is_seen_when_the_login_cannot_be_made(caplog: pytest.LogCaptureFixture) -> None:
    async with login_endpoint(LOST) as endpoint:
        url = endpoint.url
        scheme = TokenExchange(
            variables={"s": Template((Secret(CANARY),))},
            login=LoginRequest(path="/t", query=templates(secretKey="{{s}}"), headers=templates(K="{{s}}")),
        )
        scheme.bind(provider_context(url))
        with pytest.raises(CredentialUnavailable) as failure:
            await scheme.authorize(REQUEST)
    call = scheme.login.call(url, {"s": CANARY}) if scheme.login else None
    chain = (failure.value, failure.value.__cause__, failure.value.__context__)
    seen = caplog.text + "".join(map(repr, (*chain, call, scheme)))
    assert "provider acme: no new token" in caplog.text
    assert repr(call) == f"LoginCall(POST {url}/t)"
    assert "CANARY" not in seen


async def test_a_header_value_that_would_break_out_is_never_sent() -> None:
    async with login_endpoint(grant("t1")) as endpoint:
        scheme = TokenExchange(
            variables={"s": Template((Secret("a\r\nX-Evil: 1"),))},
            login=LoginRequest(path="/t", headers=templates(K="{{s}}")),
        )
        scheme.bind(provider_context(endpoint.url))
        with pytest.raises(CredentialRejected):
            await scheme.authorize(REQUEST)
    assert endpoint.received == []


async def test_explaining_makes_no_login() -> None:
    async with login_endpoint(grant("t1")) as endpoint:
        scheme = defactor(guest_queries=GuestQueries(path="/v1/graphql"))
        scheme.bind(provider_context(f"{endpoint.url}/base"))
        assert (await scheme.preview(REQUEST)).headers == (("Authorization", "Bearer <token>"),)
        assert (await scheme.preview(graphql("{ a }"))).headers == ()
        lines = dict(scheme.explanation(graphql("{ a }")))
        assert lines["operation"] == "a query: goes as guest"
        assert lines["login"] == f"POST {endpoint.url}/base/v1/login"
    assert endpoint.received == []


def asserting(**rest: Any) -> TokenExchange:
    return TokenExchange(
        variables={"app": Template.parse("app-1")},
        assertion=LoginAssertion(
            **{"key": Secret(LONG_CANARY), **rest}, algorithm="HS256", claims=body(iss="{{app}}", jti="{{uuid}}")
        ),
        login=LoginRequest(path="/t", headers=templates(Authorization="Bearer {{assertion}}")),
        response=TokenFields(token="access_token", lifetime="expires_at"),
    )


def claims_in(header: str | None) -> Any:
    assert header is not None
    return pyjwt.decode(
        header.removeprefix("Bearer "),
        LONG_CANARY,
        algorithms=["HS256"],
        options={"verify_exp": False, "verify_iat": False},
    )


async def test_each_login_carries_a_jwt_that_was_signed_for_it() -> None:
    """With the moment, a number of its own, and an end soon after."""
    clock = FakeClock(wall=1_700_000_000.7)
    answers = [grant(f"tok-{number}", expires_at="2023-11-14T22:14:20Z") for number in (1, 2)]
    async with login_endpoint(*answers) as endpoint:
        scheme = asserting()
        scheme.bind(provider_context(endpoint.url, clock=clock))
        assert await bearer(scheme) == "tok-1"
        clock.advance(61)
        assert await bearer(scheme) == "tok-2"
        first, second = (claims_in(call.header("Authorization")) for call in endpoint.received)
    assert first == {"iss": "app-1", "iat": 1_700_000_000, "exp": 1_700_000_060, "jti": first["jti"]}
    assert second["iat"] == 1_700_000_061
    assert first["jti"] != second["jti"]


async def test_two_keys_or_claims_are_two_credentials() -> None:
    """Though the login requests look alike."""
    clock = FakeClock()
    tokens = TokenCache(clock)
    credentials = set()
    for rest in ({}, {}, {"lifetime": 30.0}, {"key_id": "k"}, {"backdated": 5.0}, {"key": Secret(LONG_CANARY[::-1])}):
        scheme = asserting(**rest)
        scheme.bind(provider_context(clock=clock, tokens=tokens))
        credentials.add(id(scheme.credential))
    assert len(credentials) == 5


async def test_explaining_a_login_shows_the_claims_and_no_signature() -> None:
    scheme = asserting(backdated=5.0)
    scheme.bind(provider_context())
    lines = dict(scheme.explanation(REQUEST))
    shown = {"iss": "app-1", "jti": "<uuid>", "iat": "<now - 5 s>", "exp": "<now + 60 s>"}
    assert json.loads(lines["assertion"]) == shown
    assert LONG_CANARY not in str(lines)
