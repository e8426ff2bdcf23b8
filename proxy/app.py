"""The running proxy: start, reload, drain, stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress

from proxy import __version__
from proxy.admin.actions import Actions
from proxy.admin.server import AdminServer
from proxy.admin.status import StatusSnapshot
from proxy.assembly import Assembly, assemble, token_store
from proxy.clock import Clock, SystemClock
from proxy.config.models import Settings
from proxy.ending import Ending
from proxy.gateway.gateway import Gateway
from proxy.gateway.guard import Guard
from proxy.gateway.trace import untold
from proxy.journal.journal import Journal
from proxy.journal.pulse import Pulse
from proxy.ledger import Ledger
from proxy.logs import Log
from proxy.metrics import Metrics
from proxy.passed_sockets import PassedSockets
from proxy.readings import Readings
from proxy.reloading import SECONDS_BETWEEN_LOOKS, Current, Read, Reloading
from proxy.secret import Secret
from proxy.serving import Serving
from proxy.snapshot import snapshot
from proxy.tending import Tending
from proxy.token_control import TokenControl
from proxy.tokens.cache import TokenCache
from proxy.tracing.fetches import TracedFetches
from proxy.tracing.tracing import Tracing
from proxy.vendor_clock import VendorClocks, log_skew

log = logging.getLogger("authproxy.app")


class App:
    """One process's proxy. `read` reads the configuration again, for a reload; without it there is none.

    `passed` are for listeners whose address is `systemd`.
    Making one opens the token store, which may block. Raises StoreRefused.
    """

    def __init__(
        self,
        settings: Settings,
        log_to: Log,
        clock: Clock | None = None,
        read: Read | None = None,
        seconds_between_looks: float = SECONDS_BETWEEN_LOOKS,
        passed: PassedSockets = PassedSockets(),  # noqa: B008 - frozen
        tracing: Tracing | None = None,
    ) -> None:
        self._passed = passed
        self.clock = clock or SystemClock()
        self.metrics = Metrics(__version__)
        observer = self.metrics if tracing is None else TracedFetches(self.metrics, tracing)
        store = token_store(settings.tokens, self.clock, self.metrics.store)
        self.tokens = TokenCache(self.clock, observer, store=store)
        self._clocks = VendorClocks(self.clock, log_skew)
        self.pulse = Pulse(Journal())
        self._ledger = Ledger(self.metrics, log_to, self.pulse.journal, tracing)
        self._assembly = self._expected(assemble(settings, self._clocks, self.tokens))
        self._reloading = Reloading(self._current, read, self._take, self.metrics, self.clock, seconds_between_looks)
        tracer = untold if tracing is None else tracing.begin
        self._gateway = Gateway(Guard(None), self._assembly.routes, self._ledger, tracer)
        reload = self._reloading.reload if self._reloading.is_possible else None
        tokens = TokenControl(lambda: self._assembly)
        actions = Actions(reload, tokens.refresh, tokens.drop)
        admin = AdminServer(self._snapshot, self.metrics, actions, self.pulse, self.clock)
        self._serving = Serving(self._gateway, admin)
        self._readings = Readings(self._clocks, self._snapshot, self._serving, log_to)
        self.metrics.show(lambda: self._readings.of(self._assembly), self._gateway.in_flight_by_route)
        self._tending = Tending(self.pulse, self.tokens, self.clock)
        self._ending = Ending()

    @property
    def address(self) -> str:
        """Where callers connect; "" before the start."""
        return self._serving.address

    @property
    def admin_address(self) -> str | None:
        return self._serving.admin_address

    @property
    def admin_token(self) -> Secret:
        """What the admin listener asks for where more is at stake than health; a configured one will do as well."""
        return self._serving.admin_token

    async def start(self) -> None:
        """Listen. Raises OSError if an address cannot be had."""
        server = self._settings.server
        await self._serving.start(server, self._passed)
        self._tending.start()
        self._reloading.watch(server.watch)

    def announce(self) -> None:
        """Say which configuration is in use and where the proxy listens."""
        settings = self._settings
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

    def heed_signals(self) -> None:
        """To be called before the start."""
        self._ending.heed()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hung_up)

    async def run_until_stopped(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain; another of them ends that at once. SIGHUP reloads."""
        await self._ending.is_wanted.wait()
        server = self._settings.server
        log.info("stopping", extra={"drain_seconds": server.drain_timeout})
        stopping = asyncio.create_task(self.stop(server.drain_timeout, server.drain_delay or 0.0))
        hurry = asyncio.create_task(self._ending.is_urgent.wait())
        await asyncio.wait((stopping, hurry), return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            log.warning("stopping at once; what is still under way is cut off")
            stopping.cancel()
        hurry.cancel()
        with suppress(asyncio.CancelledError):
            await stopping
        log.info("stopped")
        self._ending.disregard()

    async def stop(self, drain_seconds: float, delay: float = 0.0) -> None:
        """Go on for `delay`, then accept no more connections and let what is under way end; close everything.

        What has not ended within `drain_seconds` is cut off; all of it at once if this is cancelled.
        """
        try:
            await self._serving.drain(drain_seconds, delay)
        finally:
            await self._serving.close_callers()
            self._ledger.settle()
            await self._reloading.aclose()
            await self._tending.aclose()
            await self.tokens.aclose()
            self._assembly.close()
            await self._serving.close_admin()

    # --- Reloading --------------------------------------------------------------------------------------

    @property
    def _settings(self) -> Settings:
        return self._assembly.settings

    def _current(self) -> Current:
        return Current(self._settings, self._assembly.trusts)

    def _take(self, current: Current, by_person: bool) -> None:
        """Put a configuration into effect, between one request and the next."""
        old, settings = self._assembly, current.settings
        self._assembly = new = self._expected(assemble(settings, self._clocks, self.tokens, current.trusts, old))
        self._gateway.admission.routes = new.routes
        self._serving.let_in(settings.server)
        # Requests that are under way hold connections of the old pools; those close as they are given back. Providers
        # that did not change keep theirs.
        self._readings.retire(old.retire(new))
        self.tokens.retain(new.credentials)
        self._clocks.retain([(name, provider.base_url) for name, provider in settings.providers.items()])
        if by_person:
            self.tokens.forgive()
        self._reloading.watch(settings.server.watch)

    def _hung_up(self) -> None:
        if self._reloading.is_possible and not self._serving.is_ending:
            self._reloading.begin(by_person=True)

    def _expected(self, assembly: Assembly) -> Assembly:
        """The same, after its series have begun at 0."""
        for name in assembly.providers:
            self.metrics.provider(name)
        for route in assembly.routes:
            self._ledger.expect(route)
        return assembly

    def _snapshot(self) -> StatusSnapshot:
        return snapshot(self._assembly, self.tokens.store, self.clock, self._serving, self._reloading)
