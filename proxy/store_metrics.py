"""Whether the token store works. Its kind and its operations are closed sets."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

OPERATIONS = ("open", "read", "write", "lease")


class StoreMetrics:
    """Is the observer of a store (`proxy.tokens.observer.StoreObserver`)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("store", "operation")
        text = "Attempts to use the token store that failed."
        self._errors = Counter("authproxy_token_store_errors", text, labels, registry=registry)
        text = "Whether the token store could be used the last time."
        self._up = Gauge("authproxy_token_store_up", text, ("store",), registry=registry)

    def begin(self, store: str) -> None:
        """Let the series of this kind of store begin, as one that works."""
        for operation in OPERATIONS:
            self._errors.labels(store, operation)
        self._up.labels(store).set(1)

    def failed(self, store: str, operation: str) -> None:
        self._errors.labels(store, operation).inc()
        self._up.labels(store).set(0)

    def worked(self, store: str) -> None:
        self._up.labels(store).set(1)
