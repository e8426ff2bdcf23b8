"""The listener: aiohttp's server machinery, each connection of which is a CallerConnection."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from pathlib import Path

from proxy.gateway.caller import CallerConnection
from proxy.gateway.gateway import Gateway
from proxy.listening import KEEPING_FILE, SocketFile, is_admitted
from proxy.wire.aiohttp_parts import RequestHandler, Server
from proxy.wire.outgoing import TurnEnd

# aiohttp takes 0 for "wait as long as it takes".
_CUT_OFF_SECONDS = 0.1
# How long callers who are connected may still begin a request when everything ends, and how often that is looked at.
_FAREWELL_SECONDS = 0.25
_FAREWELL_LOOKS = 25
# Whom asyncio's own loop lets in is a connection some turns later, unless the server was closed meanwhile.
_TURNS_TO_CONNECT = 5
# How long complete answers may take to reach slow callers when everything ends, and how often that is looked at.
_DELIVERY_SECONDS = 5.0
_DELIVERY_LOOKS = 250
_BACKLOG = 1024
# Of those who wait at a listening socket, libuv lets in one for each of its descriptors in a turn of the loop, while
# asyncio's own loop lets in all. One caller alone costs a look more for each descriptor.
_LET_IN_AT_ONCE = 4


class Listener(Server):
    """Accepts connections for a gateway."""

    def __init__(self, gateway: Gateway) -> None:
        # The handler is the connection's own; this one is never called.
        super().__init__(gateway.handle, handler_cancellation=True)  # type: ignore[arg-type]
        self._gateway = gateway
        self._turn_end = TurnEnd()
        self.max_connections = 2048  # May be changed at any time.
        self._listening: list[asyncio.Server] = []
        self._socket_path: Path | None = None
        self._socket_file = SocketFile()
        self._is_file = False
        self._open = 0
        self._spare: socket.socket | None = None
        self._queued: list[socket.socket] = []

    def __call__(self) -> CallerConnection:
        gateway, loop = self._gateway, asyncio.get_running_loop()
        heads = gateway.admission.heads
        return CallerConnection(self, heads, self._turn_end, gateway.handle, gateway.refuse_unread, loop)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._open = count = self._open + 1
        if count > self.max_connections:
            if count > self.max_connections + self.max_connections // 2:
                transport.abort()
            elif isinstance(handler, CallerConnection):
                # Its first request gets an answer that says so; hung up on, a caller would not know why.
                handler.is_surplus = True
        if self._is_file and not is_admitted(transport.get_extra_info("socket"), self._socket_file):
            transport.abort()

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        self._open -= 1
        super().connection_lost(handler, exc)

    async def listen(
        self,
        sock: socket.socket,
        socket_file: SocketFile = SocketFile(),  # noqa: B008 - frozen
        *,
        is_passed: bool = False,
    ) -> None:
        """Begin to accept on a bound socket; `socket_file` says who may connect if it is one.

        One that was passed to us outlives us: its file stays, and who waits in its queue is answered by our successor.
        """
        loop = asyncio.get_running_loop()
        self._socket_file = socket_file
        self._is_file = sock.family == socket.AF_UNIX
        # What is accepted inherits them; to set them on each connection takes longer than to read a request.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if not self._is_file:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._spare = None if is_passed else sock.dup()
        if self._is_file and not is_passed:
            self._socket_path = Path(sock.getsockname())
        more = 0 if isinstance(loop, asyncio.BaseEventLoop) else _LET_IN_AT_ONCE - 1
        for each in (sock, *[sock.dup() for _ in range(more)]):
            if self._is_file:
                server = await loop.create_unix_server(self, sock=each, backlog=_BACKLOG, **KEEPING_FILE)
            else:
                server = await loop.create_server(self, sock=each, backlog=_BACKLOG)
            self._listening.append(server)

    async def stop_accepting(self) -> None:
        """Close the listening socket; callers who are in the kernel's queue for it are not turned away."""
        loop = asyncio.get_running_loop()
        if isinstance(loop, asyncio.BaseEventLoop):
            for sock in [sock for server in self._listening for sock in server.sockets]:
                loop.remove_reader(sock.fileno())
            for _ in range(_TURNS_TO_CONNECT):
                await asyncio.sleep(0)
        for server in self._listening:
            server.close()
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
        await self.stop_accepting()
        for sock in self._queued:
            sock.close()
        await self._deliver()
        await self.shutdown(_CUT_OFF_SECONDS)

    async def _deliver(self) -> None:
        """Wait, for a while, until whole answers have left for callers who are slow to take them."""
        for _ in range(_DELIVERY_LOOKS):
            if not any(isinstance(one, CallerConnection) and one.is_delivering for one in self.connections):
                return
            await asyncio.sleep(_DELIVERY_SECONDS / _DELIVERY_LOOKS)
