"""Connections of the admin listener: aiohttp's, with our own words where it would use its own."""

from __future__ import annotations

import asyncio
import logging

from proxy.admin.answers import INTERNAL_ERROR, MALFORMED, refusal
from proxy.admin.guard import SocketName
from proxy.listening import SocketFile, is_admitted
from proxy.wire.aiohttp_parts import BaseRequest, RequestHandler, Server, StreamResponse

_log = logging.getLogger("authproxy.admin")

# Also bounds the time for a request's head; Prometheus opens a connection anew when it comes less often.
HEAD_SECONDS = 15.0
# Those who look are few, and callers shall not be without files for them.
MAX_CONNECTIONS = 100


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


class Connections(Server):
    """All of them; `socket_file` says who may connect, if the listener is one."""

    socket_file = SocketFile()

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if len(self.connections) > MAX_CONNECTIONS or not is_admitted(
            transport.get_extra_info("socket"), self.socket_file
        ):
            transport.abort()

    def __call__(self) -> _Connection:
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,
            keepalive_timeout=HEAD_SECONDS,
            lingering_time=0.0,
        )


def local_end(request: BaseRequest) -> SocketName:
    """Our own end of the request's connection; None for a socket file."""
    name = request.get_extra_info("sockname")
    return (name[0], name[1]) if isinstance(name, tuple) else None
