"""Kept connections to one provider's origin."""

from __future__ import annotations

import asyncio
from collections import deque

from proxy.errors import UpstreamBusy
from proxy.upstream.connection import UpstreamConnection, VendorHead
from proxy.upstream.dialing import Dialer
from proxy.wire.heads import HeadMemory
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
_RETRY_AFTER = 1


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
        self.max_waiting = max_waiting
        self._waiting_seconds = waiting_seconds
        self._memory: HeadMemory[VendorHead] = HeadMemory()
        self._turn_end = TurnEnd()
        self._idle: deque[UpstreamConnection] = deque()
        self._open: set[UpstreamConnection] = set()
        self._apart: set[UpstreamConnection] = set()
        self._waiters: deque[asyncio.Future[UpstreamConnection | None]] = deque()
        self._reserved = 0
        self._is_retired = False
        self.waits = 0
        self.waited_seconds = 0.0

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
    def waiting(self) -> int:
        """How many wait for their turn; `waits` are all who ever had to, and `waited_seconds` how long in all."""
        return len(self._waiters)

    # --- Its use ----------------------------------------------------------------------------------------

    def kept(self, loop: asyncio.AbstractEventLoop, *, repeatable: bool) -> UpstreamConnection | None:
        """A kept connection that is good for such a request, if there is one."""
        idle, now = self._idle, loop.time()
        while idle and now - idle[0].idle_since > _MAX_IDLE_SECONDS:
            idle.popleft().close()
        # The one used last is the least likely to have been closed by the vendor meanwhile.
        while idle:
            if not repeatable and now - idle[-1].idle_since > _MAX_IDLE_SECONDS_UNREPEATABLE:
                return None
            connection = idle.pop()
            if connection.is_open:
                return connection
        return None

    async def connect(self) -> UpstreamConnection:
        """A connection, new unless one comes back while this waits for its turn. Raises an UpstreamError."""
        if self._waiters or len(self._open) - len(self._idle) + self._reserved >= self.max_connections:
            connection = await self._turn()
            if connection is not None:
                return connection
        return await self.connect_anew()

    async def connect_anew(self) -> UpstreamConnection:
        """A new connection, whatever their number. Raises an UpstreamError; no byte was sent then."""
        connection = UpstreamConnection(asyncio.get_running_loop(), self._memory, self._turn_end, self._forget)
        self._open.add(connection)
        try:
            await self._dialer.dial(connection)
        except BaseException:
            self._forget(connection)
            raise
        return connection

    async def connect_apart(self) -> UpstreamConnection:
        """A new connection beside the others, for one exchange that may become a tunnel. Raises an UpstreamError."""
        if len(self._apart) >= MAX_TUNNELS:
            raise UpstreamBusy(retry_after=_RETRY_AFTER)
        loop = asyncio.get_running_loop()
        connection = UpstreamConnection(loop, HeadMemory(), self._turn_end, self._apart.discard)
        connection.use_once()
        self._apart.add(connection)
        try:
            await self._dialer.dial(connection)
        except BaseException:
            self._apart.discard(connection)
            raise
        return connection

    def release(self, connection: UpstreamConnection, now: float) -> None:
        """Give a connection back after an exchange; it is closed unless it can be used again."""
        if self._is_retired or not connection.rest(now):
            connection.close()
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if len(self._idle) >= MAX_IDLE_CONNECTIONS:
            # The oldest, which may be too old for the next request; this one is good for any.
            self._idle.popleft().close()
        self._idle.append(connection)

    def retire(self) -> None:
        """Keep no connection from now on; those in use end with their exchanges."""
        self._is_retired = True
        for connection in list(self._idle):
            connection.close()

    def close(self) -> None:
        """End every connection, in use or not."""
        for connection in [*self._open, *self._apart]:
            connection.close()

    async def _turn(self) -> UpstreamConnection | None:
        """Wait for a connection that somebody gives back, or (None) for leave to make one."""
        if len(self._waiters) >= self.max_waiting:
            raise UpstreamBusy(retry_after=_RETRY_AFTER)
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[UpstreamConnection | None] = loop.create_future()
        self._waiters.append(waiter)
        self.waits += 1
        began = loop.time()
        try:
            async with asyncio.timeout(self._waiting_seconds):
                connection = await waiter
        except BaseException as error:
            self._leave_queue(waiter)
            if isinstance(error, TimeoutError):
                raise UpstreamBusy(retry_after=_RETRY_AFTER) from None
            raise
        finally:
            self.waited_seconds += loop.time() - began
        if connection is None:
            self._reserved -= 1
        return connection

    def _leave_queue(self, waiter: asyncio.Future[UpstreamConnection | None]) -> None:
        """Whoever gives up passes on what it was given at that very moment."""
        if waiter.cancelled() or not waiter.done():
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            return
        connection = waiter.result()
        if connection is not None:
            connection.close()  # `_forget` calls the next one.
        else:
            self._reserved -= 1
            self._call_next()

    def _forget(self, connection: UpstreamConnection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._call_next()

    def _call_next(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._reserved += 1
                waiter.set_result(None)
                return
