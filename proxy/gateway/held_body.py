"""Bodies that are at hand: none, or one that came with its head. And the room that all held bodies share."""

from __future__ import annotations

from proxy.errors import NoRoomForBody
from proxy.wire.incoming import Sink

# Of all bodies that are held or remembered at a time.
ROOM = 256 * 1024 * 1024
ROOM_AGAIN_SECONDS = 1


def content_length(size: int) -> bytes:
    """The field that says so, as it is written."""
    return b"Content-Length: %d\r\n" % size


class Room:
    """How many bytes there is room for."""

    __slots__ = ("_left",)

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, size: int) -> bool:
        """Whether there was so much room; if not, nothing is taken."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        self._left += size


class NoBody:
    """A request that announces no body, or one of no bytes."""

    def __init__(self, framing: bytes = b"") -> None:
        self.framing = framing
        self.held: bytes | None = b""
        self.is_small = False
        self.bytes_read = 0

    async def hold(self) -> bytes:
        return b""

    def release(self) -> None:
        pass

    async def pour(self, sink: Sink) -> bool:
        raise AssertionError("held already")


class ArrivedBody:
    """One that came as a whole, with the head; it takes its room until `release`. Raises NoRoomForBody."""

    __slots__ = ("_room", "bytes_read", "framing", "held")

    is_small = True

    def __init__(self, octets: bytes, room: Room) -> None:
        self.bytes_read = size = len(octets)
        if not room.take(size):
            raise NoRoomForBody(retry_after=ROOM_AGAIN_SECONDS)
        self._room = room
        self.held: bytes | None = octets
        self.framing = content_length(size)

    async def hold(self) -> bytes:
        return self.held or b""

    def release(self) -> None:
        self._room.give_back(self.bytes_read)

    async def pour(self, sink: Sink) -> bool:
        raise AssertionError("held already")


NO_BODY = NoBody()
EMPTY_BODY = NoBody(content_length(0))
