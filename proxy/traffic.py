"""Counting what passes on each route, cheaply enough to do it for every request.

A counter of prometheus_client takes a lock for each step, for threads that there are none of here: some 6 µs
a request for what follows. Plain numbers, turned into series when somebody asks, take a tenth of that.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from http import HTTPStatus
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# 499 is no status of HTTP: the caller hung up before there was an answer.
_CODES = {status.value: str(status.value) for status in HTTPStatus} | {499: "499"}
_OTHER = "other"
# Every known combination would be some 500 series a route; these are the ones that alerts are written for.
_FIRST_METHODS = ("GET", "POST")
_FIRST_CODES = ("200", "401", "403", "404", "429", "500", "502", "503", "504")
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_BOUNDS = (*map(str, _BUCKETS), "+Inf")
_LABELS = ("route", "provider")


class RouteMetrics:
    """The figures of one route. For the event loop's thread only: nothing here is locked."""

    __slots__ = (
        "_first", "answered", "buckets", "counts", "request_bytes", "response_bytes", "seconds", "until_answered",
    )  # fmt: skip

    def __init__(self, methods: Collection[str] | None = None) -> None:
        first = _FIRST_METHODS if methods is None else {_label_of(method) for method in methods}
        self._first = [(method, code) for method in first for code in _FIRST_CODES]
        self.counts: dict[tuple[str, int], int] = {}
        self.buckets = [0] * len(_BOUNDS)
        self.seconds = 0.0
        self.request_bytes = 0
        self.response_bytes = 0
        self.answered = 0
        self.until_answered = 0.0

    def finished(
        self,
        method: str,
        status: int,
        seconds: float,
        request_bytes: int = 0,
        response_bytes: int = 0,
        until_answered: float | None = None,
    ) -> None:
        """A request is over: answered with this status, after so long; the sizes are those of the bodies.

        `until_answered` are the seconds until the head of the vendor's answer, None if there was none.
        """
        # As many kinds as the parser knows methods and a vendor sends statuses; they become labels in `collect`.
        self.counts[method, status] = self.counts.get((method, status), 0) + 1
        self.buckets[bisect_left(_BUCKETS, seconds)] += 1
        self.seconds += seconds
        self.request_bytes += request_bytes
        self.response_bytes += response_bytes
        if until_answered is not None:
            self.answered += 1
            self.until_answered += until_answered

    @property
    def requests(self) -> dict[tuple[str, str], int]:
        """How many by the labels method and code; those that alerts are written for are there from the beginning."""
        labelled = dict.fromkeys(self._first, 0)
        for (method, status), count in self.counts.items():
            key = (_label_of(method), _CODES.get(status, _OTHER))
            labelled[key] = labelled.get(key, 0) + count
        return labelled


class PlainCounter(Collector):
    """One counter with one label, for what every request may count."""

    def __init__(self, name: str, text: str, label: str) -> None:
        self.counts: defaultdict[str, int] = defaultdict(int)
        self._name, self._text, self._label = name, text, label

    def begin(self, value: str) -> None:
        """Let the series of this label's value be there, at 0."""
        self.counts[value] += 0

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(self._name, self._text, labels=(self._label,))
        for value, count in self.counts.items():
            family.add_metric((value,), count)
        yield family


class TrafficCollector(Collector):
    """Turns the figures of all routes into series.

    `in_flight` says how many requests are under way now, by the names of route and provider.
    """

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], RouteMetrics] = {}
        self.in_flight: Callable[[], Mapping[tuple[str, str], int]] = dict

    def route(self, route: str, provider: str, methods: Collection[str] | None) -> RouteMetrics:
        """The figures under these names; made at the first call, and kept as long as the process lives."""
        return self._routes.setdefault((route, provider), RouteMetrics(methods))

    def collect(self) -> Iterator[Metric]:
        """One family after the other: between two of them somebody else may have a turn."""
        yield self._requests()
        yield self._durations()
        yield self._answers()
        in_flight = GaugeMetricFamily("authproxy_requests_in_flight", "Requests not yet over.", labels=_LABELS)
        received = CounterMetricFamily("authproxy_request_body_bytes", "Bytes of callers' bodies.", labels=_LABELS)
        sent = CounterMetricFamily("authproxy_response_body_bytes", "Bytes of answers' bodies.", labels=_LABELS)
        under_way = self.in_flight()
        for names, figures in self._routes.items():
            in_flight.add_metric(names, under_way.get(names, 0))
            received.add_metric(names, figures.request_bytes)
            sent.add_metric(names, figures.response_bytes)
        yield from (in_flight, received, sent)

    def _requests(self) -> Metric:
        family = CounterMetricFamily(
            "authproxy_requests", "Requests that came for a route.", labels=(*_LABELS, "method", "code")
        )
        for names, figures in self._routes.items():
            for (method, code), count in figures.requests.items():
                family.add_metric((*names, method, code), count)
        return family

    def _durations(self) -> Metric:
        family = HistogramMetricFamily(
            "authproxy_request_duration_seconds", "From a request's head to its answer's end.", labels=_LABELS
        )
        for names, figures in self._routes.items():
            counts = accumulate(figures.buckets)
            family.add_metric(names, list(zip(_BOUNDS, counts, strict=True)), figures.seconds)
        return family

    def _answers(self) -> Metric:
        family = SummaryMetricFamily(
            "authproxy_time_to_answer_seconds",
            "From a request's head to the head of the vendor's answer.",
            labels=_LABELS,
        )
        for names, figures in self._routes.items():
            family.add_metric(names, figures.answered, figures.until_answered)
        return family


def _label_of(method: str) -> str:
    return method if method in METHODS else _OTHER
