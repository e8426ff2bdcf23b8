"""The listeners, from their addresses to the last answer."""

from __future__ import annotations

import asyncio
import logging
from secrets import token_urlsafe

from proxy.admin.server import AdminServer
from proxy.config.models import ServerSettings
from proxy.gateway.gateway import Gateway
from proxy.gateway.guard import Client, Guard
from proxy.gateway.server import Listener
from proxy.listening import affordable, bound_address, bound_port
from proxy.passed_sockets import PassedSockets, opened
from proxy.secret import Secret
from proxy.wire.selfcheck import check_aiohttp

log = logging.getLogger("authproxy.app")

# aiohttp takes 0 for "wait as long as it takes".
_CUT_OFF_SECONDS = 0.1


class Serving:
    """`address` and `admin_address` are known once it has started; the latter is None for no admin listener.

    `admin_token` is good for as long as the process lives, whether or not another one is configured.
    """

    def __init__(self, gateway: Gateway, admin: AdminServer) -> None:
        check_aiohttp()
        self.address = ""
        self.admin_address: str | None = None
        self.admin_token = Secret(token_urlsafe(32), "made at start")
        self.is_ending = False
        self._gateway = gateway
        self._admin = admin
        self._listener = Listener(gateway)
        self._port: int | None = None

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return self._gateway.in_flight

    @property
    def callers(self) -> int:
        """How many connections of callers there are; `callers_limit` is how many there may be."""
        return len(self._listener.connections)

    @property
    def callers_limit(self) -> int:
        return self._listener.max_connections

    async def start(self, server: ServerSettings, passed: PassedSockets) -> None:
        """Listen. Raises OSError if an address cannot be had, or a socket was passed that nobody takes."""
        sock = opened("listen", server.listen, passed.listen, server.socket_file)
        admin_sock = None
        try:
            if server.admin is not None or passed.admin is not None:
                admin_sock = opened("admin", server.admin or "off", passed.admin, server.socket_file)
        except OSError:
            sock.close()
            raise
        self.address, self._port = bound_address(sock), bound_port(sock)
        self.let_in(server)
        await self._listener.listen(sock, server.socket_file, is_passed=passed.listen is not None)
        if admin_sock is not None:
            self.admin_address = bound_address(admin_sock)
            await self._admin.start(admin_sock, server.socket_file, is_passed=passed.admin is not None)

    def let_in(self, server: ServerSettings) -> None:
        """From now on serve callers and operators by these settings, at the addresses of before."""
        clients = [Client(name, client.token, frozenset(client.routes)) for name, client in server.clients.items()]
        self._listener.max_connections = affordable(server.max_connections)
        self._gateway.admission.guard = Guard(self._port, server.allowed_hosts, server.token, clients)
        configured = () if server.admin_token is None else (server.admin_token,)
        self._admin.allow(server.allowed_hosts, (self.admin_token, *configured))

    async def drain(self, seconds: float, delay: float) -> None:
        """Tell readiness, go on for `delay`, then accept no more and let what is under way end.

        Returns `seconds` after the delay at the latest, whether or not it has. May be cancelled at any time.
        """
        self.is_ending = True
        await asyncio.sleep(delay)
        self._gateway.is_draining = True
        await self._listener.stop_accepting()
        try:
            async with asyncio.timeout(seconds):
                await self._listener.farewell()
                await self._gateway.drain(seconds)
                await self._listener.close()
        except TimeoutError:
            log.warning("the time to drain is over; what is still under way is cut off")

    async def close_callers(self) -> None:
        """End every connection of callers at once."""
        self._gateway.is_draining = True
        await self._listener.stop_accepting()
        await self._listener.shutdown(_CUT_OFF_SECONDS)

    async def close_admin(self) -> None:
        """End the admin listener: the last one, since it tells of the end of the others."""
        await self._admin.stop()
