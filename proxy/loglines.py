"""The lines of the log, as text: for machines one JSON object, for a person at a terminal columns.

Whatever is put in comes out as ASCII without control characters, so that no caller can forge a line.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from json import dumps
from typing import NamedTuple, Protocol

Field = str | int | float | bool | None

_COLOURS = {"debug": "2", "info": "0", "warning": "33", "error": "31", "critical": "31;1"}
# What a person reads already, in the words of the event.
_NOT_SHOWN = ("event", "logger", "provider")
_STATUS_COLOURS = {2: "32", 3: "36", 4: "33", 5: "31"}


class RequestKind(NamedTuple):
    """What the lines of many requests have in common.

    `credential` is one of none, static, signed, cached, fetched. `status` 499 means that the caller hung up. `error` is
    the code of an answer of our own. `client` is the configured name of whose token the caller showed.
    """

    route: str | None
    provider: str | None
    method: str
    status: int
    credential: str = "none"
    retries: int = 0
    error: str | None = None
    client: str | None = None


class RequestLine(Protocol):
    """Makes the line of one request of a kind.

    `duration` and `upstream` (until the head of the vendor's answer, None if none came) are in seconds; `received` and
    `sent` are the bytes of the bodies. `request_id` is the request's own, `trace_id` that of the trace it belongs to.
    """

    def __call__(
        self,
        stamp: str,
        duration: float,
        upstream: float | None,
        received: int,
        sent: int,
        request_id: str,
        trace_id: str | None,
    ) -> bytes: ...


def timestamp(wall: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return _stamp(int(wall * 1000))


def request_json(kind: RequestKind) -> RequestLine:
    """All that is the same in the lines of this kind is written beforehand: one step fills in what is left."""
    route, provider, method, status, credential, retries, error, client = kind
    command = next_command(error, route, provider, method)
    before = (
        f'"level":"info","event":"request","route":{_escaped(route)},"provider":{_escaped(provider)},'
        f'"method":{_escaped(method)},"status":{status},'
    )
    behind = f'"credential":{_escaped(credential)},"retries":{retries},"error":{_escaped(error)}'
    behind += "" if client is None else f',"client":{_escaped(client)}'
    behind += "" if command is None else f',"next":{_escaped(command)}'
    before, behind = before.replace("%", "%%"), behind.replace("%", "%%")

    def template(upstream: str) -> bytes:
        return (
            f'{{"time":"%b",{before}"duration_ms":%.3f,"upstream_ms":{upstream},"request_bytes":%d,'
            f'"response_bytes":%d,{behind},"request_id":"%b"%b}}\n'
        ).encode("ascii")

    answered, unanswered = template("%.3f"), template("null")

    def line(
        stamp: str,
        duration: float,
        upstream: float | None,
        received: int,
        sent: int,
        request_id: str,
        trace_id: str | None,
    ) -> bytes:
        traced = b"" if trace_id is None else b',"trace_id":"%b"' % trace_id.encode()
        rest = (received, sent, request_id.encode(), traced)
        if upstream is None:
            return unanswered % (stamp.encode(), duration * 1000, *rest)
        return answered % (stamp.encode(), duration * 1000, upstream * 1000, *rest)

    return line


def next_command(error: str | None, route: str | None, provider: str | None, method: str) -> str | None:
    """What tells more about an answer of our own; None where its code says all."""
    if error is None:
        return None
    if error == "no_route":
        return "authproxy routes"
    if error in ("method_not_allowed", "denied_by_route"):
        return f"authproxy explain {method} {route}/..."
    return f"authproxy test {provider}" if error.startswith(("credential_", "upstream_")) else None


def request_text(kind: RequestKind) -> RequestLine:
    return _request_text(kind, str(kind.status))


def request_coloured(kind: RequestKind) -> RequestLine:
    colour = _STATUS_COLOURS.get(kind.status // 100, "0")
    return _request_text(kind, f"\x1b[{colour}m{kind.status}\x1b[0m")


def _request_text(kind: RequestKind, status: str) -> RequestLine:
    command = next_command(kind.error, kind.route, kind.provider, kind.method)
    target = "(no route)" if kind.route is None else f"{kind.route} -> {kind.provider}"

    def line(
        stamp: str,
        duration: float,
        upstream: float | None,
        received: int,
        sent: int,
        request_id: str,
        trace_id: str | None,
    ) -> bytes:
        waited = "" if upstream is None else f" (upstream {upstream * 1000:.1f})"
        notes = [
            kind.credential,
            *([f"retries {kind.retries}"] if kind.retries else []),
            *([f"client {kind.client}"] if kind.client else []),
            kind.error or "",
            # For whoever has the answer before him and looks for its line; where all went well, nobody does.
            *([request_id] if kind.error else []),
            *([f"trace {trace_id}"] if trace_id else []),
            *([f"(next: {command})"] if command else []),
        ]
        said = plain(f"{kind.method:<7} {target:<24} {duration * 1000:>8.1f} ms{waited}  {' '.join(notes)}")
        return f"{stamp[11:23]} {status} {said.rstrip()}\n".encode("ascii")

    return line


def event_json(stamp: str, level: str, fields: Mapping[str, Field]) -> bytes:
    return (_escaped({"time": stamp, "level": level, **fields}) + "\n").encode("ascii")


def event_text(stamp: str, level: str, fields: Mapping[str, Field]) -> bytes:
    rest = (f"{name}={value}" for name, value in fields.items() if name not in _NOT_SHOWN and value is not None)
    return f"{stamp[11:23]} {level:<7} {plain(' '.join([str(fields['event']), *rest]))}\n".encode("ascii")


def event_coloured(stamp: str, level: str, fields: Mapping[str, Field]) -> bytes:
    return b"\x1b[%bm%b\x1b[0m\n" % (_COLOURS.get(level, "0").encode(), event_text(stamp, level, fields)[:-1])


def plain(text: str) -> str:
    """The text in printable ASCII, everything else escaped."""
    return text if text.isascii() and text.isprintable() else _escaped(text)[1:-1]


def _escaped(value: object) -> str:
    return dumps(value, separators=(",", ":"))


@lru_cache(maxsize=4)
def _stamp(milliseconds: int) -> str:
    """Where there is much to do, many lines have the same."""
    whole, rest = divmod(milliseconds, 1000)
    return f"{_second(whole)}.{rest:03d}Z"


@lru_cache(maxsize=4)
def _second(wall: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(wall))
