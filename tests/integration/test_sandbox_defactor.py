"""The Defactor emulator: sign-in, rotation, and Hasura's ways with tokens, guests, cookies and its own headers."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from proxy.sandbox import Defactor
from tests.clock import FakeClock
from tests.sandbox_caller import Fields, Reply, call, post_json

KEY = "0x" + "11" * 32
ADDRESS = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
ORIGIN = "https://app.example.com"
LOGIN = "mutation v1Login($session: LoginInput!) { v1Login(session: $session) { res success } }"
RESTORE = (
    "mutation v1RestoreSession($session: RestoreSessionInput!) { v1RestoreSession(session: $session) { res success } }"
)
UPDATE = "mutation { v1UpdateAccount(account: $account) { res success } }"
ACCOUNT = {"account": {"data": {"networks": ["ethereum"]}}}
NONCES = count(10_000_000)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def vendor(clock: FakeClock) -> AsyncIterator[Defactor]:
    credentials = {"private_key": KEY, "admin_secret": "CANARY-admin"}
    async with Defactor(clock=clock, token_lifetime=3600, credentials=credentials) as emulator:
        yield emulator


def at(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def signed(vendor: Defactor, key: str = KEY, nonce: str | None = None) -> dict[str, str]:
    now = vendor.clock.wall()
    message = (
        f"{ORIGIN} wants you to sign in with your Ethereum account:\n{Account.from_key(key).address}\n\n"
        f"Sign in with Ethereum to the app.\n\nURI: {ORIGIN}\nVersion: 1\nChain ID: 1\nNonce: {nonce or next(NONCES)}\n"
        f"Issued At: {at(now)}\nExpiration Time: {at(now + 300)}"
    )
    signature = Account.sign_message(encode_defunct(text=message), key).signature.hex()
    return {"message": message, "signature": "0x" + signature.removeprefix("0x")}


async def ask(
    vendor: Defactor, query: str, variables: object = None, fields: Fields | None = None, path: str = "/v1/graphql"
) -> Reply:
    return await post_json(vendor.url, path, {"query": query, "variables": variables}, list(fields or []))


async def log_in(vendor: Defactor) -> dict[str, str]:
    reply = await ask(vendor, LOGIN, {"session": signed(vendor)}, path="/v1/login")
    return dict(reply.json["v1Login"]["res"])


async def restore(vendor: Defactor, refresh_token: str, fields: Fields | None = None) -> Any:
    return (await ask(vendor, RESTORE, {"session": {"refreshToken": refresh_token}}, fields)).json


def bearer(token: str) -> Fields:
    return [("Authorization", f"Bearer {token}")]


def code(answer: Any) -> str:
    return str(answer["errors"][0]["extensions"]["code"])


async def test_login_gives_a_jwt_and_a_refresh_token(vendor: Defactor, clock: FakeClock) -> None:
    """At /v1/login unwrapped, at /v1/graphql in `data`; the JWT says when it ends."""
    reply = await ask(vendor, LOGIN, {"session": signed(vendor)}, path="/v1/login")
    assert sorted(reply.json["v1Login"]) == ["res", "success"] and reply.json["v1Login"]["success"] is True
    claims = json.loads(base64.urlsafe_b64decode(reply.json["v1Login"]["res"]["accessToken"].split(".")[1] + "=="))
    assert claims["exp"] == clock.wall() + 3600
    wrapped = (await ask(vendor, LOGIN, {"session": signed(vendor)})).json
    assert list(wrapped) == ["data"] and wrapped["data"]["v1Login"]["success"] is True
    assert (vendor.logins, len(vendor.login_requests)) == (2, 2)


async def test_login_switches(vendor: Defactor) -> None:
    """What the vendor's pages disagree on."""
    vendor.wraps_login = vendor.res_as_string = True
    reply = (await ask(vendor, LOGIN, {"session": signed(vendor)}, path="/v1/login")).json
    assert sorted(json.loads(reply["data"]["v1Login"]["res"])) == ["accessToken", "refreshToken"]
    vendor.login_paths = {b"/v1/login"}
    assert code((await ask(vendor, LOGIN, {"session": signed(vendor)})).json) == "validation-failed"
    vendor.failure_as_success_false = True
    wrong = {**signed(vendor), "signature": "0x"}
    reply = (await ask(vendor, LOGIN, {"session": wrong}, path="/v1/login")).json
    assert reply["data"]["v1Login"] == {"res": None, "success": False}


@pytest.mark.parametrize("path", ["/v1/login", "/v1/graphql"])
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([("Authorization", "Bearer stale")], "invalid-jwt"),
        ([("Authorization", "")], "invalid-jwt"),
        ([("Cookie", "a=b")], "invalid-headers"),
    ],
)
async def test_login_goes_bare(vendor: Defactor, path: str, fields: Fields, expected: str) -> None:
    """Any Authorization, a live token's too, or a Cookie spoils a login; at HTTP 200."""
    reply = await ask(vendor, LOGIN, {"session": signed(vendor)}, fields, path)
    assert (reply.status, code(reply.json), vendor.logins, len(vendor.breaches)) == (200, expected, 0, 1)


async def test_login_has_no_query(vendor: Defactor) -> None:
    assert code((await ask(vendor, LOGIN, {"session": signed(vendor)}, path="/v1/login?x=1")).json) == "bad-request"
    assert (await ask(vendor, LOGIN, {"session": signed(vendor)}, path="/v1/other")).status == 400
    assert [received.where for received in vendor.requests] == ["login", "api"]


async def test_login_refuses_wrong_signatures_and_other_keys(vendor: Defactor) -> None:
    right = signed(vendor)
    wrongs: list[dict[str, Any]] = [
        signed(vendor, key="0x" + "22" * 32),
        {**right, "signature": signed(vendor)["signature"]},
        {**right, "message": right["message"] + "\n"},
    ]
    for session in wrongs:
        assert code((await ask(vendor, LOGIN, {"session": session}, path="/v1/login")).json) == "unauthorized"
    misshapen: list[object] = [{**right, "address": ADDRESS}, {"data": right}, {**right, "message": 1}, None]
    for shape in misshapen:
        assert code((await ask(vendor, LOGIN, {"session": shape}, path="/v1/login")).json) == "validation-failed"
    assert vendor.logins == 0


async def test_a_nonce_works_once(vendor: Defactor) -> None:
    for nonce, expected in (("abcdefgh", True), ("abcdefgh", False), ("abcdefgi", True)):
        session = signed(vendor, nonce=nonce)
        assert ("v1Login" in (await ask(vendor, LOGIN, {"session": session}, path="/v1/login")).json) is expected


async def test_login_endpoint_knows_nothing_else(vendor: Defactor) -> None:
    assert code((await ask(vendor, "{ a }", path="/v1/login")).json) == "validation-failed"
    assert (
        code((await ask(vendor, RESTORE, {"session": {"refreshToken": "x"}}, path="/v1/login")).json)
        == "validation-failed"
    )
    assert (await call(vendor.url, "GET", "/v1/login?query={a}")).status == 404
    body = json.dumps({"query": LOGIN, "variables": {"session": signed(vendor)}}).encode()
    assert code((await call(vendor.url, "POST", "/v1/login", [], body)).json) == "invalid-json"


async def test_restore_rotates_under_the_misprinted_key(vendor: Defactor) -> None:
    """A new pair each time, under `v1Loding` as on the vendor's page; both access tokens live."""
    first = await log_in(vendor)
    answer = await restore(vendor, first["refreshToken"])
    second = answer["data"]["v1Loding"]["res"]
    assert second["refreshToken"] != first["refreshToken"]
    for pair in (first, second):
        assert "data" in (await ask(vendor, UPDATE, ACCOUNT, bearer(pair["accessToken"]))).json
    alias = RESTORE.replace("{ v1RestoreSession", "{ mine: v1RestoreSession")
    answer = (await ask(vendor, alias, {"session": {"refreshToken": second["refreshToken"]}})).json
    second = answer["data"]["mine"]["res"]
    vendor.restore_key = "v1RestoreSession"
    assert "v1RestoreSession" in (await restore(vendor, second["refreshToken"]))["data"]
    assert (vendor.logins, vendor.restores, len(vendor.login_requests)) == (1, 3, 4)


async def test_a_refresh_token_used_twice_kills_its_family(vendor: Defactor) -> None:
    """The second use takes the newest tokens with it; another sign-in is not touched."""
    first, other = await log_in(vendor), await log_in(vendor)
    second = (await restore(vendor, first["refreshToken"]))["data"]["v1Loding"]["res"]
    assert code(await restore(vendor, first["refreshToken"])) == "unauthorized"
    assert code(await restore(vendor, second["refreshToken"])) == "unauthorized"
    assert code((await ask(vendor, UPDATE, ACCOUNT, bearer(second["accessToken"]))).json) == "invalid-jwt"
    assert "data" in await restore(vendor, other["refreshToken"])
    assert vendor.sessions.reuses == 1


async def test_restore_goes_bare(vendor: Defactor) -> None:
    pair = await log_in(vendor)
    assert code(await restore(vendor, pair["refreshToken"], bearer(pair["accessToken"]))) == "invalid-jwt"
    assert "data" in await restore(vendor, pair["refreshToken"])


async def test_a_refresh_token_from_outside_works(vendor: Defactor) -> None:
    assert "data" in await restore(vendor, vendor.issue_refresh_token())
    vendor.sessions.revoke_all()
    assert code(await restore(vendor, vendor.issue_refresh_token().replace("-", ""))) == "unauthorized"


async def test_guests_may_query_but_only_without_authorization(vendor: Defactor, clock: FakeClock) -> None:
    """An expired, wrong or empty Authorization fails even a guest's query; at HTTP 200, without `data`."""
    pair = await log_in(vendor)
    assert (await ask(vendor, "{ assets { id } }")).json["data"]["assets"]["role"] == "guest"
    clock.advance(3600)
    for value, expected in ((f"Bearer {pair['accessToken']}", "JWTExpired"), ("Bearer x", "JWSInvalidSignature")):
        reply = await ask(vendor, "{ assets { id } }", fields=[("Authorization", value)])
        assert (reply.status, list(reply.json), code(reply.json)) == (200, ["errors"], "invalid-jwt")
        assert expected in reply.json["errors"][0]["message"]
    assert code((await ask(vendor, "{ a }", fields=[("Authorization", "")])).json) == "invalid-headers"
    assert code((await ask(vendor, "{ a }", fields=bearer("x") * 2)).json) == "invalid-headers"


async def test_mutations_need_a_token(vendor: Defactor) -> None:
    """Without one the mutation does not exist; with one it runs; what the role may not do does not exist either."""
    answer = (await ask(vendor, UPDATE, ACCOUNT)).json
    assert code(answer) == "validation-failed"
    assert answer["errors"][0]["message"] == "field 'v1UpdateAccount' not found in type: 'mutation_root'"
    fields = bearer((await log_in(vendor))["accessToken"])
    assert (await ask(vendor, UPDATE, ACCOUNT, fields)).json["data"]["v1UpdateAccount"]["res"] == {
        "updatedIn": ["ethereum"]
    }
    assert (await ask(vendor, "{ a }", fields=fields)).json["data"]["a"]["role"] == "user"
    other = (await ask(vendor, "mutation { x: other }", fields=fields)).json["data"]["x"]
    assert (other["success"], other["res"]["role"]) == (True, "user")
    assert code((await ask(vendor, "mutation { v1DeleteEverything }", fields=fields)).json) == "validation-failed"
    vendor.revoke_tokens()
    assert code((await ask(vendor, UPDATE, ACCOUNT, fields)).json) == "invalid-jwt"


async def test_roles_come_from_the_token_and_its_allowed_roles(vendor: Defactor) -> None:
    fields = bearer((await log_in(vendor))["accessToken"])
    denied = (await ask(vendor, "{ a }", fields=[*fields, ("X-Hasura-Role", "owner")])).json
    assert code(denied) == "access-denied"
    assert "data" in (await ask(vendor, "{ a }", fields=[*fields, ("X-Hasura-Role", "user")])).json


async def test_hasura_headers_of_a_caller_are_seen(vendor: Defactor) -> None:
    """A guest's x-hasura-* become session variables, as they would: a test sees that they got through."""
    answer = (await ask(vendor, "{ a }", fields=[("x_hasura_user_id", "victim")])).json
    assert answer["data"]["a"] == {"role": "guest", "session": {"x-hasura-user-id": "victim"}}


async def test_an_admin_secret_is_a_breach_right_or_wrong(vendor: Defactor) -> None:
    """It skips the JWT, so its arrival is recorded whatever it opens."""
    admin = await ask(vendor, UPDATE, ACCOUNT, [("X-Hasura-Admin-Secret", "CANARY-admin")])
    wrong = await ask(vendor, "{ a }", fields=[("X-Hasura-Admin-Secret", "wrong")])
    assert ("data" in admin.json, code(wrong.json), len(vendor.breaches)) == (True, "access-denied", 2)


async def test_a_cookie_spoils_token_and_guest_alike(vendor: Defactor) -> None:
    token = (await log_in(vendor))["accessToken"]
    for fields in ([("Cookie", "a=b")], [*bearer(token), ("Cookie", "a=b")]):
        assert code((await ask(vendor, "{ a }", fields=fields)).json) == "invalid-headers"
    assert len(vendor.breaches) == 2


async def test_batches_answer_in_order_but_a_dead_token_fails_them_whole(vendor: Defactor) -> None:
    batch = [{"query": "{ a }"}, {"query": UPDATE, "variables": ACCOUNT}, {"query": "{ b: c }"}]
    guest = (await post_json(vendor.url, "/v1/graphql", batch)).json
    assert [sorted(each) for each in guest] == [["data"], ["errors"], ["data"]]
    fields = bearer((await log_in(vendor))["accessToken"])
    assert [list(each) for each in (await post_json(vendor.url, "/v1/graphql", batch, fields)).json] == [["data"]] * 3
    vendor.revoke_tokens()
    dead = (await post_json(vendor.url, "/v1/graphql", batch, fields)).json
    assert code(dead) == "invalid-jwt" and len(dead["errors"]) == 1


async def test_operation_name_chooses(vendor: Defactor) -> None:
    """The one that is named runs: a query beside a mutation is still a guest's."""
    both = f"query Q {{ a }} {UPDATE.replace('mutation', 'mutation M')}"
    for name, key in (("Q", "data"), ("M", "errors"), (None, "errors"), ("X", "errors")):
        reply = await post_json(vendor.url, "/v1/graphql", {"query": both, "operationName": name, "variables": ACCOUNT})
        assert list(reply.json) == [key]


async def test_get_with_a_query(vendor: Defactor) -> None:
    query, variables = quote("query Q($x: Int) { a(x: $x) }"), quote('{"x":1}')
    target = f"/v1/graphql?query={query}&variables={variables}&operationName=Q"
    assert "a" in (await call(vendor.url, "GET", target)).json["data"]
    mutation = f"/v1/graphql?query={quote(UPDATE)}&variables={quote(json.dumps(ACCOUNT))}"
    assert code((await call(vendor.url, "GET", mutation)).json) == "validation-failed"
    token = (await log_in(vendor))["accessToken"]
    assert "data" in (await call(vendor.url, "GET", mutation, bearer(token))).json


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "invalid-json"),
        (b"{}", "parse-failed"),
        (b'{"query":1}', "parse-failed"),
        (b'{"query":"{a}","variables":[1]}', "parse-failed"),
        (b'{"query":"{"}', "validation-failed"),
        (b'{"query":"subscription { a }"}', "unexpected"),
    ],
)
async def test_what_is_no_operation_is_an_error_at_200(vendor: Defactor, body: bytes, expected: str) -> None:
    reply = await call(vendor.url, "POST", "/v1/graphql", [("Content-Type", "application/json")], body)
    assert (reply.status, code(reply.json)) == (200, expected)


async def test_rest_paths_need_a_token_and_answer_flat(vendor: Defactor) -> None:
    reply = await call(vendor.url, "GET", "/api/rest/x")
    assert (reply.status, reply.json["code"]) == (400, "invalid-jwt")
    assert (await call(vendor.url, "GET", "/v1/x", bearer("x"))).status == 400
    fields = bearer((await log_in(vendor))["accessToken"])
    assert (await call(vendor.url, "GET", "/v1/bytes/3", fields)).body == b"012"
    missing = await call(vendor.url, "GET", "/v2/x", fields)
    assert (missing.status, missing.json["code"]) == (404, "not-found")
    assert (await call(vendor.url, "PUT", "/v1/graphql", fields)).status == 404
