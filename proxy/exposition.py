"""A registry as text, in the format that a scraper asks for; in pieces, since all of it may take long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

_END = b"# EOF\n"
# A millisecond or two.
_SAMPLES_A_PIECE = 200


def exposition(registry: CollectorRegistry, accept: str = "") -> tuple[Iterator[bytes], str]:
    """All series in pieces, and the content type: OpenMetrics if the Accept header names it, else Prometheus's own."""
    if "application/openmetrics-text" in accept:
        return _openmetrics(registry), openmetrics.CONTENT_TYPE_LATEST
    return _texts(registry, generate_latest), CONTENT_TYPE_PLAIN_0_0_4


def _openmetrics(registry: CollectorRegistry) -> Iterator[bytes]:
    for text in _texts(registry, openmetrics.generate_latest):
        yield text.removesuffix(_END)
    yield _END


def _texts(registry: CollectorRegistry, generate: Callable[..., bytes]) -> Iterator[bytes]:
    for metric in registry.collect():
        # Without the time of birth that prometheus_client adds to every counter: half of all lines.
        samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
        for at in range(0, max(1, len(samples)), _SAMPLES_A_PIECE):
            metric.samples = samples[at : at + _SAMPLES_A_PIECE]
            text = generate(_One(metric))
            yield text if at == 0 else _without_comments(text)


def _without_comments(text: bytes) -> bytes:
    """What the family is stands before its first piece."""
    while text.startswith(b"# ") and text != _END:
        text = text[text.index(b"\n") + 1 :]
    return text


class _One(Collector):
    """A registry of one family."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        return (self._metric,)
