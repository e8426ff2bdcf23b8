"""A caller's body: read once; held where a signature needs it, remembered while it is small enough to send again."""

from __future__ import annotations

from proxy.errors import BodyTooLarge, NoRoomForBody
from proxy.gateway.caller import CallerConnection
from proxy.gateway.held_body import (
    EMPTY_BODY,
    NO_BODY,
    ROOM_AGAIN_SECONDS,
    ArrivedBody,
    NoBody,
    Room,
    content_length,
)
from proxy.gateway.pieces import Pieces
from proxy.wire.arrived import Arrived
from proxy.wire.incoming import Incoming, Sink
from proxy.wire.straight import read_straight

# A body that a signature covers is held in memory; this bounds it where the route names no max_body.
HELD_LIMIT = 16 * 1024 * 1024
# What came with the head, usually: waiting for it costs nothing and makes a replay possible.
_SMALL = 64 * 1024
REPLAY_LIMIT = 1024 * 1024
IDLE_SECONDS = 30.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class CallerBody:
    """`declared` is the Content-Length in bytes, None for a chunked body; `limit` in bytes, None for none.

    What it takes of the `room` is given back by `release`. Raises BodyTooLarge for one that announces more.
    """

    __slots__ = (
        "_caller", "_declared", "_incoming", "_is_held", "_is_invited", "_kept", "_limit", "_room", "_taken",
        "bytes_read",
    )  # fmt: skip

    def __init__(
        self,
        caller: CallerConnection,
        incoming: Incoming,
        room: Room,
        *,
        declared: int | None,
        limit: int | None,
        expects: bool,
    ) -> None:
        if declared is not None and limit is not None and declared > limit:
            raise BodyTooLarge
        self._caller = caller
        self._incoming = incoming
        self._declared = declared
        self._limit = limit
        # Whether the caller need not wait for leave to send (100-continue).
        self._is_invited = not expects
        self._kept = Pieces() if declared is None or declared <= REPLAY_LIMIT else None
        self._is_held = False
        self._room = room
        self._taken = 0
        self.bytes_read = 0

    @property
    def held(self) -> bytes | None:
        """The whole body, once it has been read and if all of it was kept."""
        return self._kept.whole() if self._is_held and self._kept is not None else None

    @property
    def is_small(self) -> bool:
        return self._declared is not None and self._declared <= _SMALL

    @property
    def framing(self) -> bytes:
        """The header that says where the body ends, as it is written."""
        if self._declared is not None:
            return content_length(self._declared)
        return content_length(self.bytes_read) if self._is_held else b"Transfer-Encoding: chunked\r\n"

    async def hold(self) -> bytes:
        """The whole body. Raises BodyTooLarge, NoRoomForBody, CallerTooSlow, MalformedRequest or CallerGone."""
        if not self._is_held:
            self._kept = kept = Pieces()
            while piece := await self._next():
                if not self._take(len(piece)):
                    raise NoRoomForBody(retry_after=ROOM_AGAIN_SECONDS)
                kept.add(piece)
            self._is_held = True
        assert self._kept is not None
        return self._kept.whole()

    def release(self) -> None:
        """Give back the room: nobody will ask for the body any more."""
        self._room.give_back(self._taken)
        self._taken = 0

    async def pour(self, sink: Sink) -> bool:
        """Hand on what comes, framed as `framing` says, until the sink has enough for now; whether that was all.

        Raises BodyTooLarge, CallerTooSlow, MalformedRequest or CallerGone.
        """
        incoming, deadline = self._incoming, self._caller.deadline
        is_chunked = self._declared is None

        def pass_on(piece: bytes) -> bool:
            deadline.set(IDLE_SECONDS)
            self.bytes_read += len(piece)
            if self._is_beyond_its_limit:
                return False
            self._remember(piece)
            return sink(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)

        self._invite()
        read_straight(incoming)
        deadline.set(IDLE_SECONDS)
        try:
            await incoming.pour(pass_on)
        finally:
            # Whoever has his answer already has it for his next request: an upload learns late that nobody wants it.
            if self._caller.body is incoming:
                deadline.clear()
        if self._is_beyond_its_limit:
            raise BodyTooLarge
        if not incoming.is_read:
            return False
        self._is_held = self._kept is not None
        if is_chunked:
            sink(b"0\r\n\r\n")
        return True

    async def _next(self) -> bytes:
        incoming = self._incoming
        self._invite()
        piece = incoming.take()
        if not piece and not incoming.is_complete:
            self._caller.deadline.set(IDLE_SECONDS)
            try:
                piece = await incoming.read()
            finally:
                self._caller.deadline.clear()
        self.bytes_read += len(piece)
        if self._is_beyond_its_limit:
            raise BodyTooLarge
        return piece

    @property
    def _is_beyond_its_limit(self) -> bool:
        return self._limit is not None and self.bytes_read > self._limit

    def _invite(self) -> None:
        if not self._is_invited:
            self._is_invited = True
            self._caller.write(_CONTINUE)

    def _remember(self, piece: bytes) -> None:
        if self._kept is None:
            return
        if self.bytes_read <= REPLAY_LIMIT and self._take(len(piece)):
            self._kept.add(piece)
        else:
            self._kept = None
            self.release()

    def _take(self, size: int) -> bool:
        if not self._room.take(size):
            return False
        self._taken += size
        return True


def caller_body(caller: CallerConnection, limit: int | None, room: Room) -> CallerBody | ArrivedBody | NoBody:
    """The current request's body. Raises BodyTooLarge or NoRoomForBody."""
    incoming, head = caller.body, caller.head
    if incoming is None:
        return NO_BODY
    declared = head.length
    if declared == 0:
        return EMPTY_BODY
    if isinstance(incoming, Arrived):
        if limit is not None and declared is not None and declared > limit:
            raise BodyTooLarge
        return ArrivedBody(incoming.take(), room)
    expects = b"expect" in head.fields and head.message.version == (1, 1)
    return CallerBody(caller, incoming, room, declared=declared, limit=limit, expects=expects)
