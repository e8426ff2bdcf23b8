"""Kept connections to one provider's origin."""

from __future__ import annotations

import asyncio
from collections import deque

from proxy.errors import UpstreamBusy
from proxy.upstream.connection import UpstreamConnection, VendorHead
from proxy.upstream.dialing import Dialer
from proxy.upstream.queue import RETRY_AFTER, Queue
from proxy.wire.head_memory import HeadMemory
from proxy.wire.outgoing import TurnEnd

MAX_CONNECTIONS = 256
MAX_WAITING = 1024
# Tunnels stay open as long as they like; they shall not take the turn of requests.
MAX_TUNNELS = 1024
# Shorter than the keep-alive of common servers, so that mostly we are the one to close.
_MAX_IDLE_SECONDS = 15.0
# Node's servers close after 5 s. A request that cannot be repeated is not risked on an older connection.
_MAX_IDLE_SECONDS_UNREPEATABLE = 2.0
MAX_IDLE_CONNECTIONS = 64


class UpstreamPool:
    """Connections to one origin, for one provider.

    At most `max_connections` are in use at a time. Of those who come then, `max_waiting` wait for their turn, so
    many seconds at the most; all others are turned away at once.
    """

    def __init__(
        self,
        dialer: Dialer,
        *,
        max_connections: int = MAX_CONNECTIONS,
        max_waiting: int = MAX_WAITING,
        waiting_seconds: float = 10.0,
    ) -> None:
        self._dialer = dialer
        self.max_connections = max_connections
        self._memory: HeadMemory[bytes, VendorHead] = HeadMemory(len)
        self._turn_end = TurnEnd()
        self._idle: deque[UpstreamConnection] = deque()
        self._open: set[UpstreamConnection] = set()
        self._apart: set[UpstreamConnection] = set()
        self._queue = Queue(max_waiting, waiting_seconds)
        self._is_retired = False

    # --- What is told of it -----------------------------------------------------------------------------

    @property
    def active(self) -> int:
        """Connections that are in use, or being made."""
        return len(self._open) - len(self._idle)

    @property
    def idle(self) -> int:
        return len(self._idle)

    @property
    def tunnels(self) -> int:
        return len(self._apart)

    @property
    def queue(self) -> Queue:
        """Who waits for a connection."""
        return self._queue

    # --- Its use ----------------------------------------------------------------------------------------

    def kept(self, loop: asyncio.AbstractEventLoop, *, repeatable: bool) -> UpstreamConnection | None:
        """A kept connection that is good for such a request, if there is one."""
        idle = self._idle
        if not idle:
            return None
        now = loop.time()
        while idle and now - idle[0].idle_since > _MAX_IDLE_SECONDS:
            idle.popleft().close()
        # The one used last is the least likely to have been closed by the vendor meanwhile.
        while idle and (repeatable or now - idle[-1].idle_since <= _MAX_IDLE_SECONDS_UNREPEATABLE):
            connection = idle.pop()
            if connection.is_open():
                return connection
        return None

    async def connect(self) -> UpstreamConnection:
        """A connection, new unless one comes back while this waits for its turn. Raises an UpstreamError."""
        if self._queue or self._is_full():
            connection = await self._queue.turn()
            # One that ended meanwhile would be taken for one that ended with the request on it.
            if connection is not None and connection.is_open():
                return connection
        return await self.connect_anew()

    async def connect_anew(self) -> UpstreamConnection:
        """A new connection, whatever their number. Raises an UpstreamError; no byte was sent then."""
        connection = UpstreamConnection(asyncio.get_running_loop(), self._memory, self._turn_end, self._forget)
        self._open.add(connection)
        try:
            connection.raw = await self._dialer.dial(connection)
        except BaseException:
            connection.close()
            self._forget(connection)
            raise
        return connection

    async def connect_apart(self) -> UpstreamConnection:
        """A new connection beside the others, for one exchange that may become a tunnel. Raises an UpstreamError."""
        if len(self._apart) >= MAX_TUNNELS:
            raise UpstreamBusy(retry_after=RETRY_AFTER)
        loop = asyncio.get_running_loop()
        connection = UpstreamConnection(loop, HeadMemory(len), self._turn_end, self._apart.discard)
        connection.use_once()
        self._apart.add(connection)
        try:
            connection.raw = await self._dialer.dial(connection)
        except BaseException:
            connection.close()
            self._apart.discard(connection)
            raise
        return connection

    def release(self, connection: UpstreamConnection, now: float) -> None:
        """Give a connection back after an exchange; it is closed unless it can be used again."""
        if self._is_retired or not connection.rest(now):
            connection.close()
            return
        if self._queue and self._queue.serve(connection):
            return
        idle = self._idle
        if len(idle) >= MAX_IDLE_CONNECTIONS:
            # The oldest, which may be too old for the next request; this one is good for any.
            idle.popleft().close()
        idle.append(connection)

    def retire(self) -> None:
        """Keep no connection from now on; those in use end with their exchanges."""
        self._is_retired = True
        for connection in list(self._idle):
            connection.close()

    def close(self) -> None:
        """End every connection, in use or not."""
        for connection in [*self._open, *self._apart]:
            connection.close()

    def _forget(self, connection: UpstreamConnection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        # It may have been one beyond their number: a second attempt's, or one that another was made in the place of.
        if not self._is_full():
            self._queue.call()

    def _is_full(self) -> bool:
        return self.active + self._queue.reserved >= self.max_connections
