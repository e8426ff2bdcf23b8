"""The credential of GraphQL over WebSocket: it belongs into the client's first message, `connection_init`.

So it is with the subprotocols graphql-transport-ws and graphql-ws: browsers can set no header on a handshake, and so
servers look for headers in that message's payload. What a caller says there passes the same filter as its HTTP
headers, and the injected headers are added. Behind that message nothing is looked at any more, but for a second one:
the newer protocol forbids it, the older has servers begin anew with what it says. And of the vendor's messages it is
looked at how they answer the first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from proxy.gateway.headers import HeaderFilter
from proxy.strict_json import parse_strictly
from proxy.wire.frames import CLOSE, POLICY_VIOLATION, TEXT, client_text
from proxy.wire.messages import BadMessage, Message, MessageReader

_NEW, _OLD = b"graphql-transport-ws", b"graphql-ws"
PROTOCOLS = frozenset({_NEW, _OLD})

_LONGEST_FIRST = 64 * 1024
_LONGEST = 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")  # RFC 9110 §5.6.2
_BEGIN = "connection_init"
# What may come before it (the protocol's own pings); anything else could be a second way to say who one is.
_HARMLESS = frozenset({"ping", "pong"})
# Too many initialisation requests: the newer protocol's own code.
_TOO_MANY = 4429
# Bad request, unauthorized, forbidden: with one of these servers close that do not take what `connection_init` says.
_REFUSALS = frozenset({4400, 4401, 4403})


class Subscription:
    """One conversation. `has_begun` once `connection_init` has passed, with `headers` put in.

    `protocol` is the vendor's choice, None where it named none. `refused` is called if the vendor refuses the opening.
    """

    def __init__(
        self,
        protocol: bytes | None,
        header_filter: HeaderFilter,
        headers: tuple[tuple[str, str], ...],
        refused: Callable[[], object],
    ) -> None:
        self.has_begun = False
        # Servers take the older of the two for granted where none was named.
        self._is_new = protocol == _NEW
        self._filter = header_filter
        self._headers = headers
        self._refused = refused
        self._caller: MessageReader | None = MessageReader(of_client=True, limit=_LONGEST_FIRST)
        self._vendor: MessageReader | None = MessageReader(of_client=False, limit=_LONGEST_FIRST)

    def pass_on(self, octets: bytes) -> bytes:
        """What of the caller's bytes can go on to the vendor by now. Raises BadMessage."""
        if self._caller is None:
            return octets
        passed = []
        for message in self._caller.read(octets):
            passed.append(message.frame or client_text(self._checked(message)))
            if self.has_begun and self._is_new:
                passed.append(self._caller.rest())
                self._caller = None
                break
        return b"".join(passed)

    def follow(self, octets: bytes) -> None:
        """Learn from the vendor's bytes; they are passed on anyway."""
        if self._vendor is None:
            return
        try:
            for message in self._vendor.read(octets):
                answer = _verdict(message)
                if answer is not None:
                    self._vendor = None
                    if answer == "refused":
                        self._refused()
                    return
        except BadMessage:
            self._vendor = None

    def _checked(self, message: Message) -> bytes:
        if message.opcode != TEXT:
            raise BadMessage(POLICY_VIOLATION)
        content = _object(message.payload)
        kind = _kind(content)
        if self.has_begun:
            if kind == _BEGIN:
                raise BadMessage(_TOO_MANY)
            return message.payload
        if kind == _BEGIN:
            payload = content.get("payload")
            content["payload"] = self._with_credential({} if payload is None else payload)
            self.has_begun = True
            if self._caller is not None:
                self._caller.limit = _LONGEST
        elif kind not in _HARMLESS:
            raise BadMessage(POLICY_VIOLATION)
        return json.dumps(content, separators=(",", ":")).encode()

    def _with_credential(self, payload: Any) -> dict[str, Any]:
        own = payload.get("headers") if isinstance(payload, dict) else None
        if not isinstance(payload, dict) or not isinstance(own, dict | None):
            raise BadMessage(POLICY_VIOLATION)
        kept = {name: value for name, value in (own or {}).items() if self._passes(name)}
        return {**payload, "headers": {**kept, **dict(self._headers)}}

    def _passes(self, name: str) -> bool:
        # What is no header's name could be taken for one by a server that trims or folds.
        return _NAME.fullmatch(name) is not None and bool(self._filter.verdicts[name.encode("ascii")])


def _verdict(message: Message) -> str | None:
    """How the vendor answers the opening: `accepted`, `refused`, or not yet (None)."""
    if message.opcode == CLOSE:
        return "refused" if int.from_bytes(message.payload[:2], "big") in _REFUSALS else "closed"
    if message.opcode != TEXT:
        return None
    try:
        kind = _kind(_object(message.payload))
    except BadMessage:
        return None
    return {"connection_ack": "accepted", "connection_error": "refused"}.get(kind)


def _kind(content: dict[str, Any]) -> str:
    kind = content.get("type")
    return kind if isinstance(kind, str) else ""


def _object(text: bytes) -> dict[str, Any]:
    try:
        content = parse_strictly(text.decode("utf-8"))
    except (ValueError, RecursionError):
        raise BadMessage(POLICY_VIOLATION) from None
    if not isinstance(content, dict):
        raise BadMessage(POLICY_VIOLATION)
    return content
