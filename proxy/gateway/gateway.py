"""One request, straight down: guard, route, request, authorize, send, rejected?, relay."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from time import monotonic

from aiohttp.web import BaseRequest

from proxy.errors import (
    CallerError,
    MalformedRequest,
    MethodNotAllowed,
    NoRoute,
    ProxyError,
    UnknownExpectation,
)
from proxy.gateway.body import HELD_LIMIT, CallerBody, CallerGone
from proxy.gateway.cors import answer_headers, is_preflight, preflight_answer
from proxy.gateway.forward import Inbound, forward
from proxy.gateway.guard import Client, Guard, check_client, check_page
from proxy.gateway.headers import SpecialFields, check_framing, field_value, special_fields
from proxy.gateway.passage import Done, Passage, Witness
from proxy.gateway.refusal import refusal
from proxy.gateway.relay import drained, open_transport, relay
from proxy.gateway.route import Route, RouteTable
from proxy.gateway.target import check_target

_log = logging.getLogger("authproxy.gateway")

_REFUSED_METHODS = frozenset({"TRACE", "CONNECT"})


class Gateway:
    """`guard` and `routes` may be replaced at any time: a request that is under way keeps what it began with."""

    def __init__(self, guard: Guard, routes: RouteTable, witness: Witness) -> None:
        self.guard = guard
        self.routes = routes
        self.is_draining = False
        self._in_flight = 0
        self._quiet = asyncio.Event()
        self._witness = witness

    async def handle(self, caller: BaseRequest) -> Done:
        """Answer one request. Raises nothing but CancelledError, when the caller hung up."""
        passage = Passage(caller.method, monotonic())
        self._in_flight += 1
        try:
            return await self._pass_on(caller, passage)
        except CallerGone:
            passage.status = 499
            return Done(keep_alive=False)
        except asyncio.CancelledError:
            passage.status = 499
            raise
        except ProxyError as error:
            return self._refuse(caller, passage, error)
        except Exception as error:  # noqa: BLE001 - the one boundary: whatever it is, no text of it gets out
            _log.error("internal error", exc_info=error)
            return self._refuse(caller, passage, ProxyError())
        finally:
            if passage.body is not None:
                passage.request_bytes = passage.body.bytes_read
            self._in_flight -= 1
            if self.is_draining and not self._in_flight:
                self._quiet.set()
            self._witness.ended(passage, monotonic())

    async def drain(self, seconds: float) -> None:
        """Wait, so long at the most, until no request is under way.

        What still comes on connections that were accepted before is answered, and the connection closed.
        """
        self.is_draining = True
        if self._in_flight:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._quiet.wait(), seconds)

    async def _pass_on(self, caller: BaseRequest, passage: Passage) -> Done:
        headers, target = caller.raw_headers, caller.raw_path
        fields = special_fields(headers)
        client = self._check_request(caller, fields)
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
        if origin is not None and is_preflight(caller.method, fields):
            keep_alive = self._keeps_alive(caller)
            open_transport(caller).write(preflight_answer(fields, origin, keep_alive=keep_alive))
            passage.status = 204
            await drained(caller)
            return Done(keep_alive)
        route.check(caller.method, target, headers)
        passage.body = self._body(caller, fields, route)
        inbound = Inbound(caller.method, target, headers, passage.body)

        forwarded = await forward(route, inbound)

        passage.answered = monotonic()
        passage.status = forwarded.answer.status
        passage.credential = forwarded.use
        passage.repeats, passage.repeat_reason = forwarded.repeats, forwarded.reason
        keep_alive = self._keeps_alive(caller)
        try:
            passage.response_bytes = await relay(
                forwarded.answer, caller, keep_alive=keep_alive, extra=answer_headers(origin)
            )
        except BaseException:
            forwarded.answer.abort()
            raise
        return Done(keep_alive=keep_alive)

    def _check_request(self, caller: BaseRequest, fields: SpecialFields) -> Client | None:
        """Who calls, and what can be said of a request before its route is known. Raises a CallerError."""
        client = self.guard.check_caller(caller.method, fields)
        if caller.version not in ((1, 0), (1, 1)):
            raise MalformedRequest
        if caller.method in _REFUSED_METHODS:
            raise MethodNotAllowed
        check_framing(fields, (caller.version.major, caller.version.minor))
        expectation = field_value(fields, b"expect")
        if expectation is not None and expectation.lower() != b"100-continue":
            raise UnknownExpectation
        return client

    def _body(self, caller: BaseRequest, fields: SpecialFields, route: Route) -> CallerBody:
        length = field_value(fields, b"content-length")
        limit = route.max_body
        if limit is None and route.provider.scheme.needs_body:
            limit = HELD_LIMIT

        def invite() -> None:
            if caller.version >= (1, 1) and field_value(fields, b"expect") is not None:
                open_transport(caller).write(b"HTTP/1.1 100 Continue\r\n\r\n")

        return CallerBody(
            caller.content,
            declared=None if length is None else int(length),
            is_chunked=field_value(fields, b"transfer-encoding") is not None,
            limit=limit,
            on_read=invite,
        )

    def _keeps_alive(self, caller: BaseRequest) -> bool:
        """A connection with an unread body is closed: its bytes would be read as the next request."""
        return caller.keep_alive and caller.version >= (1, 1) and caller.content.is_eof() and not self.is_draining

    def _refuse(self, caller: BaseRequest, passage: Passage, error: ProxyError) -> Done:
        passage.error = error
        # After a request that was not as it should be, nobody can be sure where the next one begins.
        keep_alive = self._keeps_alive(caller) and not isinstance(error, CallerError)
        try:
            transport = open_transport(caller)
        except CallerGone:
            # Of an answer that was cut off in the middle the status stands.
            passage.status = passage.status or error.status
            return Done(keep_alive=False)
        passage.status = error.status
        transport.write(refusal(error, with_body=caller.method != "HEAD", keep_alive=keep_alive))
        return Done(keep_alive=keep_alive)
