"""The credential of GraphQL over WebSocket: it belongs into the client's first message, `connection_init`.

So it is with the subprotocols graphql-transport-ws and graphql-ws: browsers can set no header on a handshake, and so
servers look for headers in that message's payload. What a caller says there passes the same filter as its HTTP
headers, and the injected headers are added. Behind that message nothing is looked at any more.
"""

from __future__ import annotations

import json
import re
from typing import Any

from proxy.gateway.headers import HeaderFilter
from proxy.strict_json import parse_strictly
from proxy.wire.frames import (
    CONTINUATION,
    POLICY_VIOLATION,
    PROTOCOL_ERROR,
    TEXT,
    TOO_BIG,
    FrameHead,
    client_text,
    frame_head,
    masked,
)

_LIMIT = 64 * 1024
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")  # RFC 9110 §5.6.2
# What may come before it (the protocol's own pings); anything else could be a second way to say who one is.
_HARMLESS = frozenset({"ping", "pong"})


class NotAnOpening(ValueError):
    """The caller does not begin as the protocol demands; `code` is the status to close with."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Opening:
    """Takes what a caller sends until `connection_init` has passed, with `headers` put in; then `is_over`."""

    def __init__(self, header_filter: HeaderFilter, headers: tuple[tuple[str, str], ...]) -> None:
        self._filter = header_filter
        self._headers = headers
        self._octets = b""
        self._message = b""
        self._is_within = False
        self.is_over = False

    def pass_on(self, octets: bytes) -> bytes:
        """What of it can go on to the vendor by now. Raises NotAnOpening."""
        self._octets += octets
        passed = []
        while not self.is_over and (head := frame_head(self._octets)) is not None:
            self._check(head)
            end = head.size + head.length
            if len(self._octets) < end:
                break
            frame, self._octets = self._octets[:end], self._octets[end:]
            # A control frame may stand between the fragments of a message, and need not wait for them.
            passed.append(frame if head.is_control else self._fragment(head, masked(head.mask, frame[head.size :])))
        if self.is_over:
            passed.append(self._octets)
            self._octets = b""
        return b"".join(passed)

    def _check(self, head: FrameHead) -> None:
        if head.reserved or not head.mask or ((head.opcode == CONTINUATION) != self._is_within and not head.is_control):
            raise NotAnOpening(PROTOCOL_ERROR)
        if head.is_control:
            if head.length > 125 or not head.is_final:
                raise NotAnOpening(PROTOCOL_ERROR)
        elif head.opcode not in (CONTINUATION, TEXT):
            raise NotAnOpening(POLICY_VIOLATION)
        if len(self._message) + head.length > _LIMIT:
            raise NotAnOpening(TOO_BIG)

    def _fragment(self, head: FrameHead, payload: bytes) -> bytes:
        self._message += payload
        self._is_within = not head.is_final
        if self._is_within:
            return b""
        message, self._message = self._message, b""
        return client_text(self._whole(message))

    def _whole(self, text: bytes) -> bytes:
        message = _object(text)
        if message.get("type") == "connection_init":
            self.is_over = True
            payload = message.get("payload")
            message["payload"] = self._with_credential({} if payload is None else payload)
        elif message.get("type") not in _HARMLESS:
            raise NotAnOpening(POLICY_VIOLATION)
        return json.dumps(message, separators=(",", ":")).encode()

    def _with_credential(self, payload: Any) -> dict[str, Any]:
        own = payload.get("headers") if isinstance(payload, dict) else None
        if not isinstance(payload, dict) or not isinstance(own, dict | None):
            raise NotAnOpening(POLICY_VIOLATION)
        kept = {name: value for name, value in (own or {}).items() if self._passes(name)}
        return {**payload, "headers": {**kept, **dict(self._headers)}}

    def _passes(self, name: str) -> bool:
        # What is no header's name could be taken for one by a server that trims or folds.
        return _NAME.fullmatch(name) is not None and bool(self._filter.verdicts[name.encode("ascii")])


def _object(text: bytes) -> dict[str, Any]:
    try:
        message = parse_strictly(text.decode("utf-8"))
    except (ValueError, RecursionError):
        raise NotAnOpening(POLICY_VIOLATION) from None
    if not isinstance(message, dict):
        raise NotAnOpening(POLICY_VIOLATION)
    return message
