"""A collector for traces that keeps what it gets: OTLP over HTTP, its protobuf decoded."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Received:
    """One span. Ids are in hexadecimal; `kind` is OTLP's number; `parent` is "" for a root."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent: str
    attributes: dict[str, Any]
    failed: bool
    resource: dict[str, Any]
    nanoseconds: tuple[int, int]


@dataclass
class Collector:
    """`raw` is all that came, as bytes; `status` is what it answers, or None for a connection that hangs."""

    status: int | None = 200
    raw: bytes = b""
    spans: list[Received] = field(default_factory=list)
    requests: int = 0
    _changed: Condition = field(default_factory=Condition)
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Where it listens for HTTP; "" if it does not."""
        if self._server is None:
            return ""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Collector:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        with self._changed:
            self.status = self.status or 200
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def wait_for(self, count: int) -> list[Received]:
        """Blocks until so many spans have come, ten seconds at the most."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.spans) >= count, 10), [span.name for span in self.spans]
            return list(self.spans)

    def wait_for_requests(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.requests >= count, 20)

    def take(self, body: bytes) -> None:
        """One message of OTLP, as it came."""
        with self._changed:
            self.raw += body
            self.spans += decoded(body)
            self._changed.notify_all()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                with collector._changed:
                    collector.requests += 1
                    collector._changed.notify_all()
                    collector._changed.wait_for(lambda: collector.status is not None)
                    status = collector.status
                    assert status is not None
                if status == 200:
                    collector.take(body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        return Handler


@contextmanager
def over_grpc(collector: Collector) -> Iterator[str]:
    """The URL at which the collector takes OTLP over gRPC, without TLS."""
    import grpc

    def export(body: bytes, context: Any) -> bytes:
        collector.take(body)
        return b""

    methods = {"Export": grpc.unary_unary_rpc_method_handler(export)}
    service = grpc.method_handlers_generic_handler("opentelemetry.proto.collector.trace.v1.TraceService", methods)
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(None).wait(5)


def decoded(body: bytes) -> list[Received]:
    request = ExportTraceServiceRequest.FromString(body)
    return [
        Received(
            span.name,
            span.kind,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            attributes(span.attributes),
            span.status.code == 2,
            attributes(resource.resource.attributes),
            (span.start_time_unix_nano, span.end_time_unix_nano),
        )
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
