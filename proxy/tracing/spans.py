"""Requests as spans: one for the caller's request, one for each attempt at the vendor, one for each fetch of a token.

Attributes are those of OpenTelemetry's conventions for HTTP. There are no header fields and no addresses of callers
among them; of a query only the names are shown; and the credential is put in where nothing here can see it.
"""

from __future__ import annotations

from contextvars import ContextVar
from time import monotonic, time_ns
from urllib.parse import urlsplit

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    set_span_in_context,
)

from proxy import __version__
from proxy.config.tracing import TracingSettings
from proxy.gateway.decision import Decision
from proxy.gateway.headers import RawHeaders
from proxy.gateway.passage import Passage
from proxy.gateway.trace import CallerTrace, Trace
from proxy.tracing.exporting import tracer_provider

_FAILED = Status(StatusCode.ERROR)
_HIDDEN = "***"

# The request that is being served; what it begins, such as a login, has it too.
_serving: ContextVar[Span | None] = ContextVar("_serving", default=None)


class Spans:
    """Is the tracer of a gateway, by `begin`, and told of the end of requests and of fetched tokens."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("authproxy", __version__)

    @classmethod
    def exported(cls, settings: TracingSettings) -> Spans:
        """As the environment has it. Raises ValueError and ModuleNotFoundError."""
        return cls(tracer_provider(settings))

    def begin(self, passage: Passage, decision: Decision) -> Trace:
        return SpanTrace(self._tracer, passage, decision)

    def ended(self, passage: Passage, now: float) -> None:
        if isinstance(passage.trace, SpanTrace):
            passage.trace.ended(passage)
            return
        # It was refused before much was known of it.
        end = time_ns()
        begun = end - int((now - passage.started) * 1e9)
        span = self._tracer.start_span(passage.method, kind=SpanKind.SERVER, start_time=begun)
        _conclude(span, passage, end)

    def fetched(self, provider: str, outcome: str, seconds: float) -> None:
        end, request = time_ns(), _serving.get()
        span = self._tracer.start_span(
            f"token fetch {provider}",
            None if request is None else set_span_in_context(request),
            start_time=end - int(seconds * 1e9),
            attributes={"authproxy.provider": provider, "authproxy.outcome": outcome},
        )
        if outcome != "ok":
            span.set_attribute("error.type", outcome)
            span.set_status(_FAILED)
        span.end(end)

    def close(self) -> None:
        self._provider.shutdown()


class SpanTrace(Trace):
    """The spans of one request. An attempt's ends when the next one begins, or with the request."""

    __slots__ = ("_answered_at", "_attempt", "_decision", "_server", "_status", "_tells_vendor", "_tracer")

    def __init__(self, tracer: Tracer, passage: Passage, decision: Decision) -> None:
        route, request = decision.route, decision.request
        begun = time_ns() - int((monotonic() - passage.started) * 1e9)
        path, _, query = request.target.partition("?")
        path = route.prefix.rstrip("/") + path.removeprefix(route.provider.base_path)
        self._server = tracer.start_span(
            f"{request.method} {route.prefix}",
            None if decision.caller_trace is None else set_span_in_context(_remote(decision.caller_trace)),
            SpanKind.SERVER,
            attributes={
                "http.request.method": request.method,
                "http.route": route.prefix,
                "url.scheme": "http",
                "url.path": path,
                **({"url.query": masked(query)} if query else {}),
                "authproxy.provider": route.provider.name,
                **({"authproxy.client": passage.client} if passage.client is not None else {}),
            },
            start_time=begun,
        )
        super().__init__(f"{self._server.get_span_context().trace_id:032x}")
        self._tracer = tracer
        self._decision = decision
        self._tells_vendor = route.traceparent == "make"
        self._attempt: Span | None = None
        self._status = self._answered_at = 0
        _serving.set(self._server)

    def attempt(self) -> RawHeaders:
        # One that was answered ended then: after it came a login, perhaps.
        self._end_attempt(self._answered_at or time_ns(), None)
        request, provider = self._decision.request, self._decision.route.provider
        url = urlsplit(request.origin)
        path, _, query = request.target.partition("?")
        self._attempt = self._tracer.start_span(
            f"{request.method} {provider.name}",
            set_span_in_context(self._server),
            SpanKind.CLIENT,
            attributes={
                "http.request.method": request.method,
                "server.address": url.hostname or "",
                "server.port": url.port or (443 if url.scheme == "https" else 80),
                "url.full": f"{request.origin}{path}" + (f"?{masked(query)}" if query else ""),
                "authproxy.provider": provider.name,
            },
        )
        self._status = self._answered_at = 0
        return _fields(self._attempt.get_span_context()) if self._tells_vendor else ()

    def answered(self, status: int) -> None:
        self._status, self._answered_at = status, time_ns()

    def ended(self, passage: Passage) -> None:
        """The request is over."""
        end = time_ns()
        self._end_attempt(end, None if passage.error is None else passage.error.code)
        self._server.set_attributes({"authproxy.credential": passage.credential, "authproxy.repeats": passage.repeats})
        _conclude(self._server, passage, end)

    def _end_attempt(self, end: int, error: str | None) -> None:
        span, status, self._attempt = self._attempt, self._status, None
        if span is None:
            return
        if status:
            span.set_attribute("http.response.status_code", status)
        if status >= 400 or not status or error is not None:
            span.set_attribute("error.type", error or str(status or "no_answer"))
            span.set_status(_FAILED)
        span.end(end)


def masked(query: str) -> str:
    """The names of a query's parameters. A part without a name may be a value, and is hidden whole."""
    parts = (name + equals for name, equals, _ in (part.partition("=") for part in query.split("&")))
    return "&".join(f"{part}{_HIDDEN}" if part.endswith("=") else _HIDDEN for part in parts)


def _conclude(span: Span, passage: Passage, end: int) -> None:
    span.set_attributes(
        {
            "http.request.method": passage.method,
            "http.response.status_code": passage.status,
            "authproxy.request_id": passage.id,
        }
    )
    if passage.error is not None or passage.status >= 500:
        span.set_attribute("error.type", str(passage.status) if passage.error is None else passage.error.code)
        if passage.status >= 500:
            span.set_status(_FAILED)
    span.end(end)


def _remote(caller: CallerTrace) -> Span:
    state = TraceState.from_header([caller.state]) if caller.state else TraceState()
    flags = TraceFlags(int(caller.flags, 16))
    return NonRecordingSpan(SpanContext(int(caller.trace_id, 16), int(caller.parent_id, 16), True, flags, state))


def _fields(context: SpanContext) -> RawHeaders:
    value = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}".encode()
    state = context.trace_state.to_header()
    return ((b"traceparent", value), *(((b"tracestate", state.encode("latin-1")),) if state else ()))
