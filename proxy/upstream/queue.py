"""Those who wait for a connection to a vendor, in the order in which they came."""

from __future__ import annotations

import asyncio
from collections import deque

from proxy.errors import UpstreamBusy
from proxy.upstream.connection import UpstreamConnection

RETRY_AFTER = 1


class Queue:
    """At most `most` wait, so many seconds at the most; all others are turned away at once.

    `reserved` counts those who were given leave to make a connection and have not begun to. `waits` counts all who ever
    had to wait, `waited_seconds` how long in all.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self.most = most
        self._seconds = seconds
        self._waiters: deque[asyncio.Future[UpstreamConnection | None]] = deque()
        self.reserved = 0
        self.waits = 0
        self.waited_seconds = 0.0

    def __len__(self) -> int:
        return len(self._waiters)

    async def turn(self) -> UpstreamConnection | None:
        """Wait for a connection that somebody gives back, or (None) for leave to make one. Raises UpstreamBusy."""
        if len(self._waiters) >= self.most:
            raise UpstreamBusy(retry_after=RETRY_AFTER)
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[UpstreamConnection | None] = loop.create_future()
        self._waiters.append(waiter)
        self.waits += 1
        began = loop.time()
        try:
            async with asyncio.timeout(self._seconds):
                connection = await waiter
        except BaseException as error:
            self._leave(waiter)
            if isinstance(error, TimeoutError):
                raise UpstreamBusy(retry_after=RETRY_AFTER) from None
            raise
        finally:
            self.waited_seconds += loop.time() - began
        if connection is None:
            self.reserved -= 1
        return connection

    def serve(self, connection: UpstreamConnection) -> bool:
        """Give the first of them this connection; whether anybody waited."""
        waiter = self._next()
        if waiter is not None:
            waiter.set_result(connection)
        return waiter is not None

    def call(self) -> None:
        """Give the first of them leave to make a connection, if anybody waits."""
        waiter = self._next()
        if waiter is not None:
            self.reserved += 1
            waiter.set_result(None)

    def _next(self) -> asyncio.Future[UpstreamConnection | None] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    def _leave(self, waiter: asyncio.Future[UpstreamConnection | None]) -> None:
        """Whoever gives up passes on what it was given at that very moment."""
        if waiter.cancelled() or not waiter.done():
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            return
        connection = waiter.result()
        if connection is not None:
            connection.close()  # The pool forgets it, and calls the next one.
        else:
            self.reserved -= 1
            self.call()
