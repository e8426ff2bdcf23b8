"""The WebSocket handshake (RFC 6455 §4), with the credential in it.

It goes through the same guard, route and authorization as every request, over a connection of its own. Nothing of it
is made up here: key, subprotocols and extensions are the caller's, and what the vendor chose is relayed.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha1
from time import monotonic

from proxy.errors import BadHeader, UpstreamProtocolError
from proxy.gateway.authorization import authorized
from proxy.gateway.caller import CallerConnection
from proxy.gateway.decision import Decision
from proxy.gateway.headers import RELAYED, RawHeaders, field_lines, passing
from proxy.gateway.outbound import begun_head, request_head
from proxy.gateway.passage import Passage
from proxy.gateway.relay import head_lines
from proxy.gateway.route import Route
from proxy.gateway.subscription import PROTOCOLS, Subscription
from proxy.schemes.base import AnswerHead, Injection, OutboundRequest
from proxy.upstream.answer import Answer
from proxy.upstream.exchange import exchange
from proxy.wire.aiohttp_parts import RawRequestMessage

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
# What is written anew on each side, for a wish and its fulfilment hold for one connection only.
UPGRADE: RawHeaders = ((b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"))
_UNAUTHORIZED = AnswerHead(401)


class Handshake:
    """One caller's wish to speak WebSocket. Raises BadHeader for one that nobody could grant."""

    def __init__(self, message: RawRequestMessage) -> None:
        keys = _values(message.raw_headers, b"sec-websocket-key")
        if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
            raise BadHeader
        self._accept = b64encode(sha1(keys[0] + _GUID, usedforsecurity=False).digest())
        self._injection = Injection()

    async def send(
        self, decision: Decision, caller: CallerConnection, passage: Passage, refused: Answer | None = None
    ) -> tuple[Answer, Injection]:
        """One attempt. An answer with status 101 is one that may be granted to the caller.

        The `refused` one, if there was one before, is let go of as soon as there is a new credential.
        """
        route, request = decision.route, handshake_request(decision.route, decision.request)
        provider, scheme = route.provider, route.provider.scheme
        self._injection = injection = await authorized(route, request)
        passage.authorized = monotonic()
        passage.credential = injection.use
        if refused is not None:
            refused.abort()
        try:
            more = UPGRADE if passage.trace is None else (*passage.trace.attempt(), *UPGRADE)
            head = request_head(begun_head(route, request), injection, b"", field_lines(more))
            connection = await provider.pool.connect_apart()
            passage.sent = sent = monotonic()
            answer = await exchange(connection, provider.pool, request.method, head, b"", route.timeout)
            if passage.trace is not None:
                passage.trace.answered(answer.status)
            if provider.watched_clock is not None:
                provider.watched_clock.heard(answer.headers, monotonic() - sent)
        finally:
            if provider.counts_requests:
                scheme.returned(injection)
        if answer.status == 101 and not self._is_right(
            answer.headers, with_extensions=not provider.graphql_subscriptions
        ):
            answer.abort()
            raise UpstreamProtocolError
        return answer, injection

    def subscription(self, route: Route, answer: Answer) -> Subscription | None:
        """Who puts the credential into the caller's first message, where the protocol has it there.

        If it is refused there, that is what a 401 is elsewhere: the next one goes with a fresh token.
        """
        chosen = next(iter(_values(answer.headers, b"sec-websocket-protocol")), None)
        if not route.provider.graphql_subscriptions or chosen not in {None, *PROTOCOLS}:
            return None
        injection, scheme = self._injection, route.provider.scheme
        return Subscription(
            chosen, route.header_filter, injection.headers, lambda: scheme.rejected(_UNAUTHORIZED, injection)
        )

    def _is_right(self, headers: RawHeaders, *, with_extensions: bool) -> bool:
        """What RFC 6455 §4.1 has a client check, but for what the caller can check himself."""
        connection = b",".join(_values(headers, b"connection")).lower().split(b",")
        return (
            names_websocket(headers)
            and b"upgrade" in [token.strip() for token in connection]
            and _values(headers, b"sec-websocket-accept") == [self._accept]
            and not _values(headers, b"content-length") + _values(headers, b"transfer-encoding")
            and (with_extensions or not _values(headers, b"sec-websocket-extensions"))
        )


def asks_for_websocket(caller: CallerConnection) -> bool:
    """Whether a request that asks for another protocol asks for this one. Others are passed on without their wish."""
    message = caller.head.message
    return (
        message.method == "GET"
        and message.version == (1, 1)
        and caller.body is None
        and names_websocket(message.raw_headers)
    )


def names_websocket(headers: RawHeaders) -> bool:
    """Whether this protocol, and no other, is asked for."""
    return [value.lower() for value in _values(headers, b"upgrade")] == [b"websocket"]


def handshake_request(route: Route, request: OutboundRequest) -> OutboundRequest:
    """The request that a handshake is to be authorized as; UPGRADE goes behind its headers on the wire."""
    if not route.provider.graphql_subscriptions:
        return request
    # What is compressed cannot be read, and the first message has to be.
    return replace(request, headers=_without(request.headers, b"sec-websocket-extensions"))


def granted(answer: Answer) -> bytes:
    """The vendor's 101 for the caller."""
    return head_lines(answer.status, (*passing(answer.headers, RELAYED), *UPGRADE)) + b"\r\n"


def _values(headers: RawHeaders, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key.lower() == name]


def _without(headers: RawHeaders, name: bytes) -> RawHeaders:
    return tuple(field for field in headers if field[0].lower() != name)
