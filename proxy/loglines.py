"""The lines of the log, as text: for machines one JSON object, for a person at a terminal columns.

Whatever is put in comes out as ASCII without control characters, so that no caller can forge a line.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from json import dumps
from typing import NamedTuple

Field = str | int | float | bool | None

_COLOURS = {"debug": "2", "info": "0", "warning": "33", "error": "31", "critical": "31;1"}
# What a person reads already, in the words of the event.
_NOT_SHOWN = ("event", "logger", "provider")
_STATUS_COLOURS = {2: "32", 3: "36", 4: "33", 5: "31"}


class RequestRecord(NamedTuple):
    """What became of one request. A tuple, since a frozen dataclass takes four times as long to make.

    `duration` and `upstream` (until the head of the vendor's answer, None if none came) are in seconds; the
    bytes are those of the bodies. `credential` is one of none, static, signed, cached, fetched. `status` 499
    means that the caller hung up. `error` is the code of an answer of our own. `client` is the configured name of
    whose token the caller showed. `id` is the request's own, `trace_id` that of the trace it belongs to.
    """

    route: str | None
    provider: str | None
    method: str
    status: int
    duration: float
    upstream: float | None = None
    request_bytes: int = 0
    response_bytes: int = 0
    credential: str = "none"
    retries: int = 0
    error: str | None = None
    client: str | None = None
    id: str = ""
    trace_id: str | None = None


def timestamp(wall: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return _stamp(int(wall * 1000))


def request_json(stamp: str, record: RequestRecord) -> str:
    (
        route, provider, method, status, duration, upstream, received, sent, credential, retries, error, client,
        request_id, trace_id,
    ) = record  # fmt: skip
    before, behind = _around(route, provider, method, status, credential, retries, error, client)
    waited = "null" if upstream is None else f"{upstream * 1000:.3f}"
    trace = "" if trace_id is None else f',"trace_id":"{trace_id}"'
    return (
        f'{{"time":"{stamp}",{before}"duration_ms":{duration * 1000:.3f},"upstream_ms":{waited},'
        f'"request_bytes":{received},"response_bytes":{sent},{behind},"request_id":"{request_id}"{trace}}}\n'
    )


@lru_cache(maxsize=1024)
def _around(
    route: str | None,
    provider: str | None,
    method: str,
    status: int,
    credential: str,
    retries: int,
    error: str | None,
    client: str | None,
) -> tuple[str, str]:
    """What is the same for most requests of a route, before and behind what is measured."""
    named = "" if client is None else f',"client":{_escaped(client)}'
    command = next_command(error, route, provider, method)
    named += "" if command is None else f',"next":{_escaped(command)}'
    return (
        f'"level":"info","event":"request","route":{_escaped(route)},"provider":{_escaped(provider)},'
        f'"method":{_escaped(method)},"status":{status},',
        f'"credential":{_escaped(credential)},"retries":{retries},"error":{_escaped(error)}{named}',
    )


def next_command(error: str | None, route: str | None, provider: str | None, method: str) -> str | None:
    """What tells more about an answer of our own; None where its code says all."""
    if error is None:
        return None
    if error == "no_route":
        return "authproxy routes"
    if error in ("method_not_allowed", "denied_by_route"):
        return f"authproxy explain {method} {route}/..."
    return f"authproxy test {provider}" if error.startswith(("credential_", "upstream_")) else None


def request_text(stamp: str, record: RequestRecord) -> str:
    return _request_text(stamp, record, str(record.status))


def request_coloured(stamp: str, record: RequestRecord) -> str:
    colour = _STATUS_COLOURS.get(record.status // 100, "0")
    return _request_text(stamp, record, f"\x1b[{colour}m{record.status}\x1b[0m")


def _request_text(stamp: str, record: RequestRecord, status: str) -> str:
    command = next_command(record.error, record.route, record.provider, record.method)
    target = "(no route)" if record.route is None else f"{record.route} -> {record.provider}"
    waited = "" if record.upstream is None else f" (upstream {record.upstream * 1000:.1f})"
    notes = [
        record.credential,
        *([f"retries {record.retries}"] if record.retries else []),
        *([f"client {record.client}"] if record.client else []),
        record.error or "",
        # For whoever has the answer before him and looks for its line; where all went well, nobody does.
        *([record.id] if record.error else []),
        *([f"trace {record.trace_id}"] if record.trace_id else []),
        *([f"(next: {command})"] if command else []),
    ]
    line = f"{record.method:<7} {target:<24} {record.duration * 1000:>8.1f} ms{waited}  {' '.join(notes)}"
    return f"{stamp[11:23]} {status} {plain(line).rstrip()}\n"


def event_json(stamp: str, level: str, fields: Mapping[str, Field]) -> str:
    return _escaped({"time": stamp, "level": level, **fields}) + "\n"


def event_text(stamp: str, level: str, fields: Mapping[str, Field]) -> str:
    rest = (f"{name}={value}" for name, value in fields.items() if name not in _NOT_SHOWN and value is not None)
    return f"{stamp[11:23]} {level:<7} {plain(' '.join([str(fields['event']), *rest]))}\n"


def event_coloured(stamp: str, level: str, fields: Mapping[str, Field]) -> str:
    return f"\x1b[{_COLOURS.get(level, '0')}m{event_text(stamp, level, fields)[:-1]}\x1b[0m\n"


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
