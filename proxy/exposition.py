"""A registry as text, in the format that a scraper asks for."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector


def exposition(registry: CollectorRegistry, accept: str = "") -> tuple[bytes, str]:
    """All series, and their content type: OpenMetrics if the Accept header names it, else Prometheus's own."""
    series = _Current(registry)
    if "application/openmetrics-text" in accept:
        text: bytes = openmetrics.generate_latest(series)  # type: ignore[no-untyped-call]
        return text, openmetrics.CONTENT_TYPE_LATEST
    return generate_latest(series), CONTENT_TYPE_PLAIN_0_0_4


class _Current(Collector):
    """A registry without the time of birth that prometheus_client adds to every counter: half of all lines."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric
