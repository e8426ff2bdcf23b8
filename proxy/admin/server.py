"""The admin listener: /livez, /readyz, /metrics and the status page. GET and HEAD, and nothing else."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Callable, Iterable
from math import isinf
from pathlib import Path
from urllib.parse import parse_qs

from aiohttp.web import BaseRequest, RequestHandler, Server, StreamResponse

from proxy.admin.answers import (
    INTERNAL_ERROR,
    MALFORMED,
    METHOD_NOT_ALLOWED,
    NO_PROVIDER,
    NOT_FOUND,
    answer,
    refusal,
)
from proxy.admin.guard import SocketName, objection
from proxy.admin.page import POLICY, status_page
from proxy.admin.status import ProviderStatus, StatusSnapshot, health, health_line, unready_because
from proxy.listening import SocketFile, is_admitted
from proxy.metrics import Metrics

_log = logging.getLogger("authproxy.admin")

_PLAIN = "text/plain; charset=utf-8"
# Also bounds the time for a request's head; Prometheus opens a connection anew when it comes less often.
_KEEP_ALIVE_SECONDS = 15.0
# Answers here are small and made at once; longer than this only idle connections are waited for.
_CLOSING_SECONDS = 0.1


class AdminServer:
    """Answers on one listening socket, from `status()` and `metrics`.

    `allowed_hosts` are Host values that are answered beside the listener's own address and the loopback names.
    """

    def __init__(
        self, status: Callable[[], StatusSnapshot], metrics: Metrics, allowed_hosts: Iterable[str] = ()
    ) -> None:
        self._status = status
        self._metrics = metrics
        self.allow(allowed_hosts)
        self._server: _ReadingServer | None = None
        self._listening: asyncio.Server | None = None
        self._socket_path: Path | None = None

    def allow(self, hosts: Iterable[str]) -> None:
        """Answer these Host values from now on, beside the listener's own address and the loopback names."""
        self._allowed_hosts = tuple(hosts)

    async def start(self, sock: socket.socket, socket_file: SocketFile = SocketFile()) -> None:  # noqa: B008 - frozen
        """Begin to accept on a bound socket; `socket_file` says who may connect if it is one."""
        loop = asyncio.get_running_loop()
        self._server = _ReadingServer(self._handle)
        self._server.socket_file = socket_file
        if sock.family == socket.AF_UNIX:
            self._socket_path = Path(sock.getsockname())
            self._listening = await loop.create_unix_server(self._server, sock=sock)
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
        problem = objection(request.raw_headers, _local_end(request), self._allowed_hosts)
        if problem is not None:
            return refusal(problem)
        if request.method not in ("GET", "HEAD"):
            return refusal(METHOD_NOT_ALLOWED)
        path, _, query = request.raw_path.partition("?")
        if not path.startswith("/"):
            return refusal(MALFORMED)
        accept = request.headers.get("Accept", "")
        match path:
            case "/livez":
                return answer("ok", _PLAIN)
            case "/readyz":
                return self._readiness(parse_qs(query, keep_blank_values=True), accept)
            case "/metrics":
                return answer(*self._metrics.exposition(accept))
            case "/":
                return answer(status_page(self._status()), "text/html; charset=utf-8", policy=POLICY)
            case _:
                return refusal(NOT_FOUND)

    def _readiness(self, query: dict[str, list[str]], accept: str) -> StreamResponse:
        """200 or 503; `?provider=` asks for one (or several), `?verbose` gives a line for each."""
        snapshot = self._status()
        wanted = query.get("provider")
        providers = tuple(one for one in snapshot.providers if wanted is None or one.name in wanted)
        if wanted is not None and len(providers) < len(set(wanted)):
            return refusal(NO_PROVIDER)
        reason = unready_because(snapshot, providers)
        status = 200 if reason is None else 503
        if "application/json" in accept:
            return answer(_as_json(reason, providers), "application/json", status=status)
        verdict = "ok" if reason is None else f"not ready: {reason}"
        if "verbose" in query:
            verdict = "".join(f"{line}\n" for line in [*map(health_line, providers), verdict])
        return answer(verdict, _PLAIN, status=status)


class _Connection(RequestHandler):
    """One caller's connection."""

    __slots__ = ()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """Answer what the parser refused or what failed here, in fixed words: aiohttp's own repeat the input."""
        if status < 500:
            return refusal(MALFORMED)
        _log.error("internal error", exc_info=exc)
        return refusal(INTERNAL_ERROR)


class _ReadingServer(Server):
    socket_file = SocketFile()

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if not is_admitted(transport.get_extra_info("socket"), self.socket_file):
            transport.abort()

    def __call__(self) -> _Connection:
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            lingering_time=0.0,
        )


def _local_end(request: BaseRequest) -> SocketName:
    name = request.get_extra_info("sockname")
    return (name[0], name[1]) if isinstance(name, tuple) else None


def _as_json(reason: str | None, providers: Iterable[ProviderStatus]) -> str:
    described = [
        {
            "name": provider.name,
            "state": health(provider),
            "error": provider.last_error,
            "expires_in": _whole(provider.expires_in),
            "next_attempt_in": _whole(provider.next_attempt_in),
        }
        for provider in providers
    ]
    return json.dumps({"ready": reason is None, "reason": reason, "providers": described})


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None or isinf(seconds) else int(seconds)
