"""The chunked transfer coding (RFC 9112 §7.1), undone by aiohttp's C parser (llhttp). Trailers are dropped."""

from __future__ import annotations

import asyncio
from typing import Any

from proxy.wire.aiohttp_parts import HttpProcessingError, HttpRequestParser, HttpResponseParser

# The parser wants a header section before a body. It stops behind the body of a request that asks for another
# protocol, and says where: the only way to learn what lies behind the last chunk.
_REQUEST = (
    b"POST / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n"
)
# Behind a last answer the parser takes nothing more: bytes there are an error.
_RESPONSE = b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
# The parser's reader is emptied after each piece, so that neither of its limits is ever reached.
_NO_LIMIT = 2**31 - 1
_LINE = 8190


class BadChunk(ValueError):
    """The body is not what its coding says."""


class _NoFlow:
    """Takes the place of a protocol: how much is read is decided by whoever owns the decoder."""

    def pause_reading(self) -> None:
        pass

    def resume_reading(self, resume_parser: bool = True) -> None:
        pass


class ChunkDecoder:
    """Decodes one body."""

    __slots__ = ("_parser", "_payload", "is_complete")

    def __init__(self, parser: Any, head: bytes) -> None:
        self._parser = parser
        ((_, self._payload),), _, _ = parser.feed_data(head)
        self.is_complete = False

    @classmethod
    def of_request(cls, loop: asyncio.AbstractEventLoop) -> ChunkDecoder:
        """Strict, and tells what lies behind the body."""
        return cls(HttpRequestParser(_NoFlow(), loop, _NO_LIMIT, auto_decompress=False), _REQUEST)  # type: ignore[arg-type]

    @classmethod
    def of_response(cls, loop: asyncio.AbstractEventLoop) -> ChunkDecoder:
        """As lenient as clients are with what servers send; whatever lies behind the body is an error."""
        parser = HttpResponseParser(_NoFlow(), loop, _NO_LIMIT, max_line_size=_LINE, auto_decompress=False)  # type: ignore[arg-type]
        return cls(parser, _RESPONSE)

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """What these bytes decode to, and what lies behind the body. Raises BadChunk."""
        payload = self._payload
        try:
            _, _, behind = self._parser.feed_data(data)
        except HttpProcessingError:
            # Of a whole body that something lies behind, the body still counts.
            if not payload.is_eof():
                raise BadChunk from None
            behind = b"?"
        if payload.exception() is not None:
            raise BadChunk
        self.is_complete = payload.is_eof()
        return payload.read_nowait(-1), behind
