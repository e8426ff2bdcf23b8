"""The running proxy as its metrics show it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from proxy.admin.status import StatusSnapshot, unready_because
from proxy.assembly import Assembly
from proxy.config.models import ProviderSettings
from proxy.logs import Log
from proxy.serving import Serving
from proxy.state_metrics import PoolReading, ProviderReading, State, TokenReading
from proxy.tokens.backoff import REFUSALS_AN_HOUR
from proxy.tokens.credential import Credential
from proxy.upstream.pool import UpstreamPool
from proxy.vendor_clock import VendorClocks


class Readings:
    """What is counted in pools goes on counting when a reload replaces them: see `retire`."""

    def __init__(self, clocks: VendorClocks, status: Callable[[], StatusSnapshot], serving: Serving, log: Log) -> None:
        self._clocks = clocks
        self._status = status
        self._serving = serving
        self._log = log
        self._waits: defaultdict[str, int] = defaultdict(int)
        self._waited_seconds: defaultdict[str, float] = defaultdict(float)

    def of(self, assembly: Assembly) -> State:
        """The state at this moment, for what this configuration names."""
        status = self._status()
        return State(
            is_ready=unready_because(status, status.providers) is None,
            callers=self._serving.callers,
            callers_limit=self._serving.callers_limit,
            log_lines_dropped=self._log.dropped,
            providers=tuple(
                self._provider(assembly.settings.providers[one.name], one.state, assembly.providers[one.name].pool)
                for one in status.providers
            ),
        )

    def retire(self, pools: Mapping[str, UpstreamPool]) -> None:
        """Keep what these have counted, by their providers' names."""
        for name, pool in pools.items():
            self._waits[name] += pool.queue.waits
            self._waited_seconds[name] += pool.queue.waited_seconds

    def _provider(self, settings: ProviderSettings, state: str, pool: UpstreamPool) -> ProviderReading:
        credential = settings.scheme.credential
        return ProviderReading(
            settings.name,
            state,
            _token(credential) if credential is not None else TokenReading(refusals_left=REFUSALS_AN_HOUR),
            PoolReading(
                pool.active,
                pool.idle,
                pool.tunnels,
                pool.max_connections,
                len(pool.queue),
                pool.queue.most,
                pool.queue.waits + self._waits[settings.name],
                pool.queue.waited_seconds + self._waited_seconds[settings.name],
            ),
            self._clocks.of(settings.name, settings.base_url).skew,
        )


def _token(credential: Credential) -> TokenReading:
    # Both clocks are read anew each time; without rounding every scrape would see another moment.
    return TokenReading(
        round(credential.expires_at or 0.0, 3),
        round(credential.obtained_at or 0.0, 3),
        credential.last_error is not None,
        credential.refusals_left,
    )
