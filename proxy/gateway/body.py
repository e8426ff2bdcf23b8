"""A caller's body: read once; held where a signature needs it, remembered while it is small enough to send again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestPayloadError

from proxy.errors import BodyTooLarge, CallerTooSlow, MalformedRequest
from proxy.gateway.headers import RawHeaders

# A body that a signature covers is held in memory; this bounds it where the route names no max_body.
HELD_LIMIT = 16 * 1024 * 1024
# What came with the head, usually: waiting for it costs nothing and makes a replay possible.
_SMALL = 64 * 1024
_REPLAY_LIMIT = 1024 * 1024
_IDLE_SECONDS = 30.0


class CallerGone(ConnectionError):
    """The caller hung up."""


class CallerBody:
    """`declared` is the Content-Length in bytes, None without one; `limit` in bytes, None for none.

    `on_read` is called once, before the first byte is awaited: it may invite the caller to send (100-continue).
    """

    def __init__(
        self,
        content: StreamReader,
        *,
        declared: int | None,
        is_chunked: bool,
        limit: int | None,
        on_read: Callable[[], None],
    ) -> None:
        if declared is not None and limit is not None and declared > limit:
            raise BodyTooLarge
        self._content = content
        self._declared = declared
        self._is_chunked = is_chunked
        self._limit = limit
        self._on_read = on_read
        self._has_begun = False
        self._kept: list[bytes] | None = []
        self.bytes_read = 0
        self.held: bytes | None = None if is_chunked or declared else b""

    @property
    def is_small(self) -> bool:
        return self._declared is not None and self._declared <= _SMALL

    @property
    def framing(self) -> RawHeaders:
        """The header that says where the body ends; none where the caller announced no body."""
        if not self._is_chunked:
            return () if self._declared is None else ((b"Content-Length", b"%d" % self._declared),)
        if self.held is not None:
            return ((b"Content-Length", b"%d" % len(self.held)),)
        return ((b"Transfer-Encoding", b"chunked"),)

    async def hold(self) -> bytes:
        """The whole body. Raises BodyTooLarge, CallerTooSlow or MalformedRequest."""
        if self.held is None:
            pieces = [piece async for piece in self._pieces()]
            self.held = b"".join(pieces)
        return self.held

    async def framed(self) -> AsyncIterator[bytes]:
        """The body in pieces, in the framing that `framing` names; to be iterated once."""
        async for piece in self._pieces():
            self._remember(piece)
            yield b"%x\r\n%b\r\n" % (len(piece), piece) if self._is_chunked else piece
        if self._kept is not None:
            self.held = b"".join(self._kept)
        if self._is_chunked:
            yield b"0\r\n\r\n"

    async def _pieces(self) -> AsyncIterator[bytes]:
        if not self._has_begun:
            self._has_begun = True
            self._on_read()
        while piece := await self._next():
            self.bytes_read += len(piece)
            if self._limit is not None and self.bytes_read > self._limit:
                raise BodyTooLarge
            yield piece

    async def _next(self) -> bytes:
        if self._content.is_eof() and self._content.exception() is None:
            return self._content.read_nowait(-1)  # It came with the head: no time-out to set and take back.
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                return await self._content.readany()
        except TimeoutError:
            raise CallerTooSlow from None
        except ConnectionError:
            raise CallerGone from None
        except (RequestPayloadError, HttpProcessingError):
            raise MalformedRequest from None

    def _remember(self, piece: bytes) -> None:
        if self._kept is not None:
            self._kept.append(piece)
            if self.bytes_read > _REPLAY_LIMIT:
                self._kept = None
