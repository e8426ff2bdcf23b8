"""What the app knows of tracing, whether or not OpenTelemetry is installed."""

from __future__ import annotations

from typing import Protocol

from proxy.gateway.decision import Decision
from proxy.gateway.passage import Passage
from proxy.gateway.trace import Trace


class Tracing(Protocol):
    """Calls are made from the event loop, and return at once."""

    def begin(self, passage: Passage, decision: Decision) -> Trace:
        """A request was found to belong to a route."""
        ...

    def ended(self, passage: Passage, now: float) -> None:
        """A request is over, also one for which `begin` was never called; `now` is a reading of time.monotonic."""
        ...

    def fetched(self, provider: str, outcome: str, seconds: float) -> None:
        """A login, a refresh or a minting ended, after so long; in the context of the request that began it."""
        ...

    def close(self) -> None:
        """Send what waits. May block, for as long as the collector takes."""
        ...
