"""authorize, send, rejected?: the part of a request's way in which the credential is at work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from time import monotonic

from proxy.errors import CredentialError
from proxy.gateway.authorization import authorized
from proxy.gateway.caller import CallerConnection
from proxy.gateway.decision import Decision
from proxy.gateway.headers import field_lines
from proxy.gateway.inspection import readable_body
from proxy.gateway.outbound import request_head
from proxy.gateway.passage import Passage
from proxy.gateway.route import Provider
from proxy.schemes.base import AnswerHead, Injection
from proxy.upstream.answer import Answer
from proxy.upstream.connection import StaleConnection
from proxy.upstream.exchange import REPEATABLE_METHODS, exchange

# One attempt or more: what went out with which injection, and what came back. The answer to the attempt before, where
# there was one, is let go of as soon as there is a new credential.
Send = Callable[[Decision, CallerConnection, Passage, Answer | None], Awaitable[tuple[Answer, Injection]]]

# In seconds; a vendor may close a connection that was idle for longer, and most requests cannot be sent twice.
_STILL_WARM = 1.0


async def forward(decision: Decision, caller: CallerConnection, passage: Passage, send: Send | None = None) -> Answer:
    """Send the request with its credential; once more if the answer says that the credential died.

    A second attempt is made from the original request, with a new authorization, at most once, and only if
    the body is at hand. `send` is for what is no ordinary exchange.

    Raises a CallerError, CredentialError or UpstreamError.
    """
    provider, body = decision.route.provider, passage.body
    if body.held is None and (provider.needs_body or body.is_small):
        await body.hold()
        passage.begun = monotonic()
    send = send or _send
    answer, injection = await send(decision, caller, passage, None)
    judged = provider.judged_statuses
    if judged is not None and answer.status not in judged and not injection.awaits_verdict:
        return answer
    try:
        is_rejected = provider.scheme.rejected(await _judged(provider, answer), injection)
        if is_rejected and body.held is not None:
            return await _replay(decision, caller, passage, answer, send)
        passage.is_unrepeatable = is_rejected
    except BaseException:
        answer.abort()
        raise
    return answer


async def _replay(decision: Decision, caller: CallerConnection, passage: Passage, first: Answer, send: Send) -> Answer:
    """The answer to the second attempt; the first one stands if there is no fresh credential."""
    passage.begun = monotonic()
    try:
        answer, injection = await send(decision, caller, passage, first)
    except CredentialError:
        # Of an attempt that met a dead connection, the first answer had been let go of already.
        if first.is_lost():
            raise
        return first
    passage.repeats = 1
    provider = decision.route.provider
    try:
        provider.scheme.rejected(await _judged(provider, answer), injection)
    except BaseException:
        answer.abort()
        raise
    return answer


def _let_go(refused: Answer, method: str, since: float) -> None:
    """Give its connection back before another is asked for: if the refused held all, they would wait for each other.

    `since`, a reading of time.monotonic, is when the answer came. Some vendors hang up on whom they refuse without a
    word, and what cannot be sent twice is not risked on such a connection.
    """
    if method in REPEATABLE_METHODS and refused.is_here() and monotonic() - since < _STILL_WARM:
        refused.finish(asyncio.get_running_loop().time())
    else:
        refused.abort()


async def _send(
    decision: Decision,
    caller: CallerConnection,
    passage: Passage,
    refused: Answer | None = None,
    *,
    on_new_connection: bool = False,
) -> tuple[Answer, Injection]:
    """One attempt, and a second where a kept connection turned out to be dead and the method is safe."""
    route, body, method = decision.route, passage.body, decision.request.method
    provider, held, at_hand = route.provider, body.held, decision.at_hand
    pool = provider.pool
    if at_hand is None:
        at_hand = decision.at_hand = provider.scheme.prepare(decision.request)
    injection = at_hand(held) or await authorized(route, replace(decision.request, body=held))
    passage.authorized = monotonic()
    passage.credential = injection.use
    if refused is not None:
        _let_go(refused, method, passage.begun)
    try:
        more = b"" if passage.trace is None else field_lines(passage.trace.attempt())
        head = request_head(decision.begun, injection, body.framing, more)
        connection = None if on_new_connection else pool.kept(caller.loop, repeatable=method in REPEATABLE_METHODS)
        if connection is None:
            connection = await (pool.connect_anew() if on_new_connection else pool.connect())
        passage.sent = sent = monotonic()
        answer = await exchange(connection, pool, method, head, body if held is None else held, route.timeout)
        if passage.trace is not None:
            passage.trace.answered(answer.status)
        clock = provider.watched_clock
        if clock is not None and (answer.status >= 400 or clock.now() >= clock.listens_from):
            clock.heard(answer.headers, monotonic() - sent)
    except StaleConnection:
        if on_new_connection or method not in REPEATABLE_METHODS or body.held is None:
            raise
    else:
        return answer, injection
    finally:
        if provider.counts_requests:
            provider.scheme.returned(injection)
    # Others that were kept with it may be as dead.
    passage.repeats = 1
    passage.begun = monotonic()
    return await _send(decision, caller, passage, on_new_connection=True)


async def _judged(provider: Provider, answer: Answer) -> AnswerHead:
    body = await readable_body(answer) if provider.scheme.inspects_answer else None
    return AnswerHead(answer.status, answer.headers, body)
