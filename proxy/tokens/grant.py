"""From the body of a login's answer to a Grant, or to the reason why there is none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import ConfigDict

from proxy.clock import Clock
from proxy.secret import Secret
from proxy.tokens.answer_document import first_value, parse_document, require_paths
from proxy.tokens.failure import LoginMalformed, LoginRefused, LoginUnavailable
from proxy.tokens.lifetime import jwt_lifetime, stated_lifetime
from proxy.tokens.token import Grant, TokenPolicy

# For a token that says nothing, from an answer that says nothing, with a configuration that says nothing.
DEFAULT_LIFETIME = 300.0

Paths = str | list[str]

LONGEST_TOKEN = 16_384
_TOKEN = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_TOKEN}}}")
_NO_TOKENS = frozenset({"undefined", "null", "none", "nan", "true", "false"})
# RFC 6749 section 5.2; some servers send these with a 200.
DEAD_GRANT = "invalid_grant"
_REFUSALS = frozenset(
    [
        "access_denied",
        "invalid_client",
        DEAD_GRANT,
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
    ]
)
# What GraphQL servers say when the fault is not the caller's.
_SERVER_FAULTS = frozenset({"unexpected", "internal-error", "internal_server_error", "service_unavailable"})


@dataclass(kw_only=True, eq=False)
class TokenFields:
    """Where the answer holds what, as dotted paths; of several, the first that gives a value counts.

    `success` names a member that must be true for the answer to be one.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    token: Paths = "access_token"
    refresh_token: Paths | None = None
    lifetime: Paths | None = None
    success: Paths | None = None

    def __post_init__(self) -> None:
        for name in ("token", "refresh_token", "lifetime", "success"):
            require_paths(name, getattr(self, name))
        if not self.token:
            raise ValueError("token: a path is needed")


def read_grant(body: bytes, fields: TokenFields, policy: TokenPolicy, clock: Clock) -> Grant:
    """Read the body of a 2xx answer. Raises LoginRefused, LoginUnavailable or LoginMalformed."""
    try:
        document = parse_document(body)
    except ValueError:
        raise LoginMalformed("its login endpoint's answer is not JSON") from None
    success = first_value(document, fields.success)
    if success is not None and not _is_true(success):
        raise LoginRefused("its login endpoint's answer says that it failed")
    token = first_value(document, fields.token)
    if token is None:
        raise _failure_of(document)
    if not is_usable_token(token):
        raise LoginMalformed("what its login endpoint's answer has for a token cannot be one")
    refresh_token = first_value(document, fields.refresh_token)
    return Grant(
        token=Secret(token, "login"),
        lifetime=_lifetime(first_value(document, fields.lifetime), token, policy, clock),
        refresh_token=Secret(refresh_token, "login") if is_usable_token(refresh_token) else None,
    )


def is_usable_token(value: Any) -> bool:
    """Whether this could be sent as a bearer token (RFC 6750 is stricter still): `Bearer undefined` never is."""
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None and value.lower() not in _NO_TOKENS


def names_dead_grant(body: bytes) -> bool:
    """Whether the body of an error says that the grant, such as a refresh token, is spent, expired or revoked."""
    try:
        return bool(first_value(parse_document(body), "error") == DEAD_GRANT)
    except ValueError:
        return False


def _lifetime(stated: Any, token: str, policy: TokenPolicy, clock: Clock) -> float:
    wall = clock.wall()
    return stated_lifetime(stated, wall) or jwt_lifetime(token, wall) or policy.lifetime or DEFAULT_LIFETIME


def _is_true(value: Any) -> bool:
    # True is 1, too.
    return value == 1 or (isinstance(value, str) and value.lower() in {"true", "ok", "success"})


def _failure_of(document: Any) -> Exception:
    """The meaning of an answer without a token: an error in GraphQL's or in OAuth's form, or nonsense."""
    if first_value(document, "errors.0") is not None:
        code = first_value(document, ["errors.0.extensions.code"])
        if isinstance(code, str) and code.lower() in _SERVER_FAULTS:
            return LoginUnavailable("its login endpoint says that it failed", is_lost=True)
        return LoginRefused("its login endpoint's answer holds errors and no token")
    error = first_value(document, "error")
    if isinstance(error, str) and error in _REFUSALS:
        return LoginRefused("its login endpoint's answer holds an OAuth error", is_final=error == DEAD_GRANT)
    return LoginMalformed("its login endpoint's answer holds no token where `response` says")
