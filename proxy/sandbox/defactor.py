"""Defactor Engage: a sign-in with an Ethereum key, rotating sessions, Hasura's GraphQL behind them.

Source: the vendor's "Authentication" page, its own signed example, Hasura's behaviour (see `hasura`). What the pages
disagree on is a switch here.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any, ClassVar

from eth_account import Account

from proxy.sandbox.emulator import Emulator, TryIt
from proxy.sandbox.grants import AccessTokens
from proxy.sandbox.hasura import CLAIMS, Caller, HasuraError, Query, check_bare, identify, read_queries, session_input
from proxy.sandbox.playground import play
from proxy.sandbox.sessions import Sessions
from proxy.sandbox.siwe import Expected, judge
from proxy.sandbox.subscriptions import Subscriptions, chosen_protocol
from proxy.sandbox.wire import Answer, Received, Refused, json_answer

LOGIN_PATH = b"/v1/login"
GRAPHQL_PATH = b"/v1/graphql"
LOGIN, RESTORE = "v1Login", "v1RestoreSession"
FORBIDDEN_MUTATION = "v1DeleteEverything"
REST_PREFIXES = (b"/api/rest/", b"/v1/")
REST_ERRORS = {
    400: ("Could not verify JWT", "invalid-jwt"),
    404: ("resource does not exist", "not-found"),
}
UPDATE_ACCOUNT = (
    b'{"query":"mutation Name($account: UpdateAccountInput!) { v1UpdateAccount(account: $account) { res success } }",'
    b'"variables":{"account":{"data":{"networks":["ethereum"],"name":"name.eth"}}}}'
)


class Defactor(Emulator):
    """Switches: `expected` (the sign-in text), `login_paths`, `wraps_login` (in `data` at /v1/login; /v1/graphql
    always is), `res_as_string`, `restore_key` (the vendor's page has a misprint), `failure_as_success_false`.
    """

    name = "defactor"
    route = "engage"
    try_it: ClassVar[TryIt] = (
        "POST",
        "/v1/graphql",
        {"Content-Type": "application/json"},
        UPDATE_ACCOUNT,
    )

    subscriptions_path = "/v1/graphql"

    def __init__(self, **machinery: Any) -> None:
        super().__init__(**machinery)
        self.credentials["address"] = Account.from_key(self.credentials["private_key"]).address
        origin = "https://app.example.com"
        self.expected = Expected(origin, origin, 1, "Sign in with Ethereum to the app.")
        self.login_paths = {LOGIN_PATH, GRAPHQL_PATH}
        self.wraps_login = False
        self.res_as_string = False
        self.restore_key = "v1Loding"
        self.failure_as_success_false = False
        self.tokens = AccessTokens(self.clock, self.token_lifetime)
        self.sessions = Sessions(self.tokens)
        self.restores = 0
        self._nonces: set[str] = set()

    @staticmethod
    def generate_credentials() -> dict[str, str]:
        return {"private_key": "0x" + secrets.token_hex(32), "admin_secret": secrets.token_hex(16)}

    def provider_config(self) -> dict[str, Any]:
        expected, statement = self.expected, {}
        if expected.statement is not None:
            statement = {"statement": expected.statement}
        entry = {"preset": "defactor", "base_url": self.url, "private_key": {"value": self.credentials["private_key"]}}
        sign_in = {"domain": expected.domain, "uri": expected.uri, "chain_id": expected.chain_id, **statement}
        return {**entry, **sign_in}

    def revoke_tokens(self) -> None:
        self.tokens.revoke_all()

    def issue_refresh_token(self) -> str:
        """A refresh token from outside, as a user may have one instead of a key."""
        return self.sessions.begin(self._claims())[1]

    def is_login(self, received: Received) -> bool:
        if received.path == LOGIN_PATH:
            return True
        if received.path != GRAPHQL_PATH or received.method != "POST":
            return False
        try:
            queries, _ = read_queries(received)
        except HasuraError:
            return False
        return any(name in (LOGIN, RESTORE) for query in queries for _, name in query.operation.fields)

    def answer(self, received: Received) -> Answer:
        if received.values("X-Hasura-Admin-Secret"):
            self.breaches.append("X-Hasura-Admin-Secret reached the vendor")
        if received.path == GRAPHQL_PATH and (protocol := chosen_protocol(received)) is not None:
            return Subscriptions(protocol, self._identify, received).answer
        if received.path in (LOGIN_PATH, GRAPHQL_PATH):
            return self._graphql(received)
        prefix = next((each for each in REST_PREFIXES if received.path.startswith(each)), None)
        if prefix is None:
            raise Refused(404, "no such path")
        try:
            caller = self._identify(received)
        except HasuraError as error:
            raise Refused(400, error.reason, breach=error.breach) from error
        if caller.role == "guest":
            raise Refused(400, "a guest at a path that needs a token")
        return play(received, received.path.removeprefix(prefix), lambda told: told)

    def refusal(self, refused: Refused) -> Answer:
        if isinstance(refused, HasuraError):
            return json_answer({"errors": [refused.as_json()]})
        error, code = REST_ERRORS[refused.status]
        return json_answer({"path": "$", "error": error, "code": code}, refused.status)

    def _identify(self, received: Received) -> Caller:
        return identify(received, self.tokens, self.credentials["admin_secret"])

    def _graphql(self, received: Received) -> Answer:
        if received.method not in ("GET", "POST") or (received.path == LOGIN_PATH and received.method == "GET"):
            raise Refused(404, "GraphQL is a POST, or a GET with a query")
        if self.is_login(received):
            check_bare(received)
        caller = self._identify(received)
        queries, batched = read_queries(received)
        if not batched:
            return json_answer(self._run(queries[0], caller, received.path))
        return json_answer([self._run_in_batch(query, caller, received.path) for query in queries])

    def _run_in_batch(self, query: Query, caller: Caller, path: bytes) -> dict[str, Any]:
        try:
            return self._run(query, caller, path)
        except HasuraError as error:
            return {"errors": [error.as_json()]}

    def _run(self, query: Query, caller: Caller, path: bytes) -> dict[str, Any]:
        kind, results = query.operation.kind, {}
        for key, name in query.operation.fields:
            if path == LOGIN_PATH and (kind, name) != ("mutation", LOGIN):
                raise HasuraError("validation-failed", f"field '{name}' not found in type: '{kind}_root'")
            if kind == "query":
                results[key] = {"role": caller.role, "session": caller.session}
            elif name == RESTORE and key == RESTORE:
                results[self.restore_key] = self._mutate(name, query, caller, path)
            else:
                results[key] = self._mutate(name, query, caller, path)
        return results if path == LOGIN_PATH and not self.wraps_login else {"data": results}

    def _mutate(self, name: str, query: Query, caller: Caller, path: bytes) -> dict[str, Any]:
        if name == LOGIN and path in self.login_paths:
            return self._session(self._login, query)
        if name == RESTORE:
            return self._session(self._restore, query)
        if caller.role == "guest" or name in (LOGIN, FORBIDDEN_MUTATION):
            raise HasuraError("validation-failed", f"field '{name}' not found in type: 'mutation_root'")
        if name == "v1UpdateAccount":
            return {"res": {"updatedIn": query.networks()}, "success": True}
        return {"res": {"role": caller.role, "session": caller.session}, "success": True}

    def _session(self, begin: Callable[[Query], tuple[str, str]], query: Query) -> dict[str, Any]:
        try:
            access_token, refresh_token = begin(query)
        except HasuraError:
            raise
        except Refused as refused:
            if self.failure_as_success_false:
                return {"res": None, "success": False}
            raise HasuraError("unauthorized", refused.reason) from refused
        pair = {"accessToken": access_token, "refreshToken": refresh_token}
        return {"res": json.dumps(pair) if self.res_as_string else pair, "success": True}

    def _login(self, query: Query) -> tuple[str, str]:
        given = session_input(query, {"message", "signature"})
        sign_in = judge(given["message"], given["signature"], self.expected, self.clock.wall())
        if sign_in.address != self.credentials["address"]:
            raise Refused(401, "an address without an account")
        if sign_in.nonce in self._nonces:
            raise Refused(401, "a nonce used before")
        self._nonces.add(sign_in.nonce)
        self.logins += 1
        return self.sessions.begin(self._claims())

    def _restore(self, query: Query) -> tuple[str, str]:
        pair = self.sessions.restore(session_input(query, {"refreshToken"})["refreshToken"])
        self.restores += 1
        return pair

    def _claims(self) -> dict[str, object]:
        address = self.credentials["address"]
        roles = {"x-hasura-default-role": "user", "x-hasura-allowed-roles": ["user"], "x-hasura-user-id": address}
        return {"sub": address, CLAIMS: roles}
