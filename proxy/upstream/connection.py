"""One HTTP/1.1 connection to a vendor.

Used for one exchange at a time: `begin`, `write`, await `answer`, read its body, and, where both sides are done
and the vendor keeps the connection open, once more.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from fcntl import ioctl
from termios import TIOCOUTQ

from proxy.errors import UpstreamDisconnected, UpstreamError, UpstreamProtocolError, UpstreamTimeout
from proxy.upstream.last_words import MUCH, LastWords
from proxy.upstream.tls import said_farewell
from proxy.wire.aiohttp_parts import BadHttpMessage, HttpProcessingError, RawResponseMessage
from proxy.wire.arrived import Arrived
from proxy.wire.chunks import BadChunk, ChunkDecoder
from proxy.wire.deadline import Deadline
from proxy.wire.head_memory import HeadMemory
from proxy.wire.heads import response_heads
from proxy.wire.incoming import Incoming
from proxy.wire.outgoing import Outgoing, TurnEnd

MAX_LINE = 16 * 1024
MAX_FIELDS = 256
MAX_HEAD = 256 * 1024
# Interim answers (100, 102, 103) before the final one; more is a flood.
MAX_INTERIM = 16
_BODYLESS = frozenset({204, 304})
_VERSIONS = frozenset({(1, 0), (1, 1)})

RawHeaders = tuple[tuple[bytes, bytes], ...]


class StaleConnection(UpstreamDisconnected):
    """A kept connection ended before a byte of the answer: the vendor had closed it as we began to write."""


class VendorHead:
    """The head of a vendor's answer. The same object may be a later answer's too, if that was the same to the byte.

    `length` is the Content-Length in bytes, None without one. `may_have_body` is what the status says of it. `lines` is
    the gateway's: what it passes on of this head. Filled in by `vendor_head`.
    """

    __slots__ = ("headers", "is_chunked", "length", "lines", "may_have_body", "should_close", "status")

    status: int
    headers: RawHeaders
    is_chunked: bool
    should_close: bool
    length: int | None
    may_have_body: bool
    lines: bytes | None


def vendor_head(message: RawResponseMessage) -> VendorHead:
    """Of what the parser read. Raises BadHttpMessage."""
    headers = message.headers
    if message.version not in _VERSIONS:
        raise BadHttpMessage("not HTTP/1")
    if "Transfer-Encoding" in headers:
        _check_codings(message)
    head = VendorHead()
    head.status = status = message.code
    head.headers = message.raw_headers
    head.is_chunked = message.chunked
    head.should_close = message.should_close
    length = headers.get("Content-Length")
    head.length = None if length is None else int(length)
    head.may_have_body = status not in _BODYLESS
    head.lines = None
    return head


def _check_codings(message: RawResponseMessage) -> None:
    """Raise BadHttpMessage for a body whose end we would not find where the vendor sees it (RFC 9112 §6.1).

    The parser lets through what it takes for a body up to the connection's end, or for one that is compressed besides.
    """
    codings = [coding.lower() for coding in message.headers.getall("Transfer-Encoding")]
    if message.version != (1, 1) or codings != ["chunked"]:
        raise BadHttpMessage("another coding than chunked")


class UpstreamConnection(asyncio.Protocol):
    """`is_reused` tells that an exchange went before; `on_lost` is told when the connection has ended. `raw` is what
    carries TLS, where there is TLS; whoever connects says so.

    `deadline` is for whoever waits: it makes the answer, or what is left of its body, an UpstreamTimeout.
    """

    __slots__ = (
        "_answer", "_begun_at", "_bytes_seen", "_drain_waiter", "_expects_body", "_has_answered", "_heads", "_interim",
        "_last_words", "_loop", "_may_switch", "_outgoing", "_should_close", "_transport", "_turn_end", "_was_ended",
        "body", "deadline", "idle_since", "is_reused", "on_lost", "raw", "writing_paused",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        memory: HeadMemory[bytes, VendorHead],
        turn_end: TurnEnd,
        on_lost: Callable[[UpstreamConnection], None],
    ) -> None:
        self._loop = loop
        self._turn_end = turn_end
        self._heads = response_heads(
            loop,
            vendor_head,
            memory,
            max_line=MAX_LINE,
            max_field=MAX_LINE,
            max_fields=MAX_FIELDS,
            max_head=MAX_HEAD,
        )
        self._transport: asyncio.Transport | None = None
        self.raw: asyncio.Transport | None = None
        self._last_words: LastWords | None = None
        self._answer: asyncio.Future[VendorHead] | None = None
        self._drain_waiter: asyncio.Future[None] | None = None
        self.writing_paused = False
        self._should_close = False
        self._may_switch = False
        self._bytes_seen = False
        # How often had been written when the exchange began: before it is more often, nothing of the request has left.
        self._begun_at = 0
        self._expects_body = True
        self._was_ended = False
        self._has_answered = False
        self._interim = 0
        self.body: Arrived | Incoming | None = None
        self.deadline = Deadline(loop, self.give_up)
        self.on_lost = on_lost
        self.is_reused = False
        self.idle_since = 0.0

    # --- One exchange ---------------------------------------------------------------------------------

    def begin(self, *, expects_body: bool) -> asyncio.Future[VendorHead]:
        """Make ready for an answer; `expects_body` is False for HEAD, whose answer never has one.

        The future is of the final answer's head, or an UpstreamError. Then `body` is what comes behind it.
        """
        self._answer = self._loop.create_future()
        self.body = None
        self._expects_body = expects_body
        self._bytes_seen = self._has_answered = False
        self._interim = 0
        self._begun_at = self._outgoing.flushes
        return self._answer

    def use_once(self) -> None:
        """What follows is one exchange, in which the vendor may switch to another protocol (101), and no other.

        After a 101 `body` is all that comes, until the end.
        """
        self._should_close = self._may_switch = True

    def write(self, octets: bytes) -> None:
        """Queue bytes. Raises UpstreamDisconnected when the connection is gone."""
        if self._transport is None or self._transport.is_closing():
            raise self._disconnected()
        self._outgoing.write(octets)

    def offer(self, octets: bytes) -> bool:
        """As `write`, and whether more may come at once; nothing is raised, for `drain` will."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._outgoing.write(octets)
        return not self.writing_paused

    def hear_last_words(self) -> None:
        """For a body that is sent in parts: a vendor may answer before he has read all of it, and hang up.

        When a write has failed the answer is still with the kernel, and from now on it is read there, over TLS too.
        """
        if self.raw is not None and self._last_words is None and not self.raw.is_closing():
            self._last_words = LastWords(self.raw, self._has_sent)

    def write_eof(self) -> None:
        """Tell the vendor that nothing more will be written, where the connection can (TLS cannot)."""
        if self._transport is not None and self._transport.can_write_eof():
            self._outgoing.flush()
            self._transport.write_eof()

    def unsent(self) -> int:
        """How many bytes the vendor's machine has not taken yet, as far as that can be told."""
        transport = self._transport
        if transport is None:
            return 0
        return self._outgoing.waiting() + transport.get_write_buffer_size() + _in_kernel(self.socket)

    async def drain(self) -> None:
        """Wait while the vendor takes no more."""
        while self.writing_paused:
            if self._drain_waiter is None or self._drain_waiter.done():  # Somebody gave up waiting for the last one.
                self._drain_waiter = self._loop.create_future()
            await self._drain_waiter
        if self._transport is None or self._transport.is_closing():
            raise self._disconnected()

    @property
    def socket(self) -> socket.socket | None:
        return None if self._transport is None else self._transport.get_extra_info("socket")

    @property
    def transport(self) -> asyncio.Transport | None:
        return self._transport

    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def give_up(self) -> None:
        """The vendor took too long: the answer, or the rest of its body, is an UpstreamTimeout."""
        self._fail(UpstreamTimeout)

    def rest(self, now: float) -> bool:
        """End the exchange; whether it ended cleanly, in both directions, and the connection may be kept."""
        body, transport = self.body, self._transport
        if (
            self._should_close
            or not self._has_answered
            or (body is not None and not body.is_complete)
            or transport is None
            or transport.is_closing()
            or not self._outgoing.is_empty()
        ):
            return False
        if self._last_words is not None:
            self._last_words.end()
            self._last_words = None
        self._answer = self.body = None
        self.is_reused = True
        self.idle_since = now
        return True

    def end(self, seconds: float) -> None:
        """End the connection when all that was written has gone out, or after so many seconds."""
        self._should_close = True
        self.deadline.set(seconds)
        if self._transport is not None:
            self._outgoing.flush()
            self._transport.close()

    def close(self) -> None:
        """End the connection at once; what was not written is lost."""
        self._should_close = True
        self.deadline.close()
        if self._transport is not None:
            self._outgoing.drop()
            self._transport.abort()

    # --- asyncio.Protocol -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._outgoing = Outgoing(self._loop, transport, self._turn_end)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        if self._answer is None or (self._should_close and not self._is_reading):
            self.close()  # Nobody asked: these bytes would be read as the next caller's answer.
            return
        if not self._bytes_seen:
            if self.is_reused and self._outgoing.flushes == self._begun_at:
                self._fail(self._disconnected())  # These bytes answer nothing that was asked.
                return
            self._bytes_seen = True
        try:
            if not self._has_answered:
                data = self._read_heads(data)
            if data and self._has_answered:
                self._read_body(data)
        except (HttpProcessingError, BadChunk):
            self._fail(UpstreamProtocolError)

    def eof_received(self) -> None:
        self._was_ended = self._transport is not None and said_farewell(self._transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if isinstance(exc, ConnectionError) and self.raw is None and self._has_sent():
            self._read_last_words()
        self._transport = self.raw = self._last_words = None
        self.writing_paused = False
        if self._drain_waiter is not None and not self._drain_waiter.done():
            self._drain_waiter.set_result(None)
        body = self.body
        # What went wrong behind the vendor's own end concerns what it did not take of the request.
        if self._was_ended and isinstance(body, Incoming) and not body.is_bounded:
            body.end()
        self._fail(self._disconnected() if exc is None or isinstance(exc, ConnectionError) else UpstreamDisconnected)
        if body is not None:
            body.part()
        self.on_lost(self)

    def _has_sent(self) -> bool:
        """Whether something of the request has left: that a kept connection was over the first write finds out."""
        return not self.is_reused or self._bytes_seen or self._outgoing.flushes > self._begun_at + 1

    def _read_last_words(self) -> None:
        sock = self.socket
        if sock is not None:
            with suppress(OSError):
                # Behind the last of them the kernel tells of an end of file, whoever it was that ended the connection.
                while self._answer is not None and self._is_reading and (data := os.read(sock.fileno(), MUCH)):
                    self.data_received(data)

    def pause_writing(self) -> None:
        self.writing_paused = True

    def resume_writing(self) -> None:
        self.writing_paused = False
        if self._drain_waiter is not None:
            if not self._drain_waiter.done():
                self._drain_waiter.set_result(None)
            self._drain_waiter = None

    def pause_reading(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    # --- The answer -----------------------------------------------------------------------------------

    @property
    def _is_reading(self) -> bool:
        return not self._has_answered or (self.body is not None and not self.body.is_complete)

    def _read_heads(self, data: bytes) -> bytes:
        """Read on to the final answer's head; the bytes behind it."""
        while data:
            head, data = self._heads.read(data)
            if head is None:
                return b""
            if head.status >= 200 or (head.status == 101 and self._may_switch):
                return self._take(head, data)
            self._interim += 1
            if head.should_close:
                # Of the answer that follows the parser would hold that it comes too late.
                self._should_close = True
                self._heads.begin_anew()
            if head.status == 101 or head.status < 100 or self._interim > MAX_INTERIM:
                self._fail(UpstreamProtocolError)
                return b""
        return b""

    def _take(self, head: VendorHead, behind: bytes) -> bytes:
        """The final answer begins; what of the bytes behind its head is not taken with it."""
        assert self._answer is not None
        self._has_answered = True
        if head.should_close:
            self._should_close = True
        if self._expects_body and head.may_have_body:
            if len(behind) == head.length and not head.is_chunked:
                self.body = Arrived(behind)
                behind = b""
            else:
                decoder = ChunkDecoder.of_response(self._loop) if head.is_chunked else None
                self.body = Incoming(self._loop, self, None if head.is_chunked else head.length, decoder)
        if not self._answer.done():
            self._answer.set_result(head)
        return behind

    def _read_body(self, data: bytes) -> None:
        body = self.body
        if not isinstance(body, Incoming) or body.is_complete or body.receive(data):
            # A body where none may be, or more than was announced: nobody's, and the next answer may be no better.
            self._should_close = True

    def _fail(self, error: type[UpstreamError]) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error())
            self._answer.exception()  # Retrieved here, so that a caller who left causes no warning.
        if self.body is not None:
            self.body.fail(error)
        self.close()

    def _disconnected(self) -> type[UpstreamDisconnected]:
        return StaleConnection if self.is_reused and not self._bytes_seen else UpstreamDisconnected


def _in_kernel(sock: socket.socket | None) -> int:
    """Bytes that are on their way (tcp(7), SIOCOUTQ): the kernel says only in large steps that it takes more."""
    try:
        return 0 if sock is None else int.from_bytes(ioctl(sock.fileno(), TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return 0
