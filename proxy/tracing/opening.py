"""From settings to the tracing that is there, if it can be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from proxy.background import in_background
from proxy.config.tracing import tracing_settings
from proxy.tracing.tracing import Tracing

log = logging.getLogger("authproxy.tracing")


# A collector that is slow, or gone, does not hold up the end of the process for longer.
_LAST_SPANS_SECONDS = 2.0


@asynccontextmanager
async def open_tracing(environ: Mapping[str, str]) -> AsyncIterator[Tracing | None]:
    """What traces, if the environment asks for it; at the end what waits is sent, for two seconds at the most.

    Where it cannot be, a warning says why. It is no reason to not serve: these variables are often set for all programs
    of a cluster.
    """
    tracing = _opened(environ)
    try:
        yield tracing
    finally:
        if tracing is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(in_background(tracing.close), _LAST_SPANS_SECONDS)


def _opened(environ: Mapping[str, str]) -> Tracing | None:
    try:
        settings = tracing_settings(environ)
    except ValueError as error:
        log.warning("no traces are sent: %s", str(error))
        return None
    if settings is None:
        return None
    try:
        from proxy.tracing.spans import Spans  # noqa: PLC0415 - an extra, and slow to import

        return Spans.exported(settings)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("opentelemetry", "grpc"):
            raise
        log.warning("the environment asks for traces (OTEL_...), which needs an extra: install authproxy[otel]")
    except ValueError:  # Whose text may hold what the variable holds.
        log.warning("no traces are sent: one of the OTEL_... variables holds what OpenTelemetry does not take")
    return None
