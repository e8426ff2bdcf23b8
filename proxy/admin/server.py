"""The admin listener: /livez, /readyz, /metrics, the status page, /status, /reload.

What it has is a table of resources. Each says which methods it takes, and whether it asks for the admin token: all
that tells more than health and figures, and all that changes something.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from aiohttp.web import BaseRequest, StreamResponse

from proxy.admin.actions import Reload
from proxy.admin.answers import (
    DRAINING,
    MALFORMED,
    METHOD_NOT_ALLOWED,
    NO_PROVIDER,
    NOT_FOUND,
    TOKEN_REQUIRED,
    answer,
    refusal,
)
from proxy.admin.authority import is_authorized
from proxy.admin.connections import Connections, local_end
from proxy.admin.documents import readiness_document, reload_document, status_document
from proxy.admin.guard import objection
from proxy.admin.page import POLICY, status_page
from proxy.admin.status import StatusSnapshot, health_line, store_lines, unready_because
from proxy.listening import KEEPING_FILE, SocketFile
from proxy.metrics import Metrics
from proxy.secret import Secret

_PLAIN = "text/plain; charset=utf-8"
_JSON = "application/json"
# Answers here are small and made at once; longer than this only idle connections are waited for.
_CLOSING_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class _Asked:
    query: str
    accept: str


@dataclass(frozen=True, slots=True)
class _Resource:
    answer: Callable[[_Asked], Awaitable[StreamResponse]]
    methods: tuple[str, ...] = ("GET", "HEAD")
    needs_token: bool = False


class AdminServer:
    """Answers on one listening socket, from `status()` and `metrics`; `reload()` is None where that is impossible."""

    def __init__(self, status: Callable[[], StatusSnapshot], metrics: Metrics, reload: Reload | None = None) -> None:
        self._status = status
        self._metrics = metrics
        self._reload = reload
        self._resources = {
            "/livez": _Resource(self._liveness),
            "/readyz": _Resource(self._readiness),
            "/metrics": _Resource(self._figures),
            "/": _Resource(self._page),
            "/status": _Resource(self._status_document, needs_token=True),
        }
        if reload is not None:
            self._resources["/reload"] = _Resource(self._reloaded, methods=("POST",), needs_token=True)
        self.allow((), ())
        self._server: Connections | None = None
        self._listening: asyncio.Server | None = None
        self._socket_path: Path | None = None

    def allow(self, hosts: Iterable[str], tokens: Iterable[Secret]) -> None:
        """From now on answer these Host values, beside the listener's own address and the loopback names.

        What needs a token is for whoever has one of these.
        """
        self._allowed_hosts = tuple(hosts)
        self._tokens = tuple(tokens)

    async def start(
        self,
        sock: socket.socket,
        socket_file: SocketFile = SocketFile(),  # noqa: B008 - frozen
        *,
        is_passed: bool = False,
    ) -> None:
        """Begin to accept on a bound socket; `socket_file` says who may connect if it is one.

        One that was passed to us outlives us, with its file.
        """
        loop = asyncio.get_running_loop()
        self._server = Connections(self._handle)
        self._server.socket_file = socket_file
        if sock.family == socket.AF_UNIX:
            self._socket_path = None if is_passed else Path(sock.getsockname())
            self._listening = await loop.create_unix_server(self._server, sock=sock, **KEEPING_FILE)
        else:
            self._listening = await loop.create_server(self._server, sock=sock)

    async def stop(self) -> None:
        """Close the listener and every connection. Does nothing if it was not started."""
        if self._server is None or self._listening is None:
            return
        self._listening.close()
        await self._server.shutdown(_CLOSING_SECONDS)
        if self._socket_path is not None:
            self._socket_path.unlink(missing_ok=True)
        self._server = self._listening = self._socket_path = None

    async def _handle(self, request: BaseRequest) -> StreamResponse:
        problem = objection(request.raw_headers, local_end(request), self._allowed_hosts)
        if problem is not None:
            return refusal(problem)
        path, _, query = request.raw_path.partition("?")
        resource = self._resources.get(path, _NOWHERE)
        if request.method not in resource.methods:
            return refusal(METHOD_NOT_ALLOWED, resource.methods)
        if not path.startswith("/"):
            return refusal(MALFORMED)
        if resource.needs_token and not is_authorized(request.raw_headers, self._tokens):
            return refusal(TOKEN_REQUIRED)
        return await resource.answer(_Asked(query, request.headers.get("Accept", "")))

    async def _liveness(self, asked: _Asked) -> StreamResponse:
        return answer("ok", _PLAIN)

    async def _readiness(self, asked: _Asked) -> StreamResponse:
        """200 or 503; `?provider=` asks for one (or several), `?verbose` gives a line for each."""
        query, snapshot = parse_qs(asked.query, keep_blank_values=True), self._status()
        wanted = query.get("provider")
        providers = tuple(one for one in snapshot.providers if wanted is None or one.name in wanted)
        if wanted is not None and len(providers) < len(set(wanted)):
            return refusal(NO_PROVIDER)
        reason = unready_because(snapshot, providers)
        status = 200 if reason is None else 503
        if _JSON in asked.accept:
            return answer(readiness_document(reason, providers, snapshot.store), _JSON, status=status)
        verdict = "ok" if reason is None else f"not ready: {reason}"
        if "verbose" in query:
            lines = [*map(health_line, providers), *store_lines(snapshot.store), verdict]
            verdict = "".join(f"{line}\n" for line in lines)
        return answer(verdict, _PLAIN, status=status)

    async def _figures(self, asked: _Asked) -> StreamResponse:
        return answer(*await self._metrics.exposed(asked.accept))

    async def _page(self, asked: _Asked) -> StreamResponse:
        return answer(status_page(self._status()), "text/html; charset=utf-8", policy=POLICY)

    async def _status_document(self, asked: _Asked) -> StreamResponse:
        return answer(status_document(self._status()), _JSON)

    async def _reloaded(self, asked: _Asked) -> StreamResponse:
        """200, or 409 with every mistake of a configuration that was not taken."""
        assert self._reload is not None
        if self._status().draining:
            return refusal(DRAINING)
        report = await self._reload()
        done = answer(reload_document(report), _JSON, status=409 if report.errors else 200)
        done.force_close()  # A body that came along is not read, and must not be taken for the next request.
        return done


async def _nothing(asked: _Asked) -> StreamResponse:
    return refusal(NOT_FOUND)


_NOWHERE = _Resource(_nothing)
