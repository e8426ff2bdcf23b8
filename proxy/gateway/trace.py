"""W3C Trace Context: to which trace a request belongs, and what of it the vendor is told.

What a caller sent passes as it is, like every other field. A route may have one made where the caller sent none that is
valid, or may keep all of it from its vendor. What is made is added behind the credential: no signature covers it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, Literal

from proxy.gateway.headers import RawHeaders, SpecialFields

if TYPE_CHECKING:
    from proxy.gateway.decision import Decision
    from proxy.gateway.passage import Passage

TraceRule = Literal["pass", "make", "drop"]

# A later version may have more behind the flags; 00 may not.
_TRACEPARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
# Baggage is not of this standard, but travels with it, and holds whatever an app put into it.
DROPPED_FIELDS: dict[TraceRule, tuple[str, ...]] = {
    "pass": (),
    "make": ("traceparent", "tracestate"),
    "drop": ("traceparent", "tracestate", "baggage"),
}


@dataclass(frozen=True, slots=True)
class CallerTrace:
    """What the caller said; `fields` are the caller's own, to be sent on."""

    trace_id: str
    parent_id: str
    flags: str
    fields: RawHeaders

    @property
    def state(self) -> str:
        """The value of tracestate, "" without one."""
        return ",".join(value.decode("latin-1") for name, value in self.fields if name == b"tracestate")


class Trace:
    """Of one request. `fields` go with every attempt at the vendor, beside what passes anyway."""

    __slots__ = ("fields", "trace_id")

    def __init__(self, trace_id: str, fields: RawHeaders = ()) -> None:
        self.trace_id = trace_id
        self.fields = fields

    def attempt(self) -> RawHeaders:
        """An attempt at the vendor begins, and these fields go with it."""
        return self.fields

    def answered(self, status: int) -> None:
        """The vendor's answer to the latest attempt has this status."""


# Begins the trace of a request that was found to belong to a route.
Tracer = Callable[["Passage", "Decision"], Trace]


def caller_trace(fields: SpecialFields) -> CallerTrace | None:
    """What the caller sent, if it is valid (W3C Trace Context §3.2.2)."""
    values = fields.get(b"traceparent")
    if values is None or len(values) != 1:
        return None
    match = _TRACEPARENT.fullmatch(values[0])
    if match is None or (match[1] == b"00" and match[5] is not None):
        return None
    states = fields.get(b"tracestate", ())
    sent = ((b"traceparent", values[0]), *((b"tracestate", state) for state in states))
    return CallerTrace(match[2].decode(), match[3].decode(), match[4].decode(), sent)


def untold(passage: Passage, decision: Decision) -> Trace:
    """The trace of a request of which nobody is told but the log, and the vendor where the route wants it."""
    caller, makes = decision.caller_trace, decision.route.traceparent == "make"
    if caller is not None:
        return Trace(caller.trace_id, caller.fields if makes else ())
    # Not sampled: nobody here writes down what belongs to it.
    trace_id = token_hex(16)
    return Trace(trace_id, ((b"traceparent", f"00-{trace_id}-{token_hex(8)}-00".encode()),))
