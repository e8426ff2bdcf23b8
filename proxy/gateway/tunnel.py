"""Frames of a WebSocket, both ways as they come, until one side ends.

Nothing is decoded, collected or answered here, but for what a subscription wants to see. Whoever reads slowly is
waited for, so that no more than a body's buffers fill. A side that breaks off is shown to the other as broken off. An
end of our own is a Close frame 1001 to the caller where one frame has ended and the next not begun, and a cut in the
middle of a frame.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from math import inf

from proxy.errors import UpstreamError
from proxy.gateway.caller import CallerConnection, CallerGone
from proxy.gateway.held_body import NoBody
from proxy.gateway.passage import Passage
from proxy.gateway.subscription import Subscription
from proxy.upstream.connection import UpstreamConnection
from proxy.wire.deadline import Deadline
from proxy.wire.frames import GOING_AWAY, POLICY_VIOLATION, FrameBounds, server_close
from proxy.wire.incoming import Incoming
from proxy.wire.messages import BadMessage

# Of a caller who is done with sending, the vendor may still have something to say.
_HALF_CLOSED_SECONDS = 30.0
# So soon a peer is noticed that vanished without a word, where neither side sends anything.
_KEEP_ALIVE_SECONDS = 60


class Tunnel:
    """`idle_timeout` is in seconds without a byte in either direction, None for no limit."""

    def __init__(
        self, caller: CallerConnection, connection: UpstreamConnection, passage: Passage, idle_timeout: float | None
    ) -> None:
        assert isinstance(connection.body, Incoming)
        self._caller = caller
        self._connection = connection
        self._from_vendor = connection.body
        self._passage = passage
        self._counted = passage.body = NoBody()
        self._seconds = inf if idle_timeout is None else idle_timeout
        self._bounds = FrameBounds()
        self._deadline = Deadline(caller.loop, self._out_of_time)
        self._subscription: Subscription | None = None
        self._ended_with: int | None = None

    async def run(self, granted: bytes, subscription: Subscription | None, opening_seconds: float) -> None:
        """Write the answer that begins it, then serve until it is over; a subscription begins within `opening_seconds`.

        Raises CallerGone, or the UpstreamError with which the vendor broke off, after the caller's connection was
        aborted.
        """
        caller = self._caller
        self._subscription = subscription
        for sock in (caller.socket, self._connection.socket):
            _keep_alive(sock)
        caller.write(granted)
        from_caller = caller.switch(lambda: self._last_words(GOING_AWAY))
        if subscription is None:
            self._touch()
        else:
            self._deadline.set(opening_seconds)
        sending = caller.loop.create_task(self._send(from_caller))
        try:
            await self._receive()
        except (UpstreamError, CallerGone):
            caller.abort()
            raise
        finally:
            caller.last_words = None
            self._deadline.close()
            sending.cancel()
            self._let_go(from_caller)

    async def _receive(self) -> None:
        caller = self._caller
        while piece := await self._next():
            caller.write(piece)
            self._bounds.follow(piece)
            self._passage.response_bytes += len(piece)
            if self._subscription is not None:
                self._subscription.follow(piece)
            self._touch()
            await caller.drained()
        if self._ended_with is not None:
            caller.write(self._last_words(self._ended_with))

    async def _next(self) -> bytes:
        try:
            return await self._from_vendor.read()
        except UpstreamError:
            if self._bounds.has_closed and self._bounds.is_between:
                return b""  # All has been said; some servers hang up without TLS's own farewell then.
            raise

    async def _send(self, from_caller: Incoming) -> None:
        connection = self._connection
        try:
            while piece := await from_caller.read():
                self._pass_on(piece)
                self._touch()
                await connection.drain()
            connection.write_eof()
            self._seconds = min(self._seconds, _HALF_CLOSED_SECONDS)
            self._touch()
        except BadMessage as error:
            self._end(error.code)
        except (CallerGone, UpstreamError):
            # Whoever it was, the other direction has ended with it.
            pass

    def _pass_on(self, piece: bytes) -> None:
        self._counted.bytes_read += len(piece)
        self._connection.write(piece if self._subscription is None else self._subscription.pass_on(piece))

    def _let_go(self, from_caller: Incoming) -> None:
        """Of a caller who said all that he wanted to say, and hung up, the vendor still gets the end of it."""
        connection = self._connection
        if not from_caller.is_complete:
            connection.close()
            return
        with suppress(BadMessage, UpstreamError):
            while piece := from_caller.take():
                self._pass_on(piece)
        connection.end(_HALF_CLOSED_SECONDS)

    @property
    def _is_awaited(self) -> bool:
        """Whether the caller has yet to begin his subscription, for which he has his time."""
        return self._subscription is not None and not self._subscription.has_begun

    def _touch(self) -> None:
        if self._is_awaited:
            return
        if self._seconds != inf:
            self._deadline.set(self._seconds)
        else:
            self._deadline.clear()

    def _out_of_time(self) -> None:
        self._end(POLICY_VIOLATION if self._is_awaited else GOING_AWAY)

    def _end(self, code: int) -> None:
        """What the vendor sent until now is still delivered."""
        self._ended_with = code
        self._from_vendor.end()

    def _last_words(self, code: int) -> bytes:
        return server_close(code) if self._bounds.is_between and not self._bounds.has_closed else b""


def _keep_alive(sock: socket.socket | None) -> None:
    if sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEP_ALIVE_SECONDS)
