"""Kept connections to one provider's origin."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque

from proxy.errors import (
    UpstreamConnectTimeout,
    UpstreamNotFound,
    UpstreamUnreachable,
    UpstreamUntrusted,
)
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.origin import Origin

# Shorter than the keep-alive of common servers, so that mostly we are the one to close.
_MAX_IDLE_SECONDS = 15.0
# Node's servers close after 5 s. A request that cannot be repeated is not risked on an older connection.
_MAX_IDLE_SECONDS_UNREPEATABLE = 2.0
_MAX_IDLE_CONNECTIONS = 64


class UpstreamPool:
    """Connections to one origin, for one provider."""

    def __init__(self, origin: Origin, tls: ssl.SSLContext | None, connect_timeout: float) -> None:
        self.origin = origin
        self._tls = tls if origin.is_secure else None
        self._connect_timeout = connect_timeout
        self._idle: deque[UpstreamConnection] = deque()
        self._open: set[UpstreamConnection] = set()
        self._is_retired = False

    async def acquire(self, *, repeatable: bool) -> UpstreamConnection:
        """A connection, kept or new. Raises an UpstreamError; no byte was sent then."""
        now = asyncio.get_running_loop().time()
        while self._idle and now - self._idle[0].idle_since > _MAX_IDLE_SECONDS:
            self._idle.popleft().close()
        # The one used last is the least likely to have been closed by the vendor meanwhile.
        while self._idle:
            if not repeatable and now - self._idle[-1].idle_since > _MAX_IDLE_SECONDS_UNREPEATABLE:
                break
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return await self._connect()

    async def connect(self) -> UpstreamConnection:
        """A new connection, never a kept one."""
        return await self._connect()

    def release(self, connection: UpstreamConnection) -> None:
        """Give a connection back after an exchange; it is closed unless it can be used again."""
        if self._is_retired or not connection.is_reusable or len(self._idle) >= _MAX_IDLE_CONNECTIONS:
            connection.close()
            return
        connection.rest(asyncio.get_running_loop().time())
        self._idle.append(connection)

    def retire(self) -> None:
        """Keep no connection from now on; those in use end with their exchanges."""
        self._is_retired = True
        for connection in list(self._idle):
            connection.close()

    def close(self) -> None:
        """End every connection, in use or not."""
        for connection in list(self._open):
            connection.close()

    async def _connect(self) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, connection = await loop.create_connection(
                    lambda: UpstreamConnection(loop, self._forget),
                    self.origin.host,
                    self.origin.port,
                    ssl=self._tls,
                    server_hostname=self.origin.host if self._tls else None,
                )
        # `from None`: what these exceptions say is the network's or the peer's text.
        except TimeoutError:
            raise UpstreamConnectTimeout from None
        except socket.gaierror:
            raise UpstreamNotFound from None
        except ssl.SSLError:
            raise UpstreamUntrusted from None
        except (ConnectionResetError, ConnectionAbortedError):
            # Refused connections are not among these: the peer gave up in the middle of the TLS handshake.
            raise (UpstreamUntrusted if self._tls else UpstreamUnreachable) from None
        except OSError:
            raise UpstreamUnreachable from None
        if connection.connected:  # Or the vendor is gone already, and `_forget` will not come again.
            self._open.add(connection)
        return connection

    def _forget(self, connection: UpstreamConnection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
