"""A request, as the ledger has the log tell of it."""

from __future__ import annotations

from typing import NamedTuple

from proxy.logs import Log, RequestKind


class Told(NamedTuple):
    route: str | None = "/io"
    provider: str | None = "io"
    method: str = "GET"
    status: int = 200
    credential: str = "none"
    retries: int = 0
    error: str | None = None
    client: str | None = None
    duration: float = 0.01234
    upstream: float | None = 0.0111
    received: int = 0
    sent: int = 0
    id: str = ""
    trace_id: str | None = None


def log_request(log: Log, told: Told) -> None:
    kind, measured = RequestKind(*told[:8]), told[8:]
    if log.wants_requests:
        log.write_requests([log.request_line(kind)(log.stamp(), *measured)])  # type: ignore[arg-type]
