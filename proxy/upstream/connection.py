"""One HTTP/1.1 connection to a vendor, on aiohttp's C parser (llhttp).

Used for one exchange at a time: `begin`, write, await `answer`, read the body, and, where both sides are done
and the vendor keeps the connection open, once more.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpResponseParser, RawResponseMessage
from aiohttp.streams import StreamReader

from proxy.errors import UpstreamDisconnected, UpstreamError, UpstreamProtocolError, UpstreamTimeout

# Above this many bytes the vendor is paused until the caller has taken some; see docs/PERFORMANCE.md.
READ_BUFFER = 256 * 1024
_MAX_LINE = 16 * 1024
_MAX_HEADERS = 256
# Interim answers (100, 102, 103) before the final one; more is a flood.
_MAX_INTERIM = 16
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")


class StaleConnection(UpstreamDisconnected):
    """A kept connection ended before a byte of the answer: the vendor had closed it as we began to write."""


class UpstreamConnection(BaseProtocol):
    """`is_reused` tells that an exchange went before; `on_lost` is told when an idle connection ends."""

    __slots__ = (
        "_answer", "_bytes_seen", "_expects_body", "_interim", "_keep_parser", "_payload", "_should_close",
        "idle_since", "is_reused", "on_lost",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, on_lost: Callable[[UpstreamConnection], None]) -> None:
        super().__init__(loop)
        self.on_lost = on_lost
        self.is_reused = False
        self.idle_since = 0.0
        self._answer: asyncio.Future[tuple[RawResponseMessage, StreamReader]] | None = None
        self._payload: StreamReader | None = None
        self._should_close = False
        self._bytes_seen = False
        self._expects_body = True
        self._interim = 0
        self._keep_parser = False

    # --- one exchange ---------------------------------------------------------------------------------

    def begin(self, *, expects_body: bool) -> None:
        """Make ready for an answer; `expects_body` is False for HEAD, whose answer never has one."""
        if self._parser is None or not self._keep_parser or not expects_body:
            self._parser = HttpResponseParser(
                self,
                self._loop,
                READ_BUFFER,
                max_line_size=_MAX_LINE,
                max_headers=_MAX_HEADERS,
                max_field_size=_MAX_LINE,
                payload_exception=UpstreamProtocolError,
                response_with_body=expects_body,
                read_until_eof=True,
                auto_decompress=False,
            )
            self._keep_parser = expects_body
        self._answer = self._loop.create_future()
        self._payload = None
        self._expects_body = expects_body
        self._bytes_seen = False
        self._interim = 0

    def write(self, octets: bytes) -> None:
        """Queue bytes. Raises UpstreamDisconnected when the connection is gone."""
        if not self.is_open:
            raise self._disconnected()
        assert self.transport is not None
        self.transport.write(octets)

    async def drain(self) -> None:
        """Wait while the vendor takes no more."""
        if self._paused:
            try:
                await self._drain_helper()
            except ConnectionError:
                raise self._disconnected() from None

    @property
    def answer(self) -> asyncio.Future[tuple[RawResponseMessage, StreamReader]]:
        """The final answer's head and its body's reader, or an UpstreamError."""
        assert self._answer is not None
        return self._answer

    @property
    def is_open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def give_up(self) -> None:
        """The vendor took too long: the answer, or the rest of its body, is an UpstreamTimeout."""
        self._fail(UpstreamTimeout())

    @property
    def is_reusable(self) -> bool:
        """Whether the exchange ended cleanly, in both directions, and the vendor keeps the connection open."""
        return (
            self.is_open
            and self.transport is not None
            and not self.transport.get_write_buffer_size()
            and not self._should_close
            and self._payload is not None
            and self._payload.is_eof()
            and self._payload.exception() is None
        )

    def rest(self, now: float) -> None:
        """The exchange is over and the connection is kept."""
        self._answer = None
        self._payload = None
        self.is_reused = True
        self.idle_since = now

    def close(self) -> None:
        """End the connection at once; what was not written is lost."""
        self._parser = None  # It would take this for the vendor's end of a body that has no length.
        if self.transport is not None:
            self.transport.abort()

    # --- asyncio.Protocol -----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._parser is None:
            if data:
                self.close()  # Nobody asked: these bytes would be read as the next caller's answer.
            return
        self._bytes_seen = self._bytes_seen or bool(data)
        if self._expects_body:
            self._parse(data)
            return
        for line in _LINE.findall(data):
            if self._answer.done():
                self._should_close = True  # Some servers send a body after all; it is nobody's.
                return
            self._parse(line)

    def _parse(self, data: bytes) -> None:
        assert self._parser is not None
        try:
            messages, upgraded, tail = self._parser.feed_data(data)
        except HttpProcessingError:
            self._fail(UpstreamProtocolError())
            return
        for message, payload in messages:
            self._take(message, payload)
        if upgraded or tail:
            self._fail(UpstreamProtocolError())

    def connection_lost(self, exc: BaseException | None) -> None:
        error = self._disconnected() if exc is None or isinstance(exc, ConnectionError) else UpstreamDisconnected()
        if self._parser is not None and exc is None:
            try:
                self._parser.feed_eof()  # Completes a body that is delimited by the end of the connection.
            except HttpProcessingError:
                pass
        super().connection_lost(exc)
        self._fail(error)
        self._parser = None
        self.on_lost(self)

    def _take(self, message: RawResponseMessage, payload: StreamReader) -> None:
        assert self._answer is not None
        if self._answer.done():
            self._should_close = True  # An answer to nothing; `is_reusable` must say no.
            self._fail(UpstreamProtocolError())
        elif message.code >= 200:
            self._should_close = self._should_close or message.should_close
            self._payload = payload
            self._answer.set_result((message, payload))
        else:
            self._interim += 1
            if message.code == 101 or message.code < 100 or self._interim > _MAX_INTERIM:
                self._fail(UpstreamProtocolError())

    def _fail(self, error: UpstreamError) -> None:
        self._should_close = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
            self._answer.exception()  # Retrieved here, so that a caller who left causes no warning.
        if self._payload is not None and not self._payload.is_eof() and self._payload.exception() is None:
            self._payload.set_exception(error)
        self.close()

    def _disconnected(self) -> UpstreamDisconnected:
        return StaleConnection() if self.is_reused and not self._bytes_seen else UpstreamDisconnected()
