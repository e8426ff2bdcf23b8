"""What the proxy counts, in a registry of its own.

Labels come from the configuration and from closed sets; whatever a caller or a vendor made up counts as
`other`. So no number of requests can add series without end, and nothing of a request shows here. What is
known of a route or provider beforehand exists at 0 from the start, so that the first event is a change.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Collection, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

from proxy.errors import CallerError, CredentialError, ProxyError, UpstreamError
from proxy.exposition import exposition
from proxy.state_metrics import State, StateCollector
from proxy.store_metrics import StoreMetrics
from proxy.traffic import PlainCounter, RouteMetrics, TrafficCollector

OTHER = "other"
# Beside the codes of UpstreamError: the vendor broke off in the middle of an answer that was being relayed.
ANSWER_BROKEN = "answer_broken"
# Whose fault a request's failure is.
CAUSES = ("caller", "credential", "vendor", "proxy")
FETCH_OUTCOMES = ("ok", "refused", "unavailable", "malformed")
RETRY_REASONS = ("dropped", "superseded", "skewed", OTHER)
_FETCH_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Everything under the prefix `authproxy_`, and the process's own figures.

    Is the observer of the token cache (`proxy.tokens.observer.Observer`) too.
    """

    def __init__(self, version: str) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self._traffic = TrafficCollector()
        registry.register(self._traffic)
        self.store = StoreMetrics(registry)
        self._upstream_reasons = _codes_of(UpstreamError) | {ANSWER_BROKEN, OTHER}
        self._rejection_reasons = (_codes_of(ProxyError) - _codes_of(UpstreamError)) | {OTHER}

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"authproxy_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"authproxy_{name}", text, labels, registry=registry)

        self._rejections = counter(
            "rejections", "Requests that were answered without being sent to a vendor.", "route", "reason"
        )
        self._upstream_errors = counter(
            "upstream_errors", "Requests that a vendor, or the way to it, failed.", "provider", "reason"
        )
        self._failed = counter(
            "failed_requests",
            "Requests that failed, by whose fault it was: the caller's request was refused, there was no credential, "
            "the vendor answered 5xx or not at all, the proxy failed.",
            "route",
            "provider",
            "cause",
        )
        self._retries = counter(
            "auth_retries",
            "Requests sent once more because the vendor refused the token, or the time in them.",
            "provider",
            "reason",
        )
        self._fetches = counter(
            "token_fetches", "Logins, refreshes and mintings of tokens that ended.", "provider", "outcome"
        )
        self._hits = PlainCounter("authproxy_token_cache_hits", "Requests for which a token was at hand.", "provider")
        registry.register(self._hits)
        self._misses = counter("token_cache_misses", "Requests that had to wait for a token.", "provider")
        self._waiters = gauge("token_waiters", "Requests that wait for a token.", "provider")
        self._adoptions = counter(
            "token_adoptions", "Tokens taken over from the token store, without a login.", "provider"
        )
        self._fetch_seconds = Histogram(
            "authproxy_token_fetch_duration_seconds",
            "How long logins, refreshes and mintings took.",
            ("provider",),
            buckets=_FETCH_BUCKETS,
            registry=registry,
        )
        self._reloads = counter("config_reloads", "Attempts to load the configuration again.", "outcome")
        self._last_reload = gauge("config_last_reload_successful", "Whether the configuration's last load held.")
        self._last_reload.set(1)
        self._loaded_at = gauge(
            "config_last_reload_success_timestamp_seconds", "When the configuration in use was loaded."
        )
        for outcome in ("ok", "failed"):
            self._reloads.labels(outcome)
        build = gauge("build_info", "Which build this is; always 1.", "version", "python")
        build.labels(version, platform.python_version()).set(1)
        self._begin_route("", "")

    def show(self, read: Callable[[], State], in_flight: Callable[[], Mapping[tuple[str, str], int]] = dict) -> None:
        """From now on tell of the state, and of requests in flight by route and provider; asked at each scrape."""
        self.registry.register(StateCollector(read))
        self._traffic.in_flight = in_flight

    def route(self, route: str, provider: str, methods: Collection[str] | None = None) -> RouteMetrics:
        """The figures of one route, to be kept by whoever counts on them; the same object for the same names.

        `methods` are those that the route allows, None for all.
        """
        self._begin_route(route, provider)
        self.provider(provider)
        return self._traffic.route(route, provider, methods)

    def provider(self, provider: str) -> None:
        """Let the series of a provider begin at 0."""
        for reason in sorted(self._upstream_reasons):
            self._upstream_errors.labels(provider, reason)
        for reason in RETRY_REASONS:
            self._retries.labels(provider, reason)
        for outcome in FETCH_OUTCOMES:
            self._fetches.labels(provider, outcome)
        for family in (
            self._adoptions,
            self._misses,
            self._waiters,
            self._fetch_seconds,
        ):
            family.labels(provider)
        self._hits.begin(provider)

    def rejected(self, reason: str, route: str = "") -> None:
        """A request got an answer of the proxy's own; `reason` is the error's code, `route` "" before it is known."""
        self._rejections.labels(route, reason if reason in self._rejection_reasons else OTHER).inc()

    def upstream_error(self, provider: str, reason: str) -> None:
        """A vendor failed a request; `reason` is the error's code, or ANSWER_BROKEN."""
        self._upstream_errors.labels(provider, reason if reason in self._upstream_reasons else OTHER).inc()

    def failed(self, route: str, provider: str, error: ProxyError | None) -> None:
        """A request failed with this error; None for a vendor's own answer that says so. Both names may be ""."""
        self._failed.labels(route, provider, "vendor" if error is None else cause_of(error)).inc()

    def loaded(self, wall: float) -> None:
        """The configuration in use is that of this moment."""
        self._loaded_at.set(wall)

    def reloaded(self, successful: bool) -> None:
        """The configuration was loaded again, or was not and the old one stays."""
        self._reloads.labels("ok" if successful else "failed").inc()
        self._last_reload.set(successful)

    # What the token cache tells.

    def fetched(self, provider: str, outcome: str, seconds: float) -> None:
        self._fetches.labels(provider, outcome).inc()
        self._fetch_seconds.labels(provider).observe(seconds)

    def hit(self, provider: str) -> None:
        self._hits.counts[provider] += 1

    def missed(self, provider: str) -> None:
        self._misses.labels(provider).inc()

    def waiting(self, provider: str, delta: int) -> None:
        self._waiters.labels(provider).inc(delta)

    def retried(self, provider: str, reason: str) -> None:
        self._retries.labels(provider, reason if reason in RETRY_REASONS else OTHER).inc()

    def adopted(self, provider: str) -> None:
        self._adoptions.labels(provider).inc()

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """All series as text, and its content type: OpenMetrics if the Accept header names it, else Prometheus's."""
        pieces, content_type = exposition(self.registry, accept)
        return b"".join(pieces), content_type

    async def exposed(self, accept: str = "") -> tuple[bytes, str]:
        """The same in small steps, between which requests go on: of fifty routes all of it takes some 30 ms."""
        pieces, content_type = exposition(self.registry, accept)
        text = []
        for piece in pieces:
            text.append(piece)
            await asyncio.sleep(0)
        return b"".join(text), content_type

    def _begin_route(self, route: str, provider: str) -> None:
        for reason in sorted(self._rejection_reasons):
            self._rejections.labels(route, reason)
        for cause in CAUSES:
            self._failed.labels(route, provider, cause)


def cause_of(error: ProxyError) -> str:
    """Whose fault it is, one of CAUSES."""
    kinds = (("caller", CallerError), ("credential", CredentialError), ("vendor", UpstreamError))
    return next((cause for cause, kind in kinds if isinstance(error, kind)), "proxy")


def _codes_of(kind: type[ProxyError]) -> frozenset[str]:
    """The codes of a class of errors and of all below it that have one of their own."""
    own = frozenset({kind.code} if "code" in vars(kind) else ())
    return own.union(*(_codes_of(below) for below in kind.__subclasses__()))
