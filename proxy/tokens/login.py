"""One request to a login endpoint, and what its answer means.

Login requests go bare: no credential, no cookie, no redirect followed, nothing retried here. The client that
sends them is handed in. Nothing of a request or of an answer ever gets into an exception or a repr: the secret
may be in the URL, in a header or in the body.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Protocol

from proxy.clock import Clock
from proxy.errors import (
    UpstreamConnectTimeout,
    UpstreamError,
    UpstreamNotFound,
    UpstreamUnreachable,
    UpstreamUntrusted,
)
from proxy.tokens.failure import LoginFailure, LoginMalformed, LoginRefused, LoginUnavailable
from proxy.tokens.grant import TokenFields, names_dead_grant, read_grant
from proxy.tokens.token import Grant, TokenPolicy

# From the first byte sent to the last one read; the client's own limits may be shorter.
LONGEST_LOGIN = 30.0

_NEVER_SENT = (UpstreamUnreachable, UpstreamNotFound, UpstreamUntrusted, UpstreamConnectTimeout)
_TRANSIENT_STATUSES = frozenset({408, 425, 429})
_JSON_TYPE = re.compile(r"(application|text)/([\w.-]+\+)?(json|javascript|x-javascript|plain|octet-stream)", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class LoginCall:
    """A login request as it goes out. `url` is absolute and already encoded."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __repr__(self) -> str:
        return f"LoginCall({self.method} {self.url.partition('?')[0]})"


@dataclass(frozen=True, slots=True)
class LoginAnswer:
    """At most 64 KiB of `body`."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str | None:
        """The first field value of this name, or None."""
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == wanted), None)


class LoginClient(Protocol):
    async def send(self, call: LoginCall) -> LoginAnswer:
        """Send as is, once. Raises a subclass of UpstreamError if no answer comes."""
        ...


async def log_in(
    client: LoginClient,
    call: LoginCall,
    fields: TokenFields,
    policy: TokenPolicy,
    clock: Clock,
    seconds: float = LONGEST_LOGIN,
) -> Grant:
    """Send one login and read its answer. Raises LoginFailure."""
    try:
        async with asyncio.timeout(seconds):
            answer = await client.send(call)
    except UpstreamError as error:
        raise LoginUnavailable(_no_answer(error.code), is_lost=not isinstance(error, _NEVER_SENT)) from None
    except TimeoutError:
        raise LoginUnavailable(_no_answer("timeout"), is_lost=True) from None
    return grant_from(answer, fields, policy, clock)


def grant_from(answer: LoginAnswer, fields: TokenFields, policy: TokenPolicy, clock: Clock) -> Grant:
    """The grant in the answer. Raises LoginFailure by whose fault its absence is."""
    if not 200 <= answer.status < 300:
        raise _failure_of(answer, clock.wall())
    media_type = (answer.header("content-type") or "application/json").partition(";")[0].strip().lower()
    try:
        if not _JSON_TYPE.fullmatch(media_type):
            raise LoginMalformed("its login endpoint's answer is not of a JSON type")
        return read_grant(answer.body, fields, policy, clock)
    except LoginFailure as failure:
        failure.status = answer.status
        raise


def retry_after_seconds(text: str | None, wall: float) -> float | None:
    """Seconds from a Retry-After field, which holds a number or a date (RFC 9110 section 10.2.3); None if neither."""
    if text is None:
        return None
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,300}", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - wall
    except (ValueError, OverflowError):
        return None


def _failure_of(answer: LoginAnswer, wall: float) -> LoginFailure:
    status = answer.status
    cause = f"{status} from its login endpoint"
    if 400 <= status < 500 and status not in _TRANSIENT_STATUSES:
        return LoginRefused(cause, status=status, is_final=names_dead_grant(answer.body))
    if 300 <= status < 400:
        return LoginMalformed(f"{cause}, and redirects are not followed", status=status)
    wish = retry_after_seconds(answer.header("retry-after"), wall) if status == 429 else None
    return LoginUnavailable(cause, status=status, retry_after=wish)


def _no_answer(code: str) -> str:
    return f"no answer from its login endpoint ({code})"
