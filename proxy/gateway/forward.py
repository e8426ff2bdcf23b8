"""authorize, send, rejected?: the part of a request's way in which the credential is at work."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import monotonic

from proxy.errors import CredentialError, CredentialUnavailable
from proxy.gateway.body import CallerBody
from proxy.gateway.headers import RawHeaders
from proxy.gateway.inspection import readable_body
from proxy.gateway.outbound import outbound_request, request_head
from proxy.gateway.route import Route
from proxy.schemes.base import AnswerHead, CredentialUse, Injection, OutboundRequest
from proxy.upstream.connection import StaleConnection
from proxy.upstream.exchange import REPEATABLE_METHODS, Answer, WireRequest, exchange

# In seconds; a login that is under way when a caller gives up may end at any moment.
_RETRY_AFTER = 1


@dataclass(frozen=True, slots=True)
class Inbound:
    """A caller's request after the guard: `target` is checked, `headers` are raw."""

    method: str
    target: str = field(repr=False)
    headers: RawHeaders = field(repr=False)
    body: CallerBody = field(repr=False)


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The answer to relay; `repeats` counts further attempts, `reason` says why ("rejected", "stale")."""

    answer: Answer
    use: CredentialUse
    repeats: int = 0
    reason: str = ""


async def forward(route: Route, inbound: Inbound) -> Forwarded:
    """Send the request with its credential; once more if the answer says that the credential died.

    A second attempt is made from the original request, with a new authorization, at most once, and only if
    the body is at hand. Raises a CallerError, CredentialError or UpstreamError.
    """
    scheme = route.provider.scheme
    if scheme.needs_body or inbound.body.is_small:
        await inbound.body.hold()
    answer, injection, repeats = await _send(route, inbound)
    reason = "stale" if repeats else ""
    try:
        is_rejected = scheme.rejected(await _judged(route, answer), injection)
        if is_rejected and inbound.body.held is not None:
            replay = await _replay(route, inbound, answer)
            if replay is not None:
                return replay
    except BaseException:
        answer.abort()
        raise
    return Forwarded(answer, injection.use, repeats, reason)


async def _replay(route: Route, inbound: Inbound, first: Answer) -> Forwarded | None:
    """The answer to the second attempt; None if there is no fresh credential, so that the first answer stands."""
    try:
        answer, injection, _ = await _send(route, inbound)
    except CredentialError:
        return None
    first.abort()
    try:
        route.provider.scheme.rejected(await _judged(route, answer), injection)
    except BaseException:
        answer.abort()
        raise
    return Forwarded(answer, injection.use, 1, "rejected")


async def _send(route: Route, inbound: Inbound) -> tuple[Answer, Injection, int]:
    """One attempt, and a second where a kept connection turned out to be dead and the method is safe."""
    try:
        return *await _attempt(route, inbound), 0
    except StaleConnection:
        if inbound.method not in REPEATABLE_METHODS or inbound.body.held is None:
            raise
    # Others that were kept with it may be as dead.
    return *await _attempt(route, inbound, on_new_connection=True), 1


async def _attempt(route: Route, inbound: Inbound, *, on_new_connection: bool = False) -> tuple[Answer, Injection]:
    body = inbound.body
    request = outbound_request(route, inbound.method, inbound.target, inbound.headers, body.held)
    injection = await _authorized(route, request)
    try:
        head = request_head(route, request, injection, body.framing)
        content = body.held if body.held is not None else body.framed()
        wire_request = WireRequest(inbound.method, head, content)
        sent = monotonic()
        answer = await exchange(route.provider.pool, wire_request, route.timeout, on_new_connection=on_new_connection)
        route.provider.scheme.heard(answer.headers, monotonic() - sent)
    finally:
        route.provider.scheme.returned(injection)
    return answer, injection


async def _authorized(route: Route, request: OutboundRequest) -> Injection:
    """Raises CredentialUnavailable too when no credential comes within the route's time-out."""
    try:
        async with asyncio.timeout(route.timeout):
            return await route.provider.scheme.authorize(request)
    except TimeoutError:
        raise CredentialUnavailable(retry_after=_RETRY_AFTER) from None


async def _judged(route: Route, answer: Answer) -> AnswerHead:
    body = await readable_body(answer) if route.provider.scheme.inspects_answer else None
    return AnswerHead(answer.status, answer.headers, body)
