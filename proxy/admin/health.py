"""/livez, /readyz and /metrics: for probes and for Prometheus, without a token."""

from __future__ import annotations

from collections.abc import Callable

from proxy.admin.answers import JSON, NO_PROVIDER, PLAIN, answer, refusal
from proxy.admin.asked import Asked, Resource
from proxy.admin.documents import readiness_document
from proxy.admin.status import StatusSnapshot, health_line, store_lines, unready_because
from proxy.metrics import Metrics
from proxy.wire.aiohttp_parts import StreamResponse


class Health:
    def __init__(self, status: Callable[[], StatusSnapshot], metrics: Metrics) -> None:
        self._status = status
        self._metrics = metrics

    @property
    def resources(self) -> dict[str, Resource]:
        return {
            "/livez": Resource(self._liveness),
            "/readyz": Resource(self._readiness),
            "/metrics": Resource(self._figures),
        }

    async def _liveness(self, asked: Asked) -> StreamResponse:
        return answer("ok", PLAIN)

    async def _readiness(self, asked: Asked) -> StreamResponse:
        """200 or 503; `?provider=` asks for one (or several), `?verbose` gives a line for each."""
        snapshot, wanted = self._status(), asked.parameters("provider")
        providers = tuple(one for one in snapshot.providers if wanted is None or one.name in wanted)
        if wanted is not None and len(providers) < len(set(wanted)):
            return refusal(NO_PROVIDER)
        reason = unready_because(snapshot, providers)
        status = 200 if reason is None else 503
        if JSON in asked.request.headers.get("Accept", ""):
            return answer(readiness_document(reason, providers, snapshot.store), JSON, status=status)
        verdict = "ok" if reason is None else f"not ready: {reason}"
        if asked.parameters("verbose") is not None:
            lines = [*map(health_line, providers), *store_lines(snapshot.store), verdict]
            verdict = "".join(f"{line}\n" for line in lines)
        return answer(verdict, PLAIN, status=status)

    async def _figures(self, asked: Asked) -> StreamResponse:
        return answer(*await self._metrics.exposed(asked.request.headers.get("Accept", "")))
