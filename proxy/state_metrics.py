"""What is the case at the moment, as series: looked at when somebody asks, so that none of it can be out of date.

A provider that the configuration no longer names has no series here; an alert on them would fire for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

CREDENTIAL_STATES = ("static", "idle", "ok", "waiting", "refused")


@dataclass(frozen=True, slots=True)
class TokenReading:
    """`expires_at` and `obtained_at` are seconds since the epoch, 0 for no live token and for never.

    `refusals_left` are the logins that may still be refused within this hour.
    """

    expires_at: float = 0.0
    obtained_at: float = 0.0
    is_failing: bool = False
    refusals_left: int = 0


@dataclass(frozen=True, slots=True)
class PoolReading:
    """Connections to a vendor: in use by requests, kept idle, open as tunnels; and who waits for one.

    `waits` and `waited_seconds` are of all who ever had to.
    """

    active: int = 0
    idle: int = 0
    tunnels: int = 0
    limit: int = 0
    waiting: int = 0
    waiting_limit: int = 0
    waits: int = 0
    waited_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ProviderReading:
    """`state` is one of CREDENTIAL_STATES; `skew` is what the provider's clock is ahead of ours, in seconds."""

    name: str
    state: str
    token: TokenReading = TokenReading()
    pool: PoolReading = PoolReading()
    skew: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    is_ready: bool = True
    callers: int = 0
    callers_limit: int = 0
    log_lines_dropped: int = 0
    providers: tuple[ProviderReading, ...] = ()


_OF_PROVIDER: tuple[tuple[str, str, Callable[[ProviderReading], float]], ...] = (
    (
        "token_expiry_timestamp_seconds",
        "When the token in use expires; 0 without one, +Inf for never.",
        lambda provider: provider.token.expires_at,
    ),
    (
        "token_obtained_timestamp_seconds",
        "When a token was last obtained; 0 before the first one.",
        lambda provider: provider.token.obtained_at,
    ),
    (
        "token_fetch_failing",
        "Whether the last attempt to obtain a token failed.",
        lambda provider: provider.token.is_failing,
    ),
    (
        "login_refusals_left",
        "How many more logins may be refused before none is tried until the hour is over.",
        lambda provider: provider.token.refusals_left,
    ),
    (
        "clock_skew_seconds",
        "By how much the provider's clock is ahead of ours; 0 within a second or two.",
        lambda provider: provider.skew,
    ),
    (
        "upstream_connections_max",
        "How many requests may be under way at the vendor.",
        lambda provider: provider.pool.limit,
    ),
    (
        "upstream_waiting",
        "Requests that wait for a connection to the vendor.",
        lambda provider: provider.pool.waiting,
    ),
    (
        "upstream_waiting_max",
        "How many requests may wait for a connection; others are answered 503.",
        lambda provider: provider.pool.waiting_limit,
    ),
)


class StateCollector(Collector):
    """`read` is asked at each scrape."""

    def __init__(self, read: Callable[[], State]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        state = self._read()
        yield _gauge("ready", "Whether /readyz says yes.", state.is_ready)
        yield _gauge("caller_connections", "Connections of callers.", state.callers)
        yield _gauge("caller_connections_max", "How many callers may be connected.", state.callers_limit)
        lost = "Lines of the log that were dropped because nobody read them."
        yield CounterMetricFamily("authproxy_log_lines_dropped", lost, value=state.log_lines_dropped)
        for name, text, value in _OF_PROVIDER:
            family = GaugeMetricFamily(f"authproxy_{name}", text, labels=("provider",))
            for provider in state.providers:
                family.add_metric((provider.name,), value(provider))
            yield family
        yield from _of_credentials_and_pools(state.providers)


def _of_credentials_and_pools(providers: tuple[ProviderReading, ...]) -> Iterator[Metric]:
    states = GaugeMetricFamily(
        "authproxy_credential_state",
        "1 for the state that the credential is in: refused needs a person, waiting tries again by itself.",
        labels=("provider", "state"),
    )
    connections = GaugeMetricFamily(
        "authproxy_upstream_connections", "Connections to the vendor.", labels=("provider", "state")
    )
    waits = CounterMetricFamily(
        "authproxy_upstream_waits", "Requests that had to wait for a connection.", labels=("provider",)
    )
    waited = CounterMetricFamily(
        "authproxy_upstream_wait_seconds", "How long requests waited for connections.", labels=("provider",)
    )
    for provider in providers:
        for state in CREDENTIAL_STATES:
            states.add_metric((provider.name, state), state == provider.state)
        pool = provider.pool
        for state, number in (("active", pool.active), ("idle", pool.idle), ("tunnel", pool.tunnels)):
            connections.add_metric((provider.name, state), number)
        waits.add_metric((provider.name,), pool.waits)
        waited.add_metric((provider.name,), pool.waited_seconds)
    yield from (states, connections, waits, waited)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"authproxy_{name}", text, value=value)
