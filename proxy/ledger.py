"""What became of each request, into the metrics, the log and the journal.

All that ended within a turn of the event loop is written down at its end, one after the other: in a row it takes half
the time that it takes in the middle of each request, and by then their answers are on their way.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable

from proxy.errors import ProxyError, UpstreamError
from proxy.explain.reasons import removed_headers, removed_parameters
from proxy.gateway.passage import Passage
from proxy.gateway.route import Route
from proxy.journal.journal import Journal
from proxy.logs import Log, RequestKind
from proxy.metrics import ANSWER_BROKEN, Metrics
from proxy.request_id import request_id
from proxy.tracing.tracing import Tracing
from proxy.traffic import RouteMetrics

# Kinds of lines that are kept ready for each route; only a vendor with ever new statuses has more.
_MOST_KINDS = 256
# Of what a caller sent in vain, so much is kept for the status page.
_MOST_NAMES = 32
_LONGEST_NAME = 100
# No client does without them, and no proxy passes them on.
_ROUTINE = frozenset({"host", "content-length", "connection", "keep-alive"})


class Account:
    """What is written down of one route's requests; without a route, of those that were sent away before one was found.

    `lines` make the log's lines, by what those of a kind have in common: a handful of kinds for each route.
    """

    __slots__ = ("figures", "lines", "prefix", "provider")

    def __init__(self, prefix: str | None, provider: str | None, figures: RouteMetrics) -> None:
        self.prefix = prefix
        self.provider = provider
        self.figures = figures
        self.lines: dict[tuple[object, ...], Callable[..., bytes]] = {}


class Ledger:
    """The gateway's witness. Routes are known to it by their prefix, which comes from the configuration."""

    def __init__(self, metrics: Metrics, log: Log, journal: Journal, tracing: Tracing | None = None) -> None:
        self._tracing = tracing
        self._metrics = metrics
        self._log = log
        self._journal = journal
        # By the identity of its route, for as long as that lives: a reload makes new routes of the same names.
        self._accounts: dict[int, Account] = {id(None): Account(None, None, RouteMetrics())}
        self._ended: list[tuple[Passage, float]] = []

    def expect(self, route: Route) -> None:
        """Let the series of a route begin at 0."""
        name = route.provider.name
        figures = self._metrics.route(route.prefix, name, route.methods)
        self._accounts[id(route)] = Account(route.prefix, name, figures)
        weakref.finalize(route, self._accounts.pop, id(route), None).atexit = False

    def ended(self, passage: Passage, now: float) -> None:
        if self._tracing is not None:
            self._tracing.ended(passage, now)
        if not self._ended:
            asyncio.get_running_loop().call_soon(self.settle)
        self._ended.append((passage, now))

    def settle(self) -> None:
        """Write down all that has ended until now."""
        ended, self._ended = self._ended, []
        stamp, lines = self._log.stamp(), []
        for passage, now in ended:
            account = self._accounts[id(passage.route)]
            started, answered, method, status = passage.started, passage.answered, passage.method, passage.status
            received, sent, duration = passage.body.bytes_read, passage.response_bytes, now - started
            upstream = answered - started if answered else None
            account.figures.finished(method, status, duration, received, sent, upstream)
            error = passage.error
            if error is not None or status >= 500:
                self._count(account, passage, error)
            name = request_id(passage.number)
            self._keep(account, passage, name, now)
            kind = (method, status, passage.credential, passage.repeats, error and error.code, passage.client)
            line = account.lines.get(kind) or self._line(account, kind)
            trace_id = None if passage.trace is None else passage.trace.trace_id
            lines.append(line(stamp, duration, upstream, received, sent, name, trace_id))
        if self._log.wants_requests:
            self._log.write_requests(lines)

    def _keep(self, account: Account, passage: Passage, name: str, now: float) -> None:
        journal, head, error = self._journal, passage.head, passage.error
        journal.keep((
            next(journal.numbers), name, passage.started, passage.begun, passage.authorized, passage.sent,
            passage.answered, now, account.prefix, account.provider, passage.method,
            None if head is None else head.message.path, passage.status, passage.body.bytes_read,
            passage.response_bytes, passage.credential, passage.repeats, None if error is None else type(error),
            passage.client, self._removed(passage) if journal.attention else None,
        ))  # fmt: skip

    def _line(self, account: Account, kind: tuple[object, ...]) -> Callable[..., bytes]:
        if len(account.lines) >= _MOST_KINDS:
            account.lines.clear()
        line = account.lines[kind] = self._log.request_line(RequestKind(account.prefix, account.provider, *kind))  # type: ignore[arg-type]
        return line

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

    def _count(self, account: Account, passage: Passage, error: ProxyError | None) -> None:
        """What failed; without an error it was the vendor's answer that said so."""
        prefix, provider = account.prefix or "", account.provider or ""
        self._metrics.failed(prefix, provider, error)
        if provider and isinstance(error, UpstreamError):
            self._metrics.upstream_error(provider, ANSWER_BROKEN if passage.answered else error.code)
        elif error is not None:
            self._metrics.rejected(error.code, prefix)
