"""What Hasura does with a request before an operation runs: who is asking, and what it is that they ask.

Source: Hasura's test suite and issues as gathered by the project (errors come at 200; guest only without an
Authorization header; a Cookie spoils both; x-hasura-* are believed where Hasura believes them).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

import jwt

from proxy.sandbox.checks import json_object, shallow
from proxy.sandbox.grants import AccessTokens
from proxy.sandbox.graphql import NotGraphql, Operation, read_operations
from proxy.sandbox.wire import Received, Refused

CLAIMS = "https://hasura.io/jwt/claims"


class HasuraError(Refused):
    """A refusal with Hasura's own code and message."""

    def __init__(self, code: str, message: str, *, breach: bool = False) -> None:
        super().__init__(200, message, breach=breach)
        self.code = code

    def as_json(self) -> dict[str, Any]:
        return {"extensions": {"path": "$", "code": self.code}, "message": self.reason}


@dataclass(frozen=True)
class Caller:
    """A role and the session variables that came with it."""

    role: str
    session: dict[str, str]


@dataclass(frozen=True)
class Query:
    """One operation to run, with its variables."""

    operation: Operation
    variables: dict[str, Any]

    def networks(self) -> list[object]:
        """What an account update names; raises HasuraError, as for any input that is not of the schema's type."""
        match self.variables:
            case {"account": {"data": {"networks": [*networks]}}}:
                return networks
        raise HasuraError("validation-failed", "expected a value of type 'UpdateAccountInput!' for 'account'")


def identify(received: Received, tokens: AccessTokens, admin_secret: str) -> Caller:
    """Who is asking; raises HasuraError. An admin secret comes before all else, a Cookie before the token."""
    variables = _session_variables(received)
    if "x-hasura-admin-secret" in variables:
        if variables.pop("x-hasura-admin-secret") != admin_secret:
            raise HasuraError("access-denied", "invalid x-hasura-admin-secret/x-hasura-access-key")
        return Caller(variables.get("x-hasura-role", "admin"), variables)
    if received.values("Cookie"):
        raise HasuraError("invalid-headers", "Could not find access_token in Cookie header", breach=True)
    authorization = received.values("Authorization")
    if not authorization:
        return Caller("guest", variables)
    if len(authorization) > 1:
        raise HasuraError("invalid-headers", "More than one Authorization header", breach=True)
    scheme, _, token = authorization[0].decode("latin-1").partition(" ")
    if scheme != "Bearer":
        raise HasuraError("invalid-headers", "Malformed Authorization header")
    return _token_holder(token, tokens, variables.get("x-hasura-role"))


def _token_holder(token: str, tokens: AccessTokens, wanted_role: str | None) -> Caller:
    state = tokens.state(token)
    if state == "expired":
        raise HasuraError("invalid-jwt", "Could not verify JWT: JWTExpired")
    if state != "live":
        raise HasuraError("invalid-jwt", "Could not verify JWT: JWSError JWSInvalidSignature")
    claims = jwt.decode(token, options={"verify_signature": False})[CLAIMS]
    role = wanted_role or claims["x-hasura-default-role"]
    if role not in claims["x-hasura-allowed-roles"]:
        raise HasuraError("access-denied", "Your requested role is not in allowed roles")
    session = {name: value for name, value in claims.items() if isinstance(value, str)}
    return Caller(role, {**session, "x-hasura-role": role})


def _session_variables(received: Received) -> dict[str, str]:
    pairs = ((key.decode("latin-1").lower().replace("_", "-"), value) for key, value in received.headers)
    return {key: value.decode("latin-1") for key, value in pairs if key.startswith("x-hasura-")}


def read_queries(received: Received) -> tuple[list[Query], bool]:
    """The operations asked for, and whether they came as a batch (an array); raises HasuraError."""
    try:
        payload = _payload(received)
    except ValueError as error:
        raise HasuraError("invalid-json", "Error in $: not enough input or not JSON") from error
    batched = isinstance(payload, list)
    return [_query(each) for each in (payload if batched else [payload])], batched


def _payload(received: Received) -> Any:
    if received.method != "GET":
        return json.loads(shallow(received.body.decode("utf-8")))
    names = ("query", "operationName", "variables")
    given = {name: received.parameters(name) for name in names}
    payload: dict[str, Any] = {
        name: unquote_plus(values[0].decode("latin-1"), errors="strict") for name, values in given.items() if values
    }
    if "variables" in payload:
        payload["variables"] = json.loads(shallow(payload["variables"]))
    return payload


def _query(payload: Any) -> Query:
    if not isinstance(payload, dict) or not isinstance(payload.get("query"), str):
        raise HasuraError("parse-failed", "the key 'query' was not present")
    variables, name = payload.get("variables") or {}, payload.get("operationName")
    if not isinstance(variables, dict):
        raise HasuraError("parse-failed", "variables are not an object")
    try:
        operations = read_operations(payload["query"])
    except NotGraphql as error:
        raise HasuraError("validation-failed", "not a valid graphql query") from error
    chosen = [each for each in operations if name is None or each.name == name]
    if len(chosen) != 1:
        raise HasuraError("validation-failed", "exactly one operation has to be named or present")
    if chosen[0].kind == "subscription":
        raise HasuraError("unexpected", "subscriptions are not supported over HTTP, use websockets instead")
    return Query(chosen[0], variables)


def check_bare(received: Received) -> None:
    """A login or restore is a guest's: Hasura refuses it with any token that does not hold, so none may come."""
    if received.values("Authorization"):
        raise HasuraError("invalid-jwt", "Could not verify JWT: JWTExpired", breach=True)
    if b"?" in received.target:
        raise HasuraError("bad-request", "a query on a login", breach=True)
    try:
        json_object(received)
    except Refused as refused:
        raise HasuraError("invalid-json", refused.reason) from refused


def session_input(query: Query, names: set[str]) -> dict[str, str]:
    """The variable `session` with exactly these members, all text; raises HasuraError."""
    given = query.variables.get("session")
    if set(query.variables) != {"session"} or not isinstance(given, dict) or set(given) != names:
        raise HasuraError("validation-failed", f"session has not exactly {', '.join(sorted(names))}")
    if not all(isinstance(value, str) for value in given.values()):
        raise HasuraError("validation-failed", "a member of session is not a String")
    return given
