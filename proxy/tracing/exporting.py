"""Sending spans: in a thread of the SDK's, from a bounded queue, with one line of the log when it fails and one when it
works again. The SDK's own words about it are not written down: they come with every span and hold addresses.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from proxy import __version__
from proxy.config.tracing import TracingSettings

log = logging.getLogger("authproxy.tracing")


class ToldExporter(SpanExporter):
    """Another exporter, of which it is told whether it works."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._works = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        works = False
        try:
            result = self._exporter.export(spans)
            works = result is SpanExportResult.SUCCESS
            return result
        finally:
            self._tell(works)

    def _tell(self, works: bool) -> None:
        if works and not self._works:
            log.info("traces are sent again")
        elif self._works and not works:
            log.warning(
                "traces are lost: the collector does not take them; look at it, and at OTEL_EXPORTER_OTLP_ENDPOINT"
            )
        self._works = works

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def tracer_provider(settings: TracingSettings) -> TracerProvider:
    """By the OTEL_* variables, which the SDK reads. Raises ValueError, or ModuleNotFoundError without an exporter."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    named = {} if settings.names_service else {"service.name": "authproxy"}
    resource = Resource.create({**named, "service.version": __version__})
    # At its exit it would wait for the collector, half a minute long.
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(ToldExporter(_exporter(settings))))
    return provider


def _exporter(settings: TracingSettings) -> SpanExporter:
    if settings.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415 - slow to import
            OTLPSpanExporter as OverGrpc,
        )

        return OverGrpc()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - the same

    return OTLPSpanExporter()
