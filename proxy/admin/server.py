"""The admin listener: what it has is a table of resources, each of which says who may ask for it, and how."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

from proxy.admin.actions import Actions
from proxy.admin.answers import MALFORMED, METHOD_NOT_ALLOWED, NOT_FOUND, TOKEN_REQUIRED, refusal
from proxy.admin.asked import Asked, Resource
from proxy.admin.authority import Authority
from proxy.admin.connections import Connections, local_end
from proxy.admin.control import Control
from proxy.admin.events import Events
from proxy.admin.guard import objection
from proxy.admin.health import Health
from proxy.admin.page import page_resources
from proxy.admin.signing_in import SigningIn
from proxy.admin.status import StatusSnapshot
from proxy.clock import Clock
from proxy.journal.pulse import Pulse
from proxy.listening import KEEPING_FILE, SocketFile
from proxy.metrics import Metrics
from proxy.secret import Secret
from proxy.wire.aiohttp_parts import BaseRequest, StreamResponse

# Answers here are small and made at once; longer than this only idle connections are waited for.
_CLOSING_SECONDS = 0.1


class AdminServer:
    """Answers on one listening socket, from `status()`, `metrics` and `pulse`; has `actions` done."""

    def __init__(
        self, status: Callable[[], StatusSnapshot], metrics: Metrics, actions: Actions, pulse: Pulse, clock: Clock
    ) -> None:
        self._authority = Authority()
        self._events = Events(status, pulse, clock.wall)
        self._resources = {
            **page_resources(),
            **Health(status, metrics).resources,
            **Control(status, actions).resources,
            **self._events.resources,
            **SigningIn(self._authority).resources,
        }
        self.allow((), ())
        self._server: Connections | None = None
        self._listening: asyncio.Server | None = None
        self._socket_path: Path | None = None

    def allow(self, hosts: Iterable[str], tokens: Iterable[Secret]) -> None:
        """From now on answer these Host values, beside the listener's own address and the loopback names.

        What needs a token is for whoever has one of these.
        """
        self._allowed_hosts = tuple(hosts)
        self._authority.trust(tokens)

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
        self._events.end()
        await self._server.shutdown(_CLOSING_SECONDS)
        if self._socket_path is not None:
            self._socket_path.unlink(missing_ok=True)
        self._server = self._listening = self._socket_path = None

    async def _handle(self, request: BaseRequest) -> StreamResponse:
        here = local_end(request)
        problem = objection(request.raw_headers, here, self._allowed_hosts)
        if problem is not None:
            return refusal(problem)
        path, _, query = request.raw_path.partition("?")
        resource = self._resources.get(path, _NOWHERE)
        if request.method not in resource.methods:
            return refusal(METHOD_NOT_ALLOWED, resource.methods)
        if not path.startswith("/"):
            return refusal(MALFORMED)
        asked = Asked(request, query, None if here is None else here[1])
        if resource.needs_token and not self._authority.allows(request.raw_headers, asked.port):
            return refusal(TOKEN_REQUIRED)
        return await resource.answer(asked)


async def _nothing(asked: Asked) -> StreamResponse:
    return refusal(NOT_FOUND)


_NOWHERE = Resource(_nothing)
