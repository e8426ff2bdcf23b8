"""Defactor Engage through the whole proxy: each test is a fact about its sign-in, its sessions or its GraphQL."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from proxy.sandbox import Defactor
from proxy.sandbox.siwe import Expected
from proxy.sandbox.wire import Received
from tests.clock import FakeClock
from tests.sandbox_caller import Fields, Reply
from tests.vendors import JSON, Proxied, ask, behind, canary, is_the_vendors, post, problem, until

PRIVATE_KEY = "0x" + "1f8e5a" * 10 + "9c7b"
CREDENTIALS = {"private_key": PRIVATE_KEY, "admin_secret": canary("hasura admin")}
GRAPHQL = "/engage/v1/graphql"
MUTATION = {"query": "mutation { v1Touch }"}
ORIGIN = "https://app.example.com"


def defactor(clock: FakeClock | None = None, token_lifetime: float = 1000.0) -> Defactor:
    return Defactor(clock=clock, token_lifetime=token_lifetime, credentials=CREDENTIALS)


async def mutate(proxy: Proxied, fields: Fields | None = None, target: str = GRAPHQL) -> Reply:
    return await post(proxy, target, MUTATION, fields)


def role(answer: Reply) -> str:
    """As whom the vendor ran the first field."""
    [result] = answer.json["data"].values()
    return str(result["res"]["role"] if "res" in result else result["role"])


def session(login: Received) -> dict[str, str]:
    given: dict[str, str] = json.loads(login.body)["variables"]["session"]
    return given


def is_restore(login: Received) -> bool:
    return "refreshToken" in session(login)


# --- Signing in -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "chain_id", "statement"),
    [
        (ORIGIN, 1, "Sign in with Ethereum to the app."),
        ("app.example.com", 137, "It's a statement: (a, b) & c; 100!"),
        ("http://localhost:3000", 1, None),
    ],
)
async def test_the_sign_in_text_is_eip_4361_byte_for_byte(domain: str, chain_id: int, statement: str | None) -> None:
    """LF and no newline at the end, the scheme in line 1 if the domain has one, the address checksummed, two empty
    lines where there is no statement; the signature is EIP-191 and recovers the address."""
    clock = FakeClock(1_700_000_000.5)
    vendor = defactor(clock)
    vendor.expected = Expected(domain, ORIGIN, chain_id, statement)
    async with behind(vendor, clock=clock) as proxy:
        answer = await mutate(proxy)
        assert (answer.status, role(answer)) == (200, "user")
    [login] = vendor.login_requests
    message, signature = session(login)["message"], session(login)["signature"]
    nonce = re.search("\nNonce: ([A-Za-z0-9]{8,})\n", message)
    assert nonce is not None
    lines = [f"{domain} wants you to sign in with your Ethereum account:", vendor.credentials["address"], ""]
    lines += [] if statement is None else [statement]
    lines += ["", f"URI: {ORIGIN}", "Version: 1", f"Chain ID: {chain_id}", f"Nonce: {nonce[1]}"]
    lines += ["Issued At: 2023-11-14T22:13:20.500Z", "Expiration Time: 2023-11-14T22:18:20.500Z"]
    assert message == "\n".join(lines)
    assert re.fullmatch("0x[0-9a-f]{130}", signature)
    signer = Account.recover_message(encode_defunct(text=message), signature=signature)
    assert signer == vendor.credentials["address"]


async def test_every_sign_in_has_a_nonce_and_times_of_its_own() -> None:
    clock = FakeClock()
    vendor = defactor(clock)
    async with behind(vendor, clock=clock) as proxy:
        for _ in range(3):
            assert (await mutate(proxy)).status == 200
            vendor.sessions.revoke_all()
            clock.advance(2000)
    messages = [session(login)["message"] for login in vendor.login_requests if not is_restore(login)]
    assert vendor.logins == len(messages) == 3
    assert len({re.search("Nonce: (.+)", message)[1] for message in messages}) == 3  # type: ignore[index]
    assert len({re.search("Issued At: (.+)", message)[1] for message in messages}) == 3  # type: ignore[index]


async def test_login_and_restore_are_bare_posts_of_graphql() -> None:
    """The restore too, although there is a token, and whatever the caller sent: any that does not hold spoils it."""
    clock = FakeClock()
    vendor = defactor(clock, token_lifetime=100)
    fields = [("Authorization", "Bearer mine"), ("Cookie", "a=b"), ("X-Hasura-Role", "admin"), ("X-Trace", "caller")]
    async with behind(vendor, clock=clock) as proxy:
        assert (await mutate(proxy, fields)).status == 200
        clock.advance(101)
        assert (await mutate(proxy, fields)).status == 200
    login, restore = vendor.login_requests
    assert (login.method, login.target, restore.method, restore.target) == (
        "POST",
        b"/v1/login",
        "POST",
        b"/v1/graphql",
    )
    assert (json.loads(login.body)["operationName"], json.loads(restore.body)["operationName"]) == (
        "v1Login",
        "v1RestoreSession",
    )
    for received in (login, restore):
        sent = {name.decode().lower() for name, _ in received.headers}
        assert sent == {"host", "accept", "user-agent", "content-type", "content-length", "connection"}


async def test_older_deployments_log_in_at_the_graphql_path() -> None:
    vendor = defactor()
    vendor.login_paths = {b"/v1/graphql"}
    async with behind(vendor, {"login_path": "/v1/graphql"}) as proxy:
        assert role(await mutate(proxy)) == "user"
    assert [login.target for login in vendor.login_requests] == [b"/v1/graphql"]


@pytest.mark.parametrize("wraps", [True, False])
@pytest.mark.parametrize("as_string", [True, False])
@pytest.mark.parametrize("key", ["v1Loding", "v1RestoreSession", "anything"])
async def test_tokens_are_found_in_every_form_of_the_answer(wraps: bool, as_string: bool, key: str) -> None:
    """Under any mutation's name, with `data` around it or not, `res` an object or a text of JSON."""
    clock = FakeClock()
    vendor = defactor(clock, token_lifetime=100)
    vendor.wraps_login, vendor.res_as_string, vendor.restore_key = wraps, as_string, key
    async with behind(vendor, clock=clock) as proxy:
        for _ in range(3):
            assert role(await mutate(proxy)) == "user"
            clock.advance(101)
    assert (vendor.logins, vendor.restores) == (1, 2)


@pytest.mark.parametrize("with_errors", [True, False])
async def test_a_refused_sign_in_at_200_is_a_failure_and_not_a_token(with_errors: bool) -> None:
    """`success: false`, or GraphQL errors: the configured key is at fault, nothing is sent, nothing is tried again."""
    clock = FakeClock()
    vendor = defactor(clock)
    vendor.failure_as_success_false = not with_errors
    other_key = "0x" + "2b9d44" * 10 + "77e1"
    async with behind(vendor, {"private_key": {"value": other_key}}, clock=clock) as proxy:
        for _ in range(3):
            answer = await mutate(proxy)
            assert (answer.status, problem(answer)["code"]) == (502, "credential_rejected")
            clock.advance(15)
        assert other_key[2:10] not in proxy.log.getvalue()
    assert len(vendor.login_requests) == 1
    assert vendor.api_requests == []


@pytest.mark.parametrize(
    "grant",
    [
        {"v1Login": {"res": {"accessToken": None}, "success": True}},
        {"data": {"v1Login": {"res": {"accessToken": "None"}, "success": True}}},
        {"data": {"v1Login": {"res": "not json", "success": True}}},
        {"data": None},
        [],
    ],
)
async def test_an_answer_without_a_token_never_becomes_bearer_none(grant: object) -> None:
    vendor = defactor()
    async with behind(vendor) as proxy:
        body = json.dumps(grant).encode()
        vendor.fail_next(status=200, where="login", body=body, headers={"Content-Type": "application/json"})
        answer = await mutate(proxy)
        assert (answer.status, problem(answer)["code"]) == (503, "credential_unavailable")
        assert int(answer.fields["retry-after"]) >= 1
    assert vendor.api_requests == []


# --- Sessions -------------------------------------------------------------------------------------------


async def test_an_expired_token_is_restored_and_refresh_tokens_rotate() -> None:
    """Each restore uses the refresh token of the answer before, and none is used twice."""
    clock = FakeClock()
    vendor = defactor(clock, token_lifetime=100)
    async with behind(vendor, clock=clock) as proxy:
        for _ in range(5):
            assert role(await mutate(proxy)) == "user"
            clock.advance(101)
    spent = [session(login)["refreshToken"] for login in vendor.login_requests if is_restore(login)]
    assert (vendor.logins, vendor.restores, vendor.sessions.reuses) == (1, 4, 0)
    assert len(set(spent)) == 4


async def test_each_refresh_token_is_spent_once_however_many_requests_meet_the_expiry() -> None:
    """Fifty at a time: some before, some after the moment at which the token is due or over."""
    clock = FakeClock()
    vendor = defactor(clock, token_lifetime=100)
    async with behind(vendor, clock=clock) as proxy:
        for step in (0, 70, 15, 14, 1.5, 100, 50, 34, 16, 101):
            clock.advance(step)
            answers = await asyncio.gather(*(mutate(proxy) for _ in range(50)))
            assert {role(answer) for answer in answers} == {"user"}
            await until(lambda: all(credential.state == "ok" for credential in proxy.app.tokens.credentials))
    spent = [session(login)["refreshToken"] for login in vendor.login_requests if is_restore(login)]
    assert (vendor.logins, vendor.sessions.reuses) == (1, 0)
    assert len(spent) == len(set(spent)) >= 4
    assert {received.status for received in vendor.api_requests} == {200}
    assert {received.verdict for received in vendor.api_requests} == {"ok"}


async def test_a_restore_whose_answer_is_lost_after_it_was_carried_out_costs_one_retry_and_one_sign_in() -> None:
    """The retry tells that the token is spent; it is not sent a third time."""
    clock = FakeClock()
    vendor = defactor(clock, token_lifetime=100)
    async with behind(vendor, clock=clock) as proxy:
        assert role(await mutate(proxy)) == "user"
        clock.advance(101)
        vendor.fail_next(after=True, status=None, where="login")
        answers = await asyncio.gather(*(mutate(proxy) for _ in range(20)))
        assert {role(answer) for answer in answers} == {"user"}
    kinds = [is_restore(login) for login in vendor.login_requests]
    assert kinds == [False, True, True, False]
    assert vendor.logins == 2


async def test_a_lost_restore_whose_retry_fails_in_any_way_is_followed_by_a_sign_in() -> None:
    """The first may have spent the token, so that it is not kept for later."""
    clock = FakeClock()
    vendor = defactor(clock, token_lifetime=100)
    async with behind(vendor, clock=clock) as proxy:
        assert role(await mutate(proxy)) == "user"
        clock.advance(101)
        vendor.fail_next(after=True, status=None, where="login")
        vendor.fail_next(status=429, where="login")
        assert role(await mutate(proxy)) == "user"
    assert [is_restore(login) for login in vendor.login_requests] == [False, True, True, False]
    assert (vendor.logins, vendor.sessions.reuses) == (2, 0)


async def test_a_restore_that_was_lost_on_its_way_succeeds_at_the_second_try() -> None:
    clock = FakeClock()
    vendor = defactor(clock, token_lifetime=100)
    async with behind(vendor, clock=clock) as proxy:
        assert role(await mutate(proxy)) == "user"
        clock.advance(101)
        vendor.fail_next(status=None, where="login")
        assert role(await mutate(proxy)) == "user"
    assert (vendor.logins, vendor.restores, vendor.sessions.reuses) == (1, 1, 0)


@pytest.mark.parametrize("with_errors", [True, False])
async def test_a_refused_restore_is_followed_by_one_sign_in(with_errors: bool) -> None:
    clock = FakeClock()
    vendor = defactor(clock, token_lifetime=100)
    vendor.failure_as_success_false = not with_errors
    async with behind(vendor, clock=clock) as proxy:
        assert role(await mutate(proxy)) == "user"
        vendor.sessions.revoke_all()
        clock.advance(101)
        assert role(await mutate(proxy)) == "user"
    assert [is_restore(login) for login in vendor.login_requests] == [False, True, False]
    assert vendor.logins == 2


async def test_a_refresh_token_may_stand_in_for_the_key() -> None:
    """It is spent at its first use; the ones that follow are kept here. Without a key there is no way back."""
    clock = FakeClock()
    vendor = defactor(clock, token_lifetime=100)
    given = vendor.issue_refresh_token()
    entry = {"private_key": None, "refresh_token": "${ENGAGE_REFRESH}"}
    async with behind(vendor, entry, clock=clock, environ={"ENGAGE_REFRESH": given}) as proxy:
        for _ in range(3):
            assert role(await mutate(proxy)) == "user"
            clock.advance(101)
        assert (vendor.logins, vendor.restores, vendor.sessions.reuses) == (0, 3, 0)
        vendor.sessions.revoke_all()
        answer = await mutate(proxy)
        assert (answer.status, problem(answer)["code"]) == (502, "credential_rejected")
    assert session(vendor.login_requests[0])["refreshToken"] == given


# --- What the answers say ------------------------------------------------------------------------------


async def test_invalid_jwt_in_a_200_answer_means_that_the_token_died() -> None:
    """One restore and one replay; the caller sees the second answer only."""
    vendor = defactor()
    async with behind(vendor) as proxy:
        assert role(await mutate(proxy)) == "user"
        vendor.revoke_tokens()
        answer = await mutate(proxy)
        assert (answer.status, role(answer)) == (200, "user")
        assert proxy.log_lines[-1]["retries"] == 1
    assert (vendor.logins, vendor.restores) == (1, 1)
    first, second = vendor.api_requests[1:]
    assert first.verdict.startswith("Could not verify JWT") and second.verdict == "ok"
    assert first.body == second.body


async def test_invalid_jwt_from_a_rest_path_means_it_too() -> None:
    """There it comes as a 400 with a flat body."""
    vendor = defactor()
    async with behind(vendor) as proxy:
        assert (await ask(proxy, "GET", "/engage/api/rest/accounts")).status == 200
        vendor.revoke_tokens()
        assert (await ask(proxy, "GET", "/engage/api/rest/accounts")).status == 200
    assert (vendor.logins, vendor.restores, len(vendor.api_requests)) == (1, 1, 3)


async def test_invalid_jwt_in_a_compressed_answer_and_in_a_batch_is_seen_too() -> None:
    body = (
        b'[{"errors":[{"extensions":{"path":"$","code":"invalid-jwt"},"message":"Could not verify JWT: JWTExpired"}]}]'
    )
    for coding, octets in (("identity", body), ("gzip", gzip.compress(body))):
        vendor = defactor()
        async with behind(vendor) as proxy:
            headers = {"Content-Type": "application/json; charset=utf-8"}
            headers |= {"Content-Encoding": coding} if coding == "gzip" else {}
            vendor.fail_next(status=200, body=octets, headers=headers)
            assert role(await mutate(proxy, [("Accept-Encoding", "gzip, br")])) == "user"
        assert len(vendor.api_requests) == 2


async def test_invalid_jwt_that_a_new_token_does_not_cure_is_passed_on_after_one_replay() -> None:
    body = b'{"errors":[{"extensions":{"path":"$","code":"invalid-jwt"},"message":"Could not verify JWT"}]}'
    clock = FakeClock()
    vendor = defactor(clock)
    async with behind(vendor, clock=clock) as proxy:
        vendor.fail_next(100, status=200, body=body, headers={"Content-Type": "application/json"})
        for _ in range(10):
            answer = await mutate(proxy)
            assert answer.body == body and is_the_vendors(answer)
    assert len(vendor.login_requests) == 2
    assert len(vendor.api_requests) == 11


@pytest.mark.parametrize("code", ["validation-failed", "access-denied"])
async def test_a_lack_of_permission_is_passed_on_and_no_reason_to_log_in(code: str) -> None:
    vendor = defactor()
    query = {"query": "mutation { v1DeleteEverything }"} if code == "validation-failed" else MUTATION
    routes = {"/engage": "vendor", "/as": {"provider": "vendor", "headers": {"x-hasura-role": "admin"}}}
    async with behind(vendor, routes=routes) as proxy:
        for _ in range(3):
            prefix = "/engage" if code == "validation-failed" else "/as"
            answer = await post(proxy, f"{prefix}/v1/graphql", query)
            assert answer.json["errors"][0]["extensions"]["code"] == code
            assert answer.status == 200 and is_the_vendors(answer)
    assert (vendor.logins, len(vendor.login_requests), len(vendor.api_requests)) == (1, 1, 3)


async def test_the_word_invalid_jwt_in_an_ordinary_answer_means_nothing() -> None:
    vendor = defactor()
    body = b'{"data":{"note":{"code":"x","message":"invalid-jwt","errors":[{"extensions":{"code":"invalid-jwt"}}]}}}'
    async with behind(vendor) as proxy:
        vendor.fail_next(status=200, body=body, headers={"Content-Type": "application/json"})
        assert (await mutate(proxy)).body == body
    assert (vendor.logins, len(vendor.api_requests)) == (1, 1)


# --- Guests ---------------------------------------------------------------------------------------------

TWO = "query Q { me } mutation M { v1Touch }"

GUEST_BODIES: dict[str, Any] = {
    "short": {"query": "{ me }"},
    "named": {"query": "query Q($a: Int = 1, $b: [String!]) @live { me(a: $a) { b } }", "operationName": "Q"},
    "comment": {"query": "# mutation { v1Touch }\n{ me } # mutation"},
    "comment to CR": {"query": "# mutation\r{ me }"},
    "string": {"query": '{ me(a: "mutation { x } \\" }") }'},
    "block string": {"query": '{ me(a: """ " mutation { x } \\""" } """) }'},
    "field": {"query": "{ mutation subscription: mutation { mutation } }"},
    "named mutation": {"query": "query mutation { me }"},
    "fragment": {"query": "fragment mutation on Query { me } query Q { ...mutation me }"},
    "argument": {"query": "query Q($mutation: Int) { me(mutation: $mutation, in: {mutation: ENUM}) }"},
    "commas and BOM": {"query": "\ufeff,,query,Q,{me}"},
    "chosen": {"query": TWO, "operationName": "Q"},
    "null name": {"query": "{ me }", "operationName": None, "variables": None},
    "batch": [{"query": "{ me }"}, {"query": "query Q { you }"}],
}

TOKEN_BODIES: dict[str, Any] = {
    "mutation": MUTATION,
    "behind a comment": {"query": "# query\n# {\nmutation { v1Touch }"},
    "behind a comment and CR": {"query": "# {me}\rmutation { v1Touch }"},
    "behind commas": {"query": ",\ufeff mutation\tM{v1Touch}"},
    "behind a string": {"query": 'query Q { me(a: "\\"}") } mutation M { v1Touch }', "operationName": "M"},
    "behind a block string": {"query": 'query Q { me(a: """\\"""}""") } mutation M { v1Touch }', "operationName": "M"},
    "chosen": {"query": TWO, "operationName": "M"},
    "not chosen": {"query": TWO},
    "chosen by nobody": {"query": TWO, "operationName": ""},
    "another name": {"query": TWO, "operationName": "q"},
    "twice": {"query": "query Q { me } mutation Q { v1Touch }", "operationName": "Q"},
    "batch with one": [{"query": "{ me }"}, MUTATION],
    "empty batch": [],
    "batch in a batch": [[{"query": "{ me }"}]],
    "subscription": {"query": "subscription { me }"},
    "unbalanced": {"query": "{ me } }"},
    "nothing": {"query": ""},
    "unknown word": {"query": "Query { me }"},
    "not text": {"query": ["{ me }"]},
    "no query": {"id": "persisted", "extensions": {"persistedQuery": {"sha256Hash": "0"}}},
    "escaped": {"query": '{ me(a: "\\u0022) } mutation M { v1Touch } # '},
}


@pytest.mark.parametrize("name", GUEST_BODIES)
async def test_queries_go_bare_as_guest_even_if_the_caller_sent_a_token(name: str) -> None:
    """The guest's role holds only where there is no Authorization at all. No login happens for them."""
    vendor = defactor()
    async with behind(vendor) as proxy:
        for fields in ([], [("Authorization", "Bearer mine"), ("authorization", "")]):
            answer = await post(proxy, GRAPHQL, GUEST_BODIES[name], fields)
            assert answer.status == 200
            assert "errors" not in str(answer.json), answer.json
    assert vendor.login_requests == []
    for received in vendor.api_requests:
        assert received.values("Authorization") == ()


@pytest.mark.parametrize("name", TOKEN_BODIES)
async def test_everything_that_is_not_plainly_a_query_has_the_token(name: str) -> None:
    vendor = defactor()
    async with behind(vendor) as proxy:
        await post(proxy, GRAPHQL, TOKEN_BODIES[name], [("Authorization", "Bearer mine")])
    assert_token_sent(vendor)


def assert_token_sent(vendor: Defactor) -> None:
    assert vendor.logins == 1
    [received] = vendor.api_requests
    [authorization] = received.values("Authorization")
    assert re.fullmatch(rb"Bearer [\w-]+\.[\w-]+\.[\w-]+", authorization)


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ([JSON], b'{"query":"{ me }","query":"mutation { v1Touch }"}'),
        ([JSON], b'{"query":"mutation { v1Touch }","que\\u0072y":"{ me }"}'),
        ([JSON], b'{"query":"{ me }"'),
        ([JSON], b'\xef\xbb\xbf{"query":"{ me }"}'),
        ([JSON], b"\xff\xfe{\0"),
        ([JSON, ("Content-Encoding", "gzip")], gzip.compress(b'{"query":"{ me }"}')),
        ([], b'{"query":"{ me }"}'),
        ([("Content-Type", "application/graphql")], b"{ me }"),
        ([("Content-Type", "application/x-www-form-urlencoded")], b"query={me}"),
        ([("Content-Type", "multipart/form-data; boundary=x")], b"--x--"),
        ([JSON], b"[" * 100_000),
    ],
    ids=str,
)
async def test_a_body_that_servers_could_read_in_two_ways_has_the_token(fields: Fields, body: bytes) -> None:
    vendor = defactor()
    async with behind(vendor) as proxy:
        await ask(proxy, "POST", GRAPHQL, fields, body)
    assert_token_sent(vendor)


@pytest.mark.parametrize(
    "query",
    [
        "?query=" + quote("{ me }", safe=""),
        "?query=query+Q+%7Bme%7D",
        "?operationName=Q&query=" + quote(TWO, safe=""),
        "?a=1&quer%79=%7Bme%7D&variables=%7B%7D",
    ],
)
async def test_a_query_in_the_url_goes_bare(query: str) -> None:
    vendor = defactor()
    async with behind(vendor) as proxy:
        answer = await ask(proxy, "GET", GRAPHQL + query, [("Authorization", "Bearer mine")])
        assert (answer.status, role(answer)) == (200, "guest")
    assert vendor.login_requests == []
    [received] = vendor.api_requests
    assert received.values("Authorization") == ()
    assert received.target == b"/v1/graphql" + query.encode()


@pytest.mark.parametrize(
    "query",
    [
        "?query=" + quote("mutation { v1Touch }", safe=""),
        "?operationName=M&query=" + quote(TWO, safe=""),
        "?query=" + quote(TWO, safe=""),
        "?query=%7Bme%7D&query=mutation%7Bv1Touch%7D",
        "?query=%7Bme%7D&Query=mutation%7Bv1Touch%7D",
        "?query=%7Bme%7D;query=mutation%7Bv1Touch%7D",
        "?query=%7Bme%7D&op%65rationName=M",
        "?query=%FF",
        "?query",
        "?",
        "",
    ],
)
async def test_anything_else_in_the_url_has_the_token(query: str) -> None:
    vendor = defactor()
    async with behind(vendor) as proxy:
        await ask(proxy, "GET", GRAPHQL + query)
    assert_token_sent(vendor)


async def test_a_post_with_a_document_in_its_url_too_has_the_token() -> None:
    """A server may prefer either."""
    vendor = defactor()
    async with behind(vendor) as proxy:
        await post(proxy, f"{GRAPHQL}?query=mutation%7Bv1Touch%7D", {"query": "{ me }"})
    assert_token_sent(vendor)


@pytest.mark.parametrize(
    "target", ["/engage/api/rest/accounts", "/engage/v1/graphql/", "/engage/v1alpha1/graphql", "/engage/v1/GraphQL"]
)
async def test_only_the_graphql_path_has_guests(target: str) -> None:
    vendor = defactor()
    async with behind(vendor) as proxy:
        await post(proxy, target, {"query": "{ me }"})
    assert_token_sent(vendor)


async def test_a_long_body_is_never_taken_for_a_query_that_it_is_not() -> None:
    """Nothing is known of a body that is still to come: it has the token, or it was read and goes bare; both are right
    for a query, and only the token is for a mutation."""
    vendor = defactor()
    long = "# " + "x" * 2_000_000 + "\n"
    async with behind(vendor) as proxy:
        assert (await post(proxy, GRAPHQL, {"query": long + "{ me }"})).status == 200
        answer = await post(proxy, GRAPHQL, {"query": long + "mutation { v1Touch }"})
        assert (answer.status, role(answer)) == (200, "user")


async def test_guest_queries_can_be_switched_off() -> None:
    vendor = defactor()
    async with behind(vendor, {"guest_queries": False}) as proxy:
        assert role(await post(proxy, GRAPHQL, {"query": "{ me }"})) == "user"
    assert_token_sent(vendor)


# --- What callers may not say ---------------------------------------------------------------------------


@pytest.mark.parametrize("query", [{"query": "{ me }"}, MUTATION], ids=["query", "mutation"])
async def test_cookies_and_hasura_headers_of_callers_are_dropped(query: dict[str, str]) -> None:
    """A Cookie makes some versions ignore Authorization; x-hasura-* choose a role or skip the JWT altogether."""
    vendor = defactor()
    fields = [
        ("Cookie", "session=1"),
        ("cookie", "x=2"),
        ("X-Hasura-Admin-Secret", "guessed"),
        ("x_hasura_admin_secret", "guessed"),
        ("x-hasura-role", "admin"),
        ("X-HASURA-User-Id", "0x0"),
        ("x-hasura_anything", "1"),
        ("X-Kept", "1"),
    ]
    async with behind(vendor) as proxy:
        answer = await post(proxy, GRAPHQL, query, fields)
        assert role(answer) == ("guest" if "{ me }" in query["query"] else "user")
    [received] = vendor.api_requests
    names = {name.decode().lower().replace("_", "-") for name, _ in received.headers}
    assert not {name for name in names if name.startswith("x-hasura-") or name == "cookie"}
    assert "x-kept" in names


async def test_a_role_that_the_route_itself_sets_is_let_through() -> None:
    vendor = defactor()
    routes = {"/engage": {"provider": "vendor", "headers": {"X-Hasura-Role": "user"}}}
    async with behind(vendor, routes=routes) as proxy:
        assert role(await mutate(proxy, [("X-Hasura-Role", "admin"), ("x_hasura_role", "admin")])) == "user"
    [received] = vendor.api_requests
    assert received.values("X-Hasura-Role") == (b"user",)
