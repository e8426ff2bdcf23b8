"""Whatever a peer sends: the head that is read of it, wherever it was cut, and by a reader that forgives nothing."""

from __future__ import annotations

import asyncio
import atexit
import re
from collections.abc import Iterator
from typing import Any

from aiohttp.http_exceptions import HttpProcessingError

from proxy.errors import BadHeader
from proxy.gateway.headers import check_framing, special_fields
from proxy.wire.head_memory import HeadMemory
from proxy.wire.heads import request_heads, response_heads

_LIMITS = {"max_line": 8190, "max_field": 8191, "max_fields": 128, "max_head": 65_536}
_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([^\0-\x20\x7f]+) HTTP/(\d)\.(\d)")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\0\r\n]*?)[ \t]*")
_loop = asyncio.new_event_loop()
atexit.register(_loop.close)

# None while more is to come, or what was read and what lies behind it.
Reading = tuple[tuple[Any, ...], bytes] | str


def judge(octets: bytes) -> None:
    """The first octet chooses requests or answers, and where the others are cut."""
    choice, octets = octets[:1] or b"\0", octets[1:]
    make = response_heads if choice[0] & 1 else request_heads
    memory: HeadMemory[bytes, Any] = HeadMemory(len)
    whole = _read(make, memory, [octets])
    for pieces in _cuts(octets, choice[0] >> 1):
        assert _read(make, memory, pieces) == whole, "another reading when it is cut"
    if isinstance(whole, str):
        return
    (first, _, fields, is_chunked, _), behind = whole
    assert not any(re.search(rb"[\0\r\n]", part) for field in fields for part in field), "a field with a line's end"
    if make is request_heads:
        _judge_strictly(octets[: len(octets) - len(behind)], first, fields)
        _judge_framing(fields, is_chunked=is_chunked)


def _read(make: Any, memory: HeadMemory[bytes, Any], pieces: list[bytes]) -> Reading:
    reader = make(_loop, _seen, memory, **_LIMITS)
    head, behind = None, b""
    try:
        for piece in pieces:
            if head is not None:
                behind += piece
            else:
                head, behind = reader.read(piece)
    except HttpProcessingError:
        return "refused"
    # The gateway refuses other versions and hangs up, whatever comes behind.
    if head is not None and head[1] not in ((1, 0), (1, 1)):
        return "refused"
    return "more" if head is None else (head, behind)


def _seen(message: Any) -> tuple[Any, ...]:
    first = (message.method, message.path) if hasattr(message, "method") else message.code
    return first, message.version, message.raw_headers, message.chunked, message.should_close


def _cuts(octets: bytes, seed: int) -> Iterator[list[bytes]]:
    yield [octets]  # Once more, from memory.
    yield [octets[at : at + 1] for at in range(min(len(octets), 300))] + [octets[300:]]
    at = len(octets) * seed // 128
    yield [octets[:at], octets[at:]]
    lines = octets.split(b"\r\n")
    yield [line + b"\r\n" for line in lines[:-1]] + [lines[-1]]


def _judge_strictly(head: bytes, first: tuple[str, str], fields: tuple[tuple[bytes, bytes], ...]) -> None:
    assert head.endswith(b"\r\n\r\n")
    line, *rest = head.lstrip(b"\r\n")[:-4].split(b"\r\n")
    match = _REQUEST_LINE.fullmatch(line)
    assert match, "a request line that is none"
    assert (match[1].decode(), match[2].decode("utf-8", "surrogateescape")) == first
    strict = [_FIELD.fullmatch(one) for one in rest]
    assert all(strict), "a field that is none"
    assert [one.groups() for one in strict if one] == [(name, value.strip(b" \t")) for name, value in fields]


def _judge_framing(fields: tuple[tuple[bytes, bytes], ...], *, is_chunked: bool) -> None:
    """What passes the parser and our own check together has one framing."""
    try:
        check_framing(special_fields(fields), (1, 1))
    except BadHeader:
        return
    codings = [value for name, value in fields if name.lower() == b"transfer-encoding"]
    lengths = [value for name, value in fields if name.lower() == b"content-length"]
    assert [coding.lower() for coding in codings] in ([], [b"chunked"]) and bool(codings) == is_chunked
    assert len(lengths) <= 1 and all(re.fullmatch(rb"[0-9]+", length) for length in lengths)
    assert not (codings and lengths)
