"""One caller's connection: aiohttp's RequestHandler, which reads requests one after the other and hands each to the
gateway in the connection's own task, begun with the first of them.

Everything that depends on how aiohttp's server works inside stands here and in `server`. A request that comes while
another is under way waits, unread, until that one is answered.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from asyncio import Transport
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

from proxy.errors import CallerTooSlow, HeadersTooLarge, MalformedRequest, ProxyError, TargetTooLong
from proxy.gateway.caller_head import CallerHead, CallerHeads
from proxy.gateway.peer import has_hung_up
from proxy.wire.aiohttp_parts import BaseProtocol, HttpProcessingError, LineTooLong, RequestHandler, Server
from proxy.wire.arrived import Arrived
from proxy.wire.chunks import BadChunk, ChunkDecoder
from proxy.wire.deadline import Deadline
from proxy.wire.heads import request_heads
from proxy.wire.incoming import Incoming
from proxy.wire.outgoing import Outgoing, TurnEnd
from proxy.wire.straight import read_plainly

# Different by one, since aiohttp's LineTooLong tells only by its limit which line it was.
MAX_TARGET = 8190
MAX_FIELD = 8191
MAX_FIELDS = 128
MAX_HEAD = 64 * 1024
# Also bounds the time for a request's head.
HEAD_SECONDS = 15.0
# How long an answered caller may go on sending what nobody wants before the connection is closed.
_LINGERING_SECONDS = 1.0
# A caller that takes next to nothing for so long holds a vendor's connection for nobody.
STALLED_SECONDS = 300.0
# Requests that came early wait here; with more than this the caller is paused.
MOST_AHEAD = 64 * 1024
# When it is looked whether a caller who sends no more is still there, in seconds after the look before.
_LOOKS = (0.005, 0.1, 1.0, 5.0)
_NO_LINGER = struct.pack("ii", 1, 0)


class CallerGone(ConnectionError):
    """The caller hung up."""


class CallerConnection(RequestHandler):
    """`head` and `body` are the current request's; `body` is None where none is announced.

    `handle` answers it and says whether the connection may be kept; `refuse` gives the answer to what is none.
    """

    __slots__ = (
        "_ahead", "_handle", "_has_ended", "_heads", "_is_ahead_paused", "_outgoing", "_refuse", "_turn_end", "body",
        "deadline", "head", "is_busy", "is_surplus", "last_words", "loop",
    )  # fmt: skip

    head: CallerHead

    def __init__(
        self,
        server: Server,
        heads: CallerHeads,
        turn_end: TurnEnd,
        handle: Callable[[CallerConnection], Awaitable[bool]],
        refuse: Callable[[ProxyError], bytes],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        # Not RequestHandler's: its parser, queues and clocks are a third of a new connection's time, and what uses them
        # is overridden here.
        BaseProtocol.__init__(self, loop)
        self._manager = server
        self._task_handler = self._waiter = None
        self._close = self._force_close = False
        self.loop = loop
        self._turn_end = turn_end
        self._handle = handle
        self._refuse = refuse
        self._heads = request_heads(
            loop,
            heads.head,
            heads,
            max_line=MAX_TARGET,
            max_field=MAX_FIELD,
            max_fields=MAX_FIELDS,
            max_head=MAX_HEAD,
        )
        self._ahead = b""
        self._is_ahead_paused = False
        self._has_ended = False
        self.is_busy = False
        self.is_surplus = False
        self.body: Arrived | Incoming | None = None
        self.deadline = Deadline(loop, self._out_of_time)
        # What to write where everything ends while a tunnel is open; an answer that is cut off is ended by a reset.
        self.last_words: Callable[[], bytes] | None = None

    # --- What the gateway uses ------------------------------------------------------------------------

    def write(self, octets: bytes) -> None:
        """Queue bytes of an answer. Raises CallerGone."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise CallerGone
        self._outgoing.write(octets)

    def offer(self, octets: bytes) -> bool:
        """As `write`, and whether the caller takes more at once; nothing is raised, for `drained` will."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return False
        self._outgoing.write(octets)
        return not self._paused

    def is_undrained(self) -> bool:
        """Whether the caller has so much to take yet that he is to be waited for."""
        return self._paused

    async def drained(self) -> None:
        """Wait until the caller took most of what was written. Raises CallerGone.

        To be awaited after every answer, unless nothing `is_undrained`: a caller who asks on and on and never reads
        would fill the memory.
        """
        if self.transport is None or self.transport.is_closing():
            raise CallerGone
        if not self._paused:
            return
        try:
            async with asyncio.timeout(STALLED_SECONDS):
                await self._drain_helper()
        except (TimeoutError, ConnectionError):
            self.abort()
            raise CallerGone from None

    def abort(self) -> None:
        """End the connection so that it shows: a reset, for an end of file could be the body's end."""
        self._outgoing.flush()  # Whoever has seen a part of an answer does not take it for one that never came.
        abort(self.transport)

    def switch(self, last_words: Callable[[], bytes]) -> Incoming:
        """From now on what the caller sends is no request, until its end: the connection is a tunnel."""
        self.last_words = last_words
        self.body = body = Incoming(self._loop, self)
        ahead, self._ahead = self._ahead, b""
        if ahead:
            body.receive(ahead)
        if self._has_ended:
            body.end()
        if self._is_ahead_paused:
            self._is_ahead_paused = False
            self._resume_transport_reading()
        return body

    @property
    def socket(self) -> socket.socket | None:
        return None if self.transport is None else self.transport.get_extra_info("socket")

    def may_stay(self) -> bool:
        """Whether another request can follow: after a body that was not read, nobody knows where it begins."""
        body = self.body
        return (
            self.head.keeps_alive
            and (body is None or body.is_complete)
            and not self.is_surplus
            and (not self._has_ended or bool(self._ahead))
        )

    @property
    def is_delivering(self) -> bool:
        """Whether a whole answer is still on its way to the caller."""
        return not self.is_busy and self.transport is not None and not self._outgoing.is_empty()

    # --- asyncio.Protocol -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As aiohttp's, but the listening socket hands down TCP_NODELAY and SO_KEEPALIVE, and no task begins yet."""
        assert self._manager is not None
        self.transport = made = cast(Transport, transport)
        self._manager.connection_made(self, made)
        self._outgoing = Outgoing(self._loop, made, self._turn_end)
        self.deadline.set(HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        if self._force_close or self._close:
            return
        if not self.is_busy:
            self._read_head(data)
            return
        body = self.body
        if isinstance(body, Incoming) and not body.is_complete:
            data = self._read_body(body, data)
        if data:
            self._ahead += data
            if len(self._ahead) > MOST_AHEAD and not self._is_ahead_paused:
                self._is_ahead_paused = True
                self._pause_transport_reading()

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp never asks for a half-open connection.
        """A caller who is done with sending may still wait for the answer."""
        self._has_ended = True
        if self.last_words is not None and isinstance(self.body, Incoming):
            self.body.end()
        elif self.body is not None:
            self.body.fail(CallerGone)
        if self.is_busy:
            self._loop.call_later(_LOOKS[0], self._look_after_caller, 0)
        else:
            self._end()  # As the event loop would, but with the answer that may still wait for the end of the turn.
        return self.is_busy

    def connection_lost(self, exc: BaseException | None) -> None:
        """As aiohttp's: who waits for this caller is told, and what is done for him ends."""
        self.deadline.close()
        if self.body is not None:
            self.body.fail(CallerGone)
            self.body.part()
        task, manager = self._task_handler, self._manager
        if task is not None and task.done():
            task = self._task_handler = None  # The server keeps those that are not.
        if manager is not None:
            manager.connection_lost(self, exc)
        self.force_close()
        BaseProtocol.connection_lost(self, exc)
        if task is not None:
            task.cancel()
        self._task_handler = self._manager = None

    def pause_reading(self) -> None:
        self._pause_transport_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        if not self._is_ahead_paused:
            self._resume_transport_reading()

    # --- aiohttp.web.RequestHandler -------------------------------------------------------------------

    async def start(self) -> None:
        """Answer one request after the other; runs as the connection's own task, from the first one on."""
        while not self._force_close:
            stays = await self._handle(self)
            self.is_busy = False
            if not stays:
                break
            self.body = None
            self.deadline.set(HEAD_SECONDS)
            if self._ahead:
                self._go_on()
            if not self.is_busy:
                if self._has_ended:
                    break
                self._waiter = self._loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
        await self._leave()

    def close(self) -> None:
        """As aiohttp's: whatever comes now is dropped unread."""
        self._close = True
        if self._waiter is not None:
            self._waiter.cancel()

    def force_close(self) -> None:
        """As aiohttp's: an end at once, but what was written is still sent."""
        self._force_close = True
        if self._waiter is not None:
            self._waiter.cancel()
        if self.transport is not None:
            self._end()
            self.transport = None

    async def shutdown(self, timeout: float | None = 15.0) -> None:
        """End the connection; an answer that is cut off must not look complete."""
        if self.is_busy and self.last_words is not None and self.transport is not None:
            self._outgoing.write(self.last_words())
        elif self.is_busy:
            self.abort()
        task = self._task_handler
        self.force_close()
        if task is not None:
            task.cancel()
            await asyncio.wait((task,), timeout=timeout)

    # --- Reading --------------------------------------------------------------------------------------

    def _read_head(self, data: bytes) -> None:
        try:
            head, behind = self._heads.read(data)
        except HttpProcessingError as error:
            self._turn_away(parse_error(error))
            return
        if head is None:
            return
        self.head = head
        if head.message.upgrade:
            self._heads.begin_anew()
        if head.has_body:
            behind = self._begin_body(head, behind)
        self.is_busy = True
        self.deadline.clear()
        self._ahead = behind
        waiter = self._waiter
        if self._task_handler is None:
            self._task_handler = self._loop.create_task(self.start())
        elif waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _begin_body(self, head: CallerHead, data: bytes) -> bytes:
        """The body that comes with a head, or begins to; what lies behind it is given back."""
        length = head.length
        if len(data) == length and not head.message.chunked and b"expect" not in head.fields:
            self.body = Arrived(data)
            return b""
        decoder = ChunkDecoder.of_request(self._loop) if head.message.chunked else None
        self.body = body = Incoming(self._loop, self, None if decoder else length, decoder)
        return self._read_body(body, data) if data else b""

    def _read_body(self, body: Incoming, data: bytes) -> bytes:
        try:
            return body.receive(data)
        except BadChunk:
            body.fail(MalformedRequest)  # Never complete, so that no other request is read behind it.
            return b""

    def _go_on(self) -> None:
        """Read the request that came early."""
        ahead, self._ahead = self._ahead, b""
        self._read_head(ahead)
        if self._is_ahead_paused and len(self._ahead) <= MOST_AHEAD:
            self._is_ahead_paused = False
            self._resume_transport_reading()

    def _turn_away(self, error: ProxyError) -> None:
        """Answer what the parser refused, in fixed words: aiohttp's own would repeat the offending line."""
        if self.transport is not None:
            self._outgoing.write(self._refuse(error))
            self._loop.call_later(_LINGERING_SECONDS, self.force_close)
            self._say_goodbye(self.transport)

    async def _leave(self) -> None:
        """Close; a moment later where the caller may still be sending: what is not read makes the kernel reset the
        connection, and a reset takes the answer with it if the caller has not read it yet (RFC 9112 §9.6).
        """
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        is_read = self.body is None or self.body.is_complete
        if not self._has_ended and not (is_read and self.head.message.should_close and not self._ahead):
            self._say_goodbye(transport)
            await asyncio.sleep(_LINGERING_SECONDS)  # Cancelled when the caller hangs up.
        self._end()

    def _end(self) -> None:
        """Close. What was written is still sent, to a caller who goes on taking it."""
        transport = self._outgoing.transport
        if not transport.is_closing():
            self._outgoing.flush()
            transport.close()
            if not self._outgoing.is_empty():
                self.deadline.set(STALLED_SECONDS)

    def _say_goodbye(self, transport: Transport) -> None:
        self.close()
        read_plainly(transport)
        self._resume_transport_reading()
        self._outgoing.flush()
        if transport.can_write_eof():
            with suppress(OSError):  # asyncio's own loop tells so that the caller has hung up already.
                transport.write_eof()

    def _look_after_caller(self, look: int) -> None:
        """Whoever hung up need not be waited for: the vendor's work for nobody ends too."""
        if not self.is_busy or self.transport is None or self.transport.is_closing():
            return
        if has_hung_up(self.transport.get_extra_info("socket")):
            self.transport.abort()
        else:
            later = min(look + 1, len(_LOOKS) - 1)
            self._loop.call_later(_LOOKS[later], self._look_after_caller, later)

    def _out_of_time(self) -> None:
        """Of a kept connection, of a body that does not go on, or of a caller who takes nothing of what is left."""
        if self._outgoing.transport.is_closing():
            abort(self._outgoing.transport)
        elif not self.is_busy:
            self.force_close()
        elif self.body is not None:
            self.body.fail(CallerTooSlow)


def abort(transport: Transport | None) -> None:
    """End a caller's connection with a reset."""
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def parse_error(error: HttpProcessingError) -> ProxyError:
    """Which of our errors a refusal of aiohttp's parser is."""
    if isinstance(error, LineTooLong):
        return TargetTooLong() if error.args[1] == MAX_TARGET else HeadersTooLarge()
    return MalformedRequest()
