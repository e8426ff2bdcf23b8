"""WebSocket frames (RFC 6455 §5.2), as far as a proxy must know them: where one ends, and what a short message says."""

from __future__ import annotations

from os import urandom
from typing import NamedTuple

CONTINUATION, TEXT, CLOSE = 0x0, 0x1, 0x8
GOING_AWAY, PROTOCOL_ERROR, POLICY_VIOLATION, TOO_BIG = 1001, 1002, 1008, 1009
_LONGEST_HEAD = 14
_MOST_FRAMES = 4096


class FrameHead(NamedTuple):
    """`size` is the head's own, `length` the payload's, both in bytes; `mask` is b"" for a frame without one."""

    is_final: bool
    reserved: int
    opcode: int
    mask: bytes
    length: int
    size: int

    @property
    def is_control(self) -> bool:
        return self.opcode >= CLOSE


def frame_head(octets: bytes | bytearray) -> FrameHead | None:
    """The head that these bytes begin with; None if more of it is to come."""
    if len(octets) < 2:
        return None
    first, second = octets[0], octets[1]
    length, at = second & 0x7F, 2
    if length >= 126:
        at = 4 if length == 126 else 10
        length = int.from_bytes(octets[2:at], "big")
    end = at + 4 if second & 0x80 else at
    if len(octets) < end:
        return None
    return FrameHead(bool(first & 0x80), first & 0x70, first & 0x0F, bytes(octets[at:end]), length, end)


def masked(mask: bytes, payload: bytes) -> bytes:
    """The payload masked, or unmasked, which is the same (§5.3)."""
    size = len(payload)
    stream = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")


def client_text(payload: bytes) -> bytes:
    """A whole text message as one frame, as clients send it."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | TEXT, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((0x80 | TEXT, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | TEXT, 0x80 | 127)) + size.to_bytes(8, "big")
    mask = urandom(4)
    return head + mask + masked(mask, payload)


def server_close(code: int) -> bytes:
    """A Close frame as servers send it."""
    return bytes((0x80 | CLOSE, 2)) + code.to_bytes(2, "big")


class FrameBounds:
    """Follows a stream without holding it back; a frame may be put in where `is_between` two others.

    `has_closed` tells that a Close frame went by, behind which there is nothing.
    """

    __slots__ = ("_has_lost_count", "_head", "_left", "has_closed")

    def __init__(self) -> None:
        self._head = b""
        self._left = 0
        self._has_lost_count = False
        self.has_closed = False

    @property
    def is_between(self) -> bool:
        return not self._left and not self._head and not self._has_lost_count

    def follow(self, octets: bytes) -> None:
        if self._has_lost_count:
            return
        at, end = self._left, len(octets)
        for _ in range(_MOST_FRAMES):
            if at >= end:
                self._left = at - end
                return
            # Of a head that came in parts, the parts before.
            begun, self._head = len(self._head), self._head + octets[at : at + _LONGEST_HEAD]
            head = frame_head(self._head)
            if head is None:
                self._left = 0
                return
            self._head = b""
            self.has_closed = self.has_closed or head.opcode == CLOSE
            at += head.size - begun + head.length
        self._has_lost_count = True  # Nobody means so many at once, and to count them would keep all others waiting.
