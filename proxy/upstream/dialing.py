"""How a connection to a vendor comes about: name, addresses, TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from math import inf

from aiohappyeyeballs import AddrInfoType, start_connection

from proxy.errors import (
    UpstreamConnectTimeout,
    UpstreamNotFound,
    UpstreamUnreachable,
    UpstreamUntrusted,
)
from proxy.upstream.origin import Origin

# RFC 8305 §5: so long the first address has before the next one is tried beside it.
_HEAD_START = 0.25
# Many connections are often wanted at once, and the system's resolver is asked anew soon enough to see a change.
_ADDRESSES_SECONDS = 5.0


class Dialer:
    """Connects to one origin, or to a Unix socket that stands for it. `tls` is None for plain http."""

    def __init__(
        self, origin: Origin, tls: ssl.SSLContext | None, connect_timeout: float, unix_socket: str | None = None
    ) -> None:
        self._origin = origin
        self._tls = tls if origin.is_secure else None
        self._server_name = origin.host if self._tls else None
        self._seconds = connect_timeout
        self._unix_socket = unix_socket
        self._addresses: asyncio.Task[Sequence[AddrInfoType]] | None = None
        self._stale_at = -inf

    async def dial(self, protocol: asyncio.Protocol) -> asyncio.Transport | None:
        """Connect the protocol; the transport that carries TLS, where there is TLS.

        Raises an UpstreamError; no byte of a request was sent then.
        """
        try:
            async with asyncio.timeout(self._seconds):
                return await self._connect(protocol)
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

    async def _connect(self, protocol: asyncio.Protocol) -> asyncio.Transport | None:
        loop = asyncio.get_running_loop()
        if self._tls is None:
            await self._reach(loop, protocol)
            return None
        raw = await self._reach(loop, asyncio.Protocol())
        try:
            transport = await loop.start_tls(raw, protocol, self._tls, server_hostname=self._server_name)
            if transport is None or raw.is_closing():
                raise ConnectionResetError
        except BaseException:
            raw.abort()
            raise
        protocol.connection_made(transport)
        return raw

    async def _reach(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol) -> asyncio.Transport:
        if self._unix_socket is not None:
            return (await loop.create_unix_connection(lambda: protocol, self._unix_socket))[0]
        sock = await start_connection(await self._resolved(loop), happy_eyeballs_delay=_HEAD_START, loop=loop)
        try:
            return (await loop.create_connection(lambda: protocol, sock=sock))[0]
        except BaseException:
            sock.close()
            raise

    async def _resolved(self, loop: asyncio.AbstractEventLoop) -> Sequence[AddrInfoType]:
        """The addresses in the system's order; whoever asks while another asks waits for the same answer.

        A failure is not remembered: the moment when the last answer went stale stays in the past.
        """
        if self._addresses is None or (self._addresses.done() and loop.time() >= self._stale_at):
            self._addresses = loop.create_task(self._ask(loop))
        return await asyncio.shield(self._addresses)

    async def _ask(self, loop: asyncio.AbstractEventLoop) -> Sequence[AddrInfoType]:
        addresses = await loop.getaddrinfo(self._origin.host, self._origin.port, type=socket.SOCK_STREAM)
        self._stale_at = loop.time() + _ADDRESSES_SECONDS
        return addresses
