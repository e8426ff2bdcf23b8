"""A loopback HTTP server that hands over requests as they came and sends answers as they are meant.

It decodes nothing but the framing: no percent-encoding, no content coding, no cookies, no redirects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import ClientPayloadError, web
from aiohttp.http_exceptions import BadHttpMessage

from proxy.sandbox.wire import CUT_SHORT, Answer, Received

MOST_FIELD_BYTES = 64 * 1024


class RawServer:
    """One listening port; `receive` gets each request once its body is complete, or has ended too soon."""

    def __init__(self, receive: Callable[[Received], Awaitable[Answer]], host: str, port: int) -> None:
        self._receive = receive
        self._host, self._port = host, port
        self._machinery: web.Server | None = None
        self._listener: asyncio.Server | None = None

    @property
    def authority(self) -> str:
        return f"{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen; port 0 becomes a free one, which is kept over a stop and another start."""
        self._machinery = web.Server(
            self._serve,
            access_log=None,
            auto_decompress=False,
            max_line_size=MOST_FIELD_BYTES,
            max_field_size=MOST_FIELD_BYTES,
        )
        self._listener = await asyncio.get_running_loop().create_server(self._machinery, self._host, self._port)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
        if self._machinery is not None:
            await self._machinery.shutdown(timeout=0.1)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        received = Received(
            method=request.method,
            target=request.raw_path.encode("utf-8", "surrogateescape"),
            headers=request.raw_headers,
        )
        await _read_body(request, received)
        return await _send(request, await self._receive(received))


async def _read_body(request: web.BaseRequest, received: Received) -> None:
    pieces = []
    try:
        while piece := await request.content.readany():
            pieces.append(piece)
    except (ConnectionError, web.RequestPayloadError, ClientPayloadError, BadHttpMessage):
        received.verdict = CUT_SHORT
    received.body = b"".join(pieces)


async def _send(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    await asyncio.sleep(answer.delay)
    headers = {"Server": "sandbox", **answer.headers}
    if answer.cut and request.transport is not None:
        request.transport.abort()
    if answer.converse is not None:
        return await _converse(request, answer)
    if not answer.pieces:
        return web.Response(status=answer.status, body=answer.body, headers=headers)
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.enable_chunked_encoding()
    await response.prepare(request)
    for piece in answer.pieces if request.method != "HEAD" else ():
        await response.write(piece)
        await asyncio.sleep(answer.pause)
    await response.write_eof()
    return response


async def _converse(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    assert answer.converse is not None
    socket = web.WebSocketResponse(protocols=(answer.protocol,), compress=False)
    await socket.prepare(request)
    await answer.converse(socket)
    return socket
