"""What happens to tokens, told to one who counts and to one who traces."""

from __future__ import annotations

from proxy.tokens.failure import Outcome
from proxy.tokens.observer import Observer
from proxy.tracing.tracing import Tracing


class TracedFetches:
    """Another observer, and a span for each fetch."""

    def __init__(self, observer: Observer, tracing: Tracing) -> None:
        self._tracing = tracing
        self._fetched = observer.fetched
        self.hit = observer.hit
        self.missed = observer.missed
        self.waiting = observer.waiting
        self.retried = observer.retried
        self.adopted = observer.adopted

    def fetched(self, provider: str, outcome: Outcome, seconds: float) -> None:
        self._fetched(provider, outcome, seconds)
        self._tracing.fetched(provider, outcome, seconds)
