"""Messages of a WebSocket (RFC 6455 §5.4), for the few places in which a proxy has to know what one says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from proxy.wire.frames import CONTINUATION, PROTOCOL_ERROR, TOO_BIG, FrameHead, frame_head, masked

_LONGEST_CONTROL = 125


class BadMessage(ValueError):
    """What comes is not, or not any more, what this protocol's messages are; `code` is the status to close with."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Message(NamedTuple):
    """A whole message, or a control frame (then it is in `frame` too), which may stand between the parts of one."""

    opcode: int
    payload: bytes
    frame: bytes


class MessageReader:
    """Puts one side's frames together; `limit` is of a message, in bytes. A client's frames are masked (§5.1)."""

    def __init__(self, *, of_client: bool, limit: int) -> None:
        self._of_client = of_client
        self.limit = limit
        self._octets = bytearray()
        self._payload = bytearray()
        self._opcode = CONTINUATION

    def read(self, octets: bytes) -> Iterator[Message]:
        """What is whole by now. Raises BadMessage."""
        self._octets += octets
        while (head := frame_head(self._octets)) is not None:
            self._check(head)
            end = head.size + head.length
            if len(self._octets) < end:
                return
            frame = bytes(self._octets[:end])
            del self._octets[:end]
            payload = masked(head.mask, frame[head.size :]) if head.mask else frame[head.size :]
            if head.is_control:
                yield Message(head.opcode, payload, frame)
            elif (message := self._add(head, payload)) is not None:
                yield message

    def rest(self) -> bytes:
        """What was not read yet, for somebody who needs no messages; only between two of them."""
        rest, self._octets = bytes(self._octets), bytearray()
        return rest

    def _check(self, head: FrameHead) -> None:
        is_within = self._opcode != CONTINUATION
        if head.reserved or bool(head.mask) != self._of_client:
            raise BadMessage(PROTOCOL_ERROR)
        if head.is_control:
            if head.length > _LONGEST_CONTROL or not head.is_final:
                raise BadMessage(PROTOCOL_ERROR)
        elif (head.opcode == CONTINUATION) != is_within:
            raise BadMessage(PROTOCOL_ERROR)
        elif len(self._payload) + head.length > self.limit:
            raise BadMessage(TOO_BIG)

    def _add(self, head: FrameHead, payload: bytes) -> Message | None:
        self._payload += payload
        self._opcode = head.opcode or self._opcode
        if not head.is_final:
            return None
        message = Message(self._opcode, bytes(self._payload), b"")
        self._payload, self._opcode = bytearray(), CONTINUATION
        return message
