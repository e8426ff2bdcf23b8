"""What became of each request, into the metrics and the log."""

from __future__ import annotations

import weakref

from proxy.errors import ProxyError, UpstreamError
from proxy.gateway.passage import Passage
from proxy.gateway.route import Route
from proxy.logs import Log, RequestRecord
from proxy.metrics import ANSWER_BROKEN, Metrics
from proxy.traffic import RouteMetrics


class Ledger:
    """The gateway's witness. Routes are known to it by their prefix, which comes from the configuration."""

    def __init__(self, metrics: Metrics, log: Log) -> None:
        self._metrics = metrics
        self._log = log
        # By the identity of its route, for as long as that lives: a reload makes new routes of the same names.
        self._figures: dict[int, RouteMetrics] = {}

    def expect(self, route: Route) -> None:
        """Let the series of a route begin at 0."""
        self._figures[id(route)] = self._metrics.route(route.prefix, route.provider.name, route.methods)
        weakref.finalize(route, self._figures.pop, id(route), None).atexit = False

    def began(self, route: Route) -> None:
        self._figures[id(route)].started()

    def ended(self, passage: Passage, now: float) -> None:
        route, seconds = passage.route, now - passage.started
        if route is not None:
            self._figures[id(route)].finished(
                passage.method,
                passage.status,
                seconds,
                request_bytes=passage.request_bytes,
                response_bytes=passage.response_bytes,
            )
        if passage.error is not None:
            self._count(passage, passage.error)
        self._log.log_request(
            RequestRecord(
                None if route is None else route.prefix,
                None if route is None else route.provider.name,
                passage.method,
                passage.status,
                seconds,
                passage.answered - passage.started if passage.answered else None,
                passage.request_bytes,
                passage.response_bytes,
                passage.credential,
                passage.repeats,
                None if passage.error is None else passage.error.code,
                passage.client,
            )
        )

    def _count(self, passage: Passage, error: ProxyError) -> None:
        route = passage.route
        if route is not None and isinstance(error, UpstreamError):
            self._metrics.upstream_error(route.provider.name, ANSWER_BROKEN if passage.answered else error.code)
        else:
            self._metrics.rejected(error.code, route.prefix if route is not None else "")
