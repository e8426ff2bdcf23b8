"""A record, as the status page is told of it."""

from __future__ import annotations

from typing import Any

from proxy.errors import CallerError
from proxy.journal.masking import shown_target
from proxy.journal.record import Record

_ALL = ("before", "authorize", "connect", "wait", "relay")


def entry(record: Record, wall: float, now: float) -> dict[str, Any]:
    """`wall` and `now` are readings of the wall clock and of time.monotonic at the same moment.

    `at` is in seconds since the epoch, `times` in milliseconds; `error` has the code and the words of our own answer.
    """
    error = record.error
    return {
        "number": record.number,
        "id": record.id,
        "at": round(wall - (now - record.started), 3),
        "route": record.route,
        "provider": record.provider,
        "method": record.method,
        "target": None if record.target is None else shown_target(record.target),
        "status": record.status,
        "error": None if error is None else {"code": error.code, "title": error.title},
        "client": record.client,
        "credential": record.credential,
        "repeats": record.repeats,
        "request_bytes": record.request_bytes,
        "response_bytes": record.response_bytes,
        "times": times(record),
        "removed": record.removed,
    }


def times(record: Record) -> dict[str, float]:
    """How long each part of the way took, in milliseconds: of those that were gone, and in `total`.

    `before` is the wait for a body that has to be held, or an attempt that failed; `connect` the wait for a connection,
    `wait` for the head of the vendor's answer, with the caller's body on its way; `relay` the answer's.
    """
    steps = (
        ("before", record.begun),
        ("authorize", record.authorized),
        ("connect", record.sent),
        ("wait", record.answered),
    )
    found, last, under_way = {}, record.started, _first(record)
    for at, (name, moment) in enumerate(steps):
        # One that lies before is of an earlier attempt.
        if moment >= last:
            found[name] = _milliseconds(moment - last)
            last, under_way = moment, _ALL[at + 1]
    found[under_way] = _milliseconds(record.ended - last)
    found["total"] = _milliseconds(record.ended - record.started)
    return found


def _first(record: Record) -> str:
    """What was under way if nothing was reached."""
    return "before" if record.error is not None and issubclass(record.error, CallerError) else "authorize"


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
