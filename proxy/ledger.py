"""What became of each request, into the metrics, the log and the journal."""

from __future__ import annotations

import weakref

from proxy.errors import ProxyError, UpstreamError
from proxy.explain.reasons import removed_headers, removed_parameters
from proxy.gateway.passage import Passage
from proxy.gateway.route import Route
from proxy.journal.journal import Journal
from proxy.logs import Log, RequestRecord
from proxy.metrics import ANSWER_BROKEN, Metrics
from proxy.tracing.tracing import Tracing
from proxy.traffic import RouteMetrics

# Of what a caller sent in vain, so much is kept for the status page.
_MOST_NAMES = 32
_LONGEST_NAME = 100
# No client does without them, and no proxy passes them on.
_ROUTINE = frozenset({"host", "content-length", "connection", "keep-alive"})


class Ledger:
    """The gateway's witness. Routes are known to it by their prefix, which comes from the configuration."""

    def __init__(self, metrics: Metrics, log: Log, journal: Journal, tracing: Tracing | None = None) -> None:
        self._tracing = tracing
        self._metrics = metrics
        self._log = log
        self._journal = journal
        # By the identity of its route, for as long as that lives: a reload makes new routes of the same names.
        self._figures: dict[int, RouteMetrics] = {}

    def expect(self, route: Route) -> None:
        """Let the series of a route begin at 0."""
        self._figures[id(route)] = self._metrics.route(route.prefix, route.provider.name, route.methods)
        weakref.finalize(route, self._figures.pop, id(route), None).atexit = False

    def began(self, route: Route) -> None:
        self._figures[id(route)].started()

    def ended(self, passage: Passage, now: float) -> None:
        route, error, answered = passage.route, passage.error, passage.answered
        started, method, status = passage.started, passage.method, passage.status
        received, sent = passage.body.bytes_read, passage.response_bytes
        prefix = provider = None
        upstream = answered - started if answered else None
        if route is not None:
            prefix, provider = route.prefix, route.provider.name
            self._figures[id(route)].finished(method, status, now - started, received, sent, upstream)
        if self._tracing is not None:
            self._tracing.ended(passage, now)
        if error is not None or status >= 500:
            self._count(passage, error)
        head, journal, name = passage.head, self._journal, passage.id
        journal.keep((
            next(journal.numbers), name, started, passage.begun, passage.authorized, passage.sent, answered, now,
            prefix, provider, method, None if head is None else head.message.path, status, received, sent,
            passage.credential, passage.repeats, None if error is None else type(error), passage.client,
            self._removed(passage) if journal.attention else None,
        ))  # fmt: skip
        if self._log.wants_requests:
            code = None if error is None else error.code
            measured = (now - started, upstream, received, sent)
            self._log.log_request(
                RequestRecord(
                    prefix,
                    provider,
                    method,
                    status,
                    *measured,
                    passage.credential,
                    passage.repeats,
                    code,
                    passage.client,
                    name,
                    None if passage.trace is None else passage.trace.trace_id,
                )
            )

    def _removed(self, passage: Passage) -> tuple[tuple[str, str, str], ...]:
        """Names, and why they were not sent on, of what the caller had in vain."""
        self._journal.attention -= 1
        route, head = passage.route, passage.head
        if route is None or head is None or not passage.authorized:
            return ()
        removed = (*removed_headers(route, head.message.raw_headers), *removed_parameters(route, head.message.path))
        return tuple(
            (one.kind, one.name[:_LONGEST_NAME], one.why)
            for one in removed[:_MOST_NAMES]
            if one.name.lower() not in _ROUTINE
        )

    def _count(self, passage: Passage, error: ProxyError | None) -> None:
        """What failed; without an error it was the vendor's answer that said so."""
        prefix = provider = ""
        if passage.route is not None:
            prefix, provider = passage.route.prefix, passage.route.provider.name
        self._metrics.failed(prefix, provider, error)
        if provider and isinstance(error, UpstreamError):
            self._metrics.upstream_error(provider, ANSWER_BROKEN if passage.answered else error.code)
        elif error is not None:
            self._metrics.rejected(error.code, prefix)
