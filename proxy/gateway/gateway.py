"""One request, straight down: guard, route, request, authorize, send, rejected?, relay."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic

from proxy.errors import CallerError, Overloaded, ProxyError, Stopping
from proxy.gateway.admission import Admission
from proxy.gateway.body import HELD_LIMIT, CallerBody, caller_body
from proxy.gateway.caller import CallerConnection, CallerGone
from proxy.gateway.cors import answer_headers, preflight_answer
from proxy.gateway.decision import Decision
from proxy.gateway.forward import forward
from proxy.gateway.guard import Guard
from proxy.gateway.held_body import NO_BODY, ROOM, ArrivedBody, NoBody, Room
from proxy.gateway.passage import Passage, Witness
from proxy.gateway.refusal import refusal, unrepeatable
from proxy.gateway.relay import relay, relay_whole
from proxy.gateway.route import Route, RouteTable
from proxy.gateway.trace import Tracer, untold
from proxy.gateway.tunnel import Tunnel
from proxy.gateway.websocket import Handshake, asks_for_websocket, granted

_log = logging.getLogger("authproxy.gateway")

# Told to callers who are sent away for this process's sake, in seconds.
_RETRY_AFTER = 1


class Gateway:
    """Answers requests, one after the other on each connection; those under way keep what they were admitted by."""

    def __init__(self, guard: Guard, routes: RouteTable, witness: Witness, tracer: Tracer = untold) -> None:
        self.admission = Admission(guard, routes)
        self.is_draining = False
        self._under_way: set[Passage] = set()
        self.room = Room(ROOM)
        self._quiet = asyncio.Event()
        self._witness = witness
        self._tracer = tracer

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return len(self._under_way)

    def in_flight_by_route(self) -> Mapping[tuple[str, str], int]:
        """How many of them belong to which route, by its prefix and its provider's name."""
        routes = (passage.route for passage in self._under_way)
        return Counter((route.prefix, route.provider.name) for route in routes if route is not None)

    async def handle(self, caller: CallerConnection) -> bool:
        """Answer one request; whether the connection may be kept.

        Raises nothing but CancelledError, when the caller hung up.
        """
        passage = Passage(caller.head.method, monotonic(), caller.head)
        self._under_way.add(passage)
        try:
            return await self._pass_on(caller, passage)
        except CallerGone:
            passage.hung_up()
            return False
        except asyncio.CancelledError:
            passage.hung_up()
            raise
        except ProxyError as error:
            return await self._refuse(caller, passage, error)
        except Exception as error:  # noqa: BLE001 - the one boundary: whatever it is, no text of it gets out
            _log.error("internal error", exc_info=error, extra={"request_id": passage.id})
            return await self._refuse(caller, passage, ProxyError())
        finally:
            if passage.body is not NO_BODY:
                passage.body.release()
            self._under_way.remove(passage)
            if self.is_draining and not self._under_way:
                self._quiet.set()
            self._witness.ended(passage, monotonic())

    def refuse_unread(self, error: ProxyError) -> bytes:
        """The answer to what the parser could not read as a request."""
        passage = Passage("-", monotonic())
        passage.status, passage.error = error.status, error
        self._witness.ended(passage, passage.started)
        return refusal(error, passage.id)

    async def drain(self, seconds: float) -> None:
        """Wait, so long at the most, until no request is under way.

        What still comes on connections that were accepted before is answered, and the connection closed; a WebSocket
        is not begun any more.
        """
        self.is_draining = True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._under_way:
                    # It may have been quiet before, and on connections that are kept others may begin.
                    self._quiet.clear()
                    await self._quiet.wait()

    async def _pass_on(self, caller: CallerConnection, passage: Passage) -> bool:
        if caller.is_surplus:
            raise Overloaded(retry_after=_RETRY_AFTER)
        decision = self.admission.decision(passage)
        if decision.has_trace or self._tracer is not untold:
            passage.trace = self._tracer(passage, decision)
        if decision.is_preflight:
            return await self._answer_preflight(caller, decision, passage)
        route = decision.route
        if caller.body is not None:
            passage.body = self._body(caller, route)
        handshake = self._handshake(caller) if caller.head.message.upgrade else None
        answer = await forward(decision, caller, passage, None if handshake is None else handshake.send)

        passage.answered = monotonic()
        passage.status = answer.status
        if handshake is not None and answer.status == 101:
            subscription = handshake.subscription(route, answer)
            tunnel = Tunnel(caller, answer.connection, passage, route.websocket_idle_timeout)
            await tunnel.run(granted(answer), subscription, route.timeout)
            return False
        keep_alive = self._keeps_alive(caller)
        extra = () if decision.origin is None else answer_headers(decision.origin)
        if passage.is_unrepeatable:
            extra = (*extra, unrepeatable(answer.status))
        hidden = route.provider.hidden_query
        try:
            if not extra and answer.is_here():
                passage.response_bytes = relay_whole(answer, caller, hidden, keep_alive)
                if caller.is_undrained():
                    await caller.drained()
            else:
                await relay(answer, caller, passage, hidden, keep_alive=keep_alive, extra=extra)
        except BaseException:
            answer.abort()
            raise
        return keep_alive

    def _body(self, caller: CallerConnection, route: Route) -> CallerBody | ArrivedBody | NoBody:
        limit = route.max_body
        if limit is None and route.provider.needs_body:
            limit = HELD_LIMIT
        return caller_body(caller, limit, self.room)

    def _handshake(self, caller: CallerConnection) -> Handshake | None:
        """Of a WebSocket, if that is what the caller asks for."""
        if not asks_for_websocket(caller):
            return None
        handshake = Handshake(caller.head.message)
        if self.is_draining:
            raise Stopping(retry_after=_RETRY_AFTER)
        return handshake

    async def _answer_preflight(self, caller: CallerConnection, decision: Decision, passage: Passage) -> bool:
        assert decision.origin is not None
        keep_alive = self._keeps_alive(caller)
        caller.write(preflight_answer(caller.head.fields, decision.origin, keep_alive=keep_alive))
        passage.status = 204
        await caller.drained()
        return keep_alive

    def _keeps_alive(self, caller: CallerConnection) -> bool:
        return caller.may_stay() and not self.is_draining

    async def _refuse(self, caller: CallerConnection, passage: Passage, error: ProxyError) -> bool:
        # Its traceback holds this request's frames, and with them its body, until the garbage collector comes by.
        passage.error = error.with_traceback(None)
        # After a request that was not as it should be, nobody can be sure where the next one begins.
        keep_alive = self._keeps_alive(caller) and not isinstance(error, CallerError)
        try:
            caller.write(refusal(error, passage.id, with_body=passage.method != "HEAD", keep_alive=keep_alive))
            passage.status = error.status
            if keep_alive and caller.is_undrained():
                await caller.drained()
        except CallerGone:
            # Of an answer that was cut off in the middle the status stands.
            passage.status = passage.status or error.status
            return False
        return keep_alive
