"""One request, straight down: guard, route, request, authorize, send, rejected?, relay."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from time import monotonic

from proxy.errors import (
    CallerError,
    MalformedRequest,
    MethodNotAllowed,
    NoRoute,
    ProxyError,
    UnknownExpectation,
)
from proxy.gateway.body import HELD_LIMIT, caller_body
from proxy.gateway.caller import CallerConnection, CallerGone
from proxy.gateway.cors import answer_headers, is_preflight, preflight_answer
from proxy.gateway.forward import forward
from proxy.gateway.guard import Client, Guard, check_client, check_page
from proxy.gateway.headers import check_framing, field_value
from proxy.gateway.passage import Passage, Witness
from proxy.gateway.refusal import refusal
from proxy.gateway.relay import relay
from proxy.gateway.route import RouteTable
from proxy.gateway.target import check_target

_log = logging.getLogger("authproxy.gateway")

_REFUSED_METHODS = frozenset({"TRACE", "CONNECT"})
_VERSIONS = frozenset({(1, 0), (1, 1)})


class Gateway:
    """`guard` and `routes` may be replaced at any time: a request that is under way keeps what it began with."""

    def __init__(self, guard: Guard, routes: RouteTable, witness: Witness) -> None:
        self.guard = guard
        self.routes = routes
        self.is_draining = False
        self._in_flight = 0
        self._quiet = asyncio.Event()
        self._witness = witness

    async def handle(self, caller: CallerConnection) -> bool:
        """Answer one request; whether the connection may be kept.

        Raises nothing but CancelledError, when the caller hung up.
        """
        passage = Passage(caller.message.method, monotonic())
        self._in_flight += 1
        try:
            return await self._pass_on(caller, passage)
        except CallerGone:
            passage.status = 499
            return False
        except asyncio.CancelledError:
            passage.status = 499
            raise
        except ProxyError as error:
            return self._refuse(caller, passage, error)
        except Exception as error:  # noqa: BLE001 - the one boundary: whatever it is, no text of it gets out
            _log.error("internal error", exc_info=error)
            return self._refuse(caller, passage, ProxyError())
        finally:
            self._in_flight -= 1
            if self.is_draining and not self._in_flight:
                self._quiet.set()
            self._witness.ended(passage, monotonic())

    def refuse_unread(self, error: ProxyError) -> bytes:
        """The answer to what the parser could not read as a request."""
        passage = Passage("-", monotonic())
        passage.status, passage.error = error.status, error
        self._witness.ended(passage, passage.started)
        return refusal(error)

    async def drain(self, seconds: float) -> None:
        """Wait, so long at the most, until no request is under way.

        What still comes on connections that were accepted before is answered, and the connection closed.
        """
        self.is_draining = True
        if self._in_flight:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._quiet.wait(), seconds)

    async def _pass_on(self, caller: CallerConnection, passage: Passage) -> bool:
        message, fields = caller.message, caller.fields
        target = message.path
        client = self._check_request(caller)
        passage.client = None if client is None else client.name
        route = self.routes.find(target)
        check_target(target, encoded_slashes=route is not None and route.encoded_slashes)
        check_client(client, None if route is None else route.prefix)
        if route is None:
            check_page(fields, frozenset())
            raise NoRoute
        passage.route = route
        self._witness.began(route)
        origin = check_page(fields, route.allowed_origins)
        if origin is not None and is_preflight(message.method, fields):
            keep_alive = self._keeps_alive(caller)
            caller.write(preflight_answer(fields, origin, keep_alive=keep_alive))
            passage.status = 204
            await caller.drained()
            return keep_alive
        route.check(message.method, target, message.raw_headers)
        limit = route.max_body
        if limit is None and route.provider.scheme.needs_body:
            limit = HELD_LIMIT
        passage.body = caller_body(caller, limit)

        answer = await forward(route, caller, passage)

        passage.answered = monotonic()
        passage.status = answer.status
        keep_alive = self._keeps_alive(caller)
        try:
            passage.response_bytes = await relay(answer, caller, keep_alive=keep_alive, extra=answer_headers(origin))
        except BaseException:
            answer.abort()
            raise
        return keep_alive

    def _check_request(self, caller: CallerConnection) -> Client | None:
        """Who calls, and what can be said of a request before its route is known. Raises a CallerError."""
        message, fields = caller.message, caller.fields
        client = self.guard.check_caller(message.method, fields)
        if message.version not in _VERSIONS:
            raise MalformedRequest
        if message.method in _REFUSED_METHODS:
            raise MethodNotAllowed
        check_framing(fields, message.version)
        expectation = field_value(fields, b"expect")
        if expectation is not None and expectation.lower() != b"100-continue":
            raise UnknownExpectation
        return client

    def _keeps_alive(self, caller: CallerConnection) -> bool:
        return caller.may_stay and not self.is_draining

    def _refuse(self, caller: CallerConnection, passage: Passage, error: ProxyError) -> bool:
        passage.error = error
        # After a request that was not as it should be, nobody can be sure where the next one begins.
        keep_alive = self._keeps_alive(caller) and not isinstance(error, CallerError)
        try:
            caller.write(refusal(error, with_body=passage.method != "HEAD", keep_alive=keep_alive))
        except CallerGone:
            # Of an answer that was cut off in the middle the status stands.
            passage.status = passage.status or error.status
            return False
        passage.status = error.status
        return keep_alive
