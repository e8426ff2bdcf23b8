"""authorize, send, rejected?: the part of a request's way in which the credential is at work."""

from __future__ import annotations

from time import monotonic

from proxy.errors import CredentialError
from proxy.gateway.authorization import authorized
from proxy.gateway.caller import CallerConnection
from proxy.gateway.inspection import readable_body
from proxy.gateway.outbound import outbound_request, request_head
from proxy.gateway.passage import Passage
from proxy.gateway.route import Provider, Route
from proxy.schemes.base import AnswerHead, Injection
from proxy.upstream.connection import StaleConnection
from proxy.upstream.exchange import REPEATABLE_METHODS, Answer, exchange


async def forward(route: Route, caller: CallerConnection, passage: Passage) -> Answer:
    """Send the request with its credential; once more if the answer says that the credential died.

    A second attempt is made from the original request, with a new authorization, at most once, and only if
    the body is at hand. Raises a CallerError, CredentialError or UpstreamError.
    """
    provider, body = route.provider, passage.body
    if provider.scheme.needs_body or body.is_small:
        await body.hold()
    answer, injection = await _send(route, caller, passage)
    if not provider.judges_answers:
        return answer
    try:
        is_rejected = provider.scheme.rejected(await _judged(provider, answer), injection)
        if is_rejected and body.held is not None:
            return await _replay(route, caller, passage, answer)
    except BaseException:
        answer.abort()
        raise
    return answer


async def _replay(route: Route, caller: CallerConnection, passage: Passage, first: Answer) -> Answer:
    """The answer to the second attempt; the first one stands if there is no fresh credential."""
    try:
        answer, injection = await _send(route, caller, passage)
    except CredentialError:
        return first
    first.abort()
    passage.repeats = 1
    try:
        route.provider.scheme.rejected(await _judged(route.provider, answer), injection)
    except BaseException:
        answer.abort()
        raise
    return answer


async def _send(route: Route, caller: CallerConnection, passage: Passage) -> tuple[Answer, Injection]:
    """One attempt, and a second where a kept connection turned out to be dead and the method is safe."""
    try:
        return await _attempt(route, caller, passage)
    except StaleConnection:
        if passage.method not in REPEATABLE_METHODS or passage.body.held is None:
            raise
    # Others that were kept with it may be as dead.
    passage.repeats = 1
    return await _attempt(route, caller, passage, on_new_connection=True)


async def _attempt(
    route: Route, caller: CallerConnection, passage: Passage, *, on_new_connection: bool = False
) -> tuple[Answer, Injection]:
    provider, body, message = route.provider, passage.body, caller.message
    scheme, pool, method = provider.scheme, provider.pool, message.method
    request = outbound_request(route, method, message.path, message.raw_headers, body.held)
    injection = await authorized(route, request)
    try:
        head = request_head(route, request, injection, body.framing)
        if on_new_connection:
            connection = await pool.connect_anew()
        else:
            connection = pool.kept(caller.loop, repeatable=method in REPEATABLE_METHODS) or await pool.connect()
        sent = monotonic()
        content = body.held if body.held is not None else body.framed()
        answer = await exchange(connection, pool, method, head, content, route.timeout)
        passage.credential = injection.use
        if provider.hears_answers:
            scheme.heard(answer.headers, monotonic() - sent)
    finally:
        scheme.returned(injection)
    return answer, injection


async def _judged(provider: Provider, answer: Answer) -> AnswerHead:
    body = await readable_body(answer) if provider.scheme.inspects_answer else None
    return AnswerHead(answer.status, answer.headers, body)
