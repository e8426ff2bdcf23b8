"""The running proxy: start, reload, drain, stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import suppress

from proxy import __version__
from proxy.admin.server import AdminServer
from proxy.admin.status import StatusSnapshot
from proxy.assembly import Assembly, assemble
from proxy.clock import Clock, SystemClock
from proxy.config.models import ServerSettings, Settings
from proxy.config.problems import ConfigError
from proxy.gateway.gateway import Gateway
from proxy.gateway.guard import Client, Guard
from proxy.gateway.server import Listener, check_parser
from proxy.ledger import Ledger
from proxy.listening import bind, bound_address, bound_port
from proxy.logs import Log
from proxy.metrics import Metrics
from proxy.snapshot import snapshot
from proxy.tokens.cache import TokenCache
from proxy.vendor_clock import VendorClocks

log = logging.getLogger("authproxy.app")

_DRAIN_SECONDS = 30.0
_SWEEP_SECONDS = 30.0


class App:
    """One process's proxy. `read_settings` reads the configuration again, for a reload."""

    def __init__(
        self,
        settings: Settings,
        log_to: Log,
        clock: Clock | None = None,
        read_settings: Callable[[], Settings] | None = None,
    ) -> None:
        check_parser()
        self.clock = clock or SystemClock()
        self.metrics = Metrics(__version__)
        self.tokens = TokenCache(self.clock, self.metrics)
        self._clocks = VendorClocks(self.clock, self._skewed)
        self.address = ""
        self.admin_address: str | None = None
        self._read_settings = read_settings
        self._ledger = Ledger(self.metrics, log_to)
        self._assembly = self._assemble(settings)
        self._gateway = Gateway(Guard(None), self._assembly.routes, self._ledger)
        self._listener = Listener(self._gateway)
        self._port: int | None = None
        self._admin: AdminServer | None = None
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raises OSError if an address cannot be had."""
        server = self._assembly.settings.server
        sock = bind(server.listen, server.socket_file)
        admin_sock = None
        try:
            admin_sock = None if server.admin is None else bind(server.admin, server.socket_file)
        except OSError:
            sock.close()
            raise
        self.address, self._port = bound_address(sock), bound_port(sock)
        self._gateway.guard = self._guard(self._assembly)
        await self._listener.listen(sock, server.socket_file)
        if admin_sock is not None:
            self.admin_address = bound_address(admin_sock)
            self._admin = AdminServer(self._snapshot, self.metrics, server.allowed_hosts)
            await self._admin.start(admin_sock, server.socket_file)
        self._sweeper = asyncio.create_task(self._sweep())

    def announce(self) -> None:
        """Say which configuration is in use and where the proxy listens."""
        settings = self._assembly.settings
        for warning in settings.warnings:
            log.warning("%s", str(warning))
        log.info(
            "listening on %s",
            self.address,
            extra={
                "config": str(settings.source),
                "admin": self.admin_address or "off",
                "routes": len(settings.routes),
                "providers": len(settings.providers),
                "version": __version__,
            },
        )

    async def run_until_stopped(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain. SIGHUP reloads."""
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        await stopped.wait()
        log.info("stopping", extra={"drain_seconds": _DRAIN_SECONDS})
        await self.stop(_DRAIN_SECONDS)
        log.info("stopped")

    def reload(self) -> None:
        """Take the configuration as it is now; a wrong one changes nothing. Listeners stay as they are."""
        if self._read_settings is None:
            return
        try:
            settings = self._read_settings()
            assembly = self._assemble(settings)
        except (ConfigError, OSError) as error:
            problems = error.problems if isinstance(error, ConfigError) else (type(error).__name__,)
            for problem in problems:
                log.error("configuration not reloaded: %s", str(problem))
            self.metrics.reloaded(False)
            return
        old, self._assembly = self._assembly, assembly
        self._tell_what_waits(old.settings.server, settings.server)
        self._gateway.routes = assembly.routes
        self._gateway.guard = self._guard(assembly)
        if self._admin is not None:
            self._admin.allow(settings.server.allowed_hosts)
        # Requests that are under way hold connections of the old pools; those close as they are given back.
        old.retire()
        self.metrics.reloaded(True)
        log.info("configuration reloaded", extra={"routes": len(settings.routes), "providers": len(settings.providers)})

    async def stop(self, drain_seconds: float) -> None:
        """Accept no more connections, let what is under way end within so many seconds, close everything."""
        self._gateway.is_draining = True
        self._listener.stop_accepting()
        await self._listener.farewell()
        await self._gateway.drain(drain_seconds)
        await self._listener.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeper
        await self.tokens.aclose()
        self._assembly.close()
        if self._admin is not None:
            await self._admin.stop()

    def _assemble(self, settings: Settings) -> Assembly:
        assembly = assemble(settings, self._clocks, self.tokens)
        for name in assembly.providers:
            self.metrics.provider(name)
        for route in assembly.routes:
            self._ledger.expect(route)
        return assembly

    def _tell_what_waits(self, old: ServerSettings, new: ServerSettings) -> None:
        for key in ("listen", "admin", "socket"):
            if getattr(old, key) != getattr(new, key):
                log.warning("server.%s has changed, which takes a restart", key)

    def _skewed(self, provider: str, seconds: float) -> None:
        self.metrics.skewed(provider, seconds)
        log.warning(
            "provider %s: what is signed or dated for it goes by its clock, %+.1f s from ours", provider, seconds
        )

    def _snapshot(self) -> StatusSnapshot:
        return snapshot(self._assembly, self.clock, is_draining=self._gateway.is_draining)

    def _guard(self, assembly: Assembly) -> Guard:
        server = assembly.settings.server
        clients = [Client(name, client.token, frozenset(client.routes)) for name, client in server.clients.items()]
        return Guard(self._port, server.allowed_hosts, server.token, clients)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.tokens.sweep()
