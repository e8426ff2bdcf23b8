"""The story of one request, and who is told of it."""

from __future__ import annotations

from itertools import count
from typing import Protocol

from proxy.errors import ProxyError
from proxy.gateway.body import CallerBody
from proxy.gateway.caller_head import CallerHead
from proxy.gateway.held_body import NO_BODY, ArrivedBody, NoBody
from proxy.gateway.route import Route
from proxy.gateway.trace import Trace
from proxy.request_id import request_id
from proxy.schemes.base import CredentialUse

_numbers = count(1)


class Passage:
    """What became of one request, for the log and the metrics; filled in on the way.

    Times are readings of time.monotonic, 0 for what was not reached: the attempt that counted has `begun` after a body
    that had to be held or an attempt that failed, was `authorized`, `sent` when there was a connection, and `answered`
    with a head. `repeats` counts further attempts at the vendor; `is_unrepeatable` says that there should have been
    one, and that the body was too large to be held for it. `head` is the caller's, None for what was none.
    """

    __slots__ = (
        "answered", "authorized", "begun", "body", "client", "credential", "error", "head", "is_unrepeatable",
        "method", "number", "repeats", "response_bytes", "route", "sent", "started", "status", "trace",
    )  # fmt: skip

    def __init__(self, method: str, started: float, head: CallerHead | None = None) -> None:
        self.method = method
        self.started = started
        self.head = head
        self.client: str | None = None
        self.route: Route | None = None
        self.status = 0
        self.error: ProxyError | None = None
        self.credential: CredentialUse = "none"
        self.repeats = 0
        self.is_unrepeatable = False
        self.begun = self.authorized = self.sent = self.answered = 0.0
        self.response_bytes = 0
        self.body: ArrivedBody | CallerBody | NoBody = NO_BODY
        self.trace: Trace | None = None
        self.number = next(_numbers)

    @property
    def id(self) -> str:
        """What this request is called in the log, and in an answer of our own."""
        return request_id(self.number)

    def hung_up(self) -> None:
        """The caller left; which is how a tunnel may well end, and no answer that was missed."""
        if self.status != 101:
            self.status = 499


class Witness(Protocol):
    """Told of every request; `now` is a reading of time.monotonic (uvloop's own clock stands still within a turn)."""

    def ended(self, passage: Passage, now: float) -> None:
        """It is over, whatever became of it; also where it belonged to no route."""
