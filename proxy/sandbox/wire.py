"""What an emulator sees and says: a request as it came over the wire, an answer, a refusal.

Nothing here decodes or normalises: the target, the field values and the body stay the bytes that arrived, because
the emulators judge bytes.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

Where = Literal["login", "api"]
CUT_SHORT = "the body ended too soon"


@dataclass
class Received:
    """One request and what became of it; the journal of an emulator is a list of these.

    `target` is the request line's, untouched; `headers` keep order, case and repetition; `status` is 0 until the
    answer is decided (or for good, if the connection was cut); `verdict` says why, and holds no credential.
    """

    method: str
    target: bytes = field(repr=False)
    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    where: Where = "api"
    status: int = 0
    verdict: str = "waiting"

    @property
    def path(self) -> bytes:
        return self.target.partition(b"?")[0]

    @property
    def query(self) -> bytes:
        return self.target.partition(b"?")[2]

    def values(self, name: str) -> tuple[bytes, ...]:
        """All values of a field, in any case and in its `_` spelling: many servers read the two as one."""
        wanted = name.lower().replace("_", "-").encode()
        return tuple(value for key, value in self.headers if key.lower().replace(b"_", b"-") == wanted)

    def parameters(self, name: str) -> tuple[bytes, ...]:
        """The raw values of a query parameter, whose name may be percent-encoded; a missing `=` gives b""."""
        pairs = (part.partition(b"=") for part in self.query.split(b"&") if part)
        return tuple(value for key, _, value in pairs if unquote_to_bytes(key.replace(b"+", b" ")) == name.encode())


@dataclass(frozen=True)
class Answer:
    """What goes back. `pieces` makes it a chunked one, `pause` seconds apart; `delay` comes before the head.

    `cut` closes the connection without a byte. `converse` makes it a WebSocket, with this subprotocol.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: tuple[bytes, ...] = ()
    pause: float = 0.0
    delay: float = 0.0
    cut: bool = False
    converse: Callable[[Any], Awaitable[None]] | None = None
    protocol: str = ""


class Refused(Exception):
    """The request is refused: the HTTP status, and the true reason, which only the journal learns."""

    def __init__(self, status: int, reason: str, *, breach: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.breach = breach


def json_answer(payload: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    body = json.dumps(payload, separators=(",", ":")).encode()
    return Answer(status, body, {"Content-Type": "application/json", **(headers or {})})
