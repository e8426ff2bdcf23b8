"""The listener: aiohttp's server machinery, with our own words where it would use its own.

Everything that depends on how aiohttp's server works inside stands here.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import http_parser
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web import BaseRequest, RequestHandler, Server, StreamResponse
from aiohttp.web_protocol import RequestPayloadError, _ErrInfo

from proxy.errors import HeadersTooLarge, MalformedRequest, ProxyError, TargetTooLong
from proxy.gateway.gateway import Gateway
from proxy.gateway.passage import Done
from proxy.gateway.refusal import refusal
from proxy.gateway.relay import abort
from proxy.listening import SocketFile, is_admitted

# Different by one, since aiohttp's LineTooLong tells only by its limit which line it was.
_MAX_TARGET = 8190
_MAX_FIELD = 8191
_MAX_FIELDS = 128
# Also bounds the time for a request's head; aiohttp has no other limit for slow headers.
_KEEP_ALIVE_SECONDS = 15.0
# How long an answered caller may go on sending a body that nobody wants before the connection is closed.
_LINGERING_SECONDS = 1.0
# aiohttp takes 0 for "wait as long as it takes".
_CUT_OFF_SECONDS = 0.1
# How long callers who are connected may still begin a request when everything ends, and how often that is looked at.
_FAREWELL_SECONDS = 0.25
_FAREWELL_LOOKS = 25
# How long complete answers may take to reach slow callers when everything ends, and how often that is looked at.
_DELIVERY_SECONDS = 5.0
_DELIVERY_LOOKS = 250
_READ_BUFFER = 256 * 1024
_BACKLOG = 1024


class Connection(RequestHandler):
    """One caller's connection."""

    __slots__ = ()

    @property
    def is_delivering(self) -> bool:
        """Whether a whole answer is still on its way to the caller."""
        return (
            not self._request_in_progress and self.transport is not None and self.transport.get_write_buffer_size() > 0
        )

    def data_received(self, data: bytes) -> None:
        """As aiohttp's, but whoever waits for the rest of a body learns that it is malformed."""
        super().data_received(data)
        if self._messages and isinstance(self._messages[-1][0], _ErrInfo):
            current = () if self._current_request is None else (self._current_request.content,)
            for payload in (*current, *(payload for _, payload in self._messages)):
                if not payload.is_eof():
                    payload.set_exception(RequestPayloadError())
                    payload.feed_eof()

    async def shutdown(self, timeout: float | None = 15.0) -> None:
        """End the connection; an answer that is cut off must not look complete."""
        if self._request_in_progress:
            abort(self.transport)
        await super().shutdown(timeout)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """Answer what the parser refused, in fixed words: aiohttp's own would repeat the offending line."""
        if self.transport is not None:
            self.transport.write(refusal(parse_error(exc)))
            self.transport.write_eof()
        self.close()  # Whatever comes now is dropped unread.
        return Refused(keep_alive=False)  # type: ignore[return-value]


class Refused(Done):
    """Closes a moment later: what the caller still sends would make the kernel reset the connection, and a reset
    takes the answer with it if the caller has not read it yet (RFC 9112 §9.6).
    """

    async def write_eof(self) -> None:
        await asyncio.sleep(_LINGERING_SECONDS)  # Cancelled when the caller hangs up.


class Listener(Server):
    """Accepts connections for a gateway."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway.handle, handler_cancellation=True)  # type: ignore[arg-type]
        self._listening: asyncio.Server | None = None
        self._socket_path: Path | None = None
        self._socket_file = SocketFile()
        self._spare: socket.socket | None = None
        self._queued: list[socket.socket] = []

    def __call__(self) -> Connection:
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            lingering_time=_LINGERING_SECONDS,
            max_line_size=_MAX_TARGET,
            max_field_size=_MAX_FIELD,
            max_headers=_MAX_FIELDS,
            read_bufsize=_READ_BUFFER,
        )

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if not is_admitted(transport.get_extra_info("socket"), self._socket_file):
            transport.abort()

    async def listen(self, sock: socket.socket, socket_file: SocketFile = SocketFile()) -> None:  # noqa: B008 - frozen
        """Begin to accept on a bound socket; `socket_file` says who may connect if it is one."""
        loop = asyncio.get_running_loop()
        self._socket_file = socket_file
        self._spare = sock.dup()
        if sock.family == socket.AF_UNIX:
            self._socket_path = Path(sock.getsockname())
            self._listening = await loop.create_unix_server(self, sock=sock, backlog=_BACKLOG)
        else:
            self._listening = await loop.create_server(self, sock=sock, backlog=_BACKLOG)

    def stop_accepting(self) -> None:
        """Close the listening socket; callers who are in the kernel's queue for it are not turned away."""
        if self._listening is not None:
            self._listening.close()
        if self._spare is not None:
            with self._spare as spare, suppress(OSError):
                spare.setblocking(False)
                while True:
                    self._queued.append(spare.accept()[0])
            self._spare = None
        if self._socket_path is not None:
            # Now and not when everything is over: by then the path may be another process's.
            self._socket_path.unlink(missing_ok=True)
            self._socket_path = None

    async def farewell(self) -> None:
        """Wait a moment for requests on connections that were accepted already: their callers expect an answer.

        While the gateway drains, each answer ends its connection; so this takes its whole time only for idle ones.
        """
        for sock in self._queued:
            await asyncio.get_running_loop().connect_accepted_socket(self, sock)
        self._queued = []
        for _ in range(_FAREWELL_LOOKS):
            if not self.connections:
                return
            await asyncio.sleep(_FAREWELL_SECONDS / _FAREWELL_LOOKS)

    async def close(self) -> None:
        """End every connection; a request that is still under way is cut off."""
        self.stop_accepting()
        for sock in self._queued:
            sock.close()
        await self._deliver()
        await self.shutdown(_CUT_OFF_SECONDS)

    async def _deliver(self) -> None:
        """Wait, for a while, until whole answers have left for callers who are slow to take them."""
        for _ in range(_DELIVERY_LOOKS):
            if not any(isinstance(one, Connection) and one.is_delivering for one in self.connections):
                return
            await asyncio.sleep(_DELIVERY_SECONDS / _DELIVERY_LOOKS)


def parse_error(error: BaseException | None) -> ProxyError:
    """Which of our errors a refusal of aiohttp's parser is."""
    if isinstance(error, LineTooLong):
        return TargetTooLong() if error.args[1] == _MAX_TARGET else HeadersTooLarge()
    return MalformedRequest()


def check_parser() -> None:
    """Refuse to work with aiohttp's pure-Python parser, which lets through what the C parser refuses."""
    parser: Any = http_parser.HttpRequestParser
    if parser.__module__ != "aiohttp._http_parser":
        raise RuntimeError("aiohttp's C parser is not in use; unset AIOHTTP_NO_EXTENSIONS and install a binary wheel")
