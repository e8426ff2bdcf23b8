"""Whatever a login endpoint answers: a token that can be sent, or a failure of a known kind that repeats nothing."""

from __future__ import annotations

import re
from math import isfinite

from proxy.tokens.failure import LoginFailure, LoginMalformed, LoginRefused, LoginUnavailable
from proxy.tokens.grant import TokenFields, names_dead_grant
from proxy.tokens.lifetime import LONGEST_LIFETIME
from proxy.tokens.login import LoginAnswer, grant_from
from proxy.tokens.token import Grant, TokenPolicy
from tests.clock import FakeClock

_STATUSES = (200, 201, 204, 302, 400, 401, 403, 404, 408, 429, 500, 503)
_FIELDS = (
    TokenFields(refresh_token="refresh_token", lifetime="expires_in"),
    TokenFields(token="data.*.token", lifetime=["data.expires", "expires"], success="success"),
    TokenFields(token=["a.b.c", "*.*"], refresh_token="*", lifetime="*"),
)
_SENDABLE = re.compile(r"[!-~]{1,16384}")
_WORDS = {"none", "null", "undefined", "nan", "true", "false"}


def judge(octets: bytes) -> None:
    """Two octets choose the status and the paths, a line is a header field's value, and the rest is the body."""
    choice, (line, _, body) = octets[:2].ljust(2, b"\0"), octets[2:].partition(b"\n")
    status, fields = _STATUSES[choice[0] % len(_STATUSES)], _FIELDS[choice[1] % len(_FIELDS)]
    name = b"Retry-After" if choice[1] & 0x80 else b"Content-Type"
    answer = LoginAnswer(status, ((name, line),) if line else (), body)
    try:
        grant = grant_from(answer, fields, TokenPolicy(), FakeClock())
    except LoginFailure as failure:
        _judge_failure(failure)
    else:
        assert 200 <= status < 300
        _judge_grant(grant)
    assert names_dead_grant(body) in (True, False)


def _judge_grant(grant: Grant) -> None:
    for secret in (grant.token, grant.refresh_token):
        if secret is not None:
            text = secret.reveal()
            assert _SENDABLE.fullmatch(text) and text.lower() not in _WORDS
            assert text not in repr(grant) or len(text) < 8
    assert 0 < grant.lifetime <= LONGEST_LIFETIME


def _judge_failure(failure: LoginFailure) -> None:
    assert type(failure) in (LoginRefused, LoginUnavailable, LoginMalformed)
    # Whatever it says is one of our sentences.
    assert re.fullmatch(r"(what |\d{3} from )?its login endpoint[a-zA-Z ',`-]*", failure.cause), failure.cause
    assert failure.retry_after is None or isfinite(failure.retry_after)
