"""Whether this aiohttp behaves as it must for us, looked at when the proxy starts and by a test.

The data path leans on what aiohttp's documentation does not promise: how its C parsers may be fed, and names inside
its server's connection. A version that moved one of these must not be found out by a request.
"""

from __future__ import annotations

import asyncio
from typing import Any

from proxy.errors import CannotStart
from proxy.wire.aiohttp_parts import HttpProcessingError, RequestHandler, aiohttp_version, http_parser
from proxy.wire.chunks import BadChunk, ChunkDecoder
from proxy.wire.head_memory import HeadMemory
from proxy.wire.heads import request_heads, response_heads

# What `proxy.gateway.caller` uses of aiohttp's connection.
_NAMES = (
    "_close", "_drain_helper", "_force_close", "_loop", "_manager", "_pause_transport_reading", "_paused",
    "_resume_transport_reading", "_task_handler", "_waiter", "close", "force_close", "start", "transport",
)  # fmt: skip
_LIMITS = {"max_line": 100, "max_field": 101, "max_fields": 3, "max_head": 1000}


def check_aiohttp(
    parsers: Any = http_parser, connection: type = RequestHandler, loop: asyncio.AbstractEventLoop | None = None
) -> None:
    """Raise CannotStart if it does not. Takes less than a millisecond."""
    # aiohttp's pure-Python parser lets through what the C parser refuses.
    if parsers.HttpRequestParser.__module__ != "aiohttp._http_parser":
        raise CannotStart("aiohttp's C parser is not in use; unset AIOHTTP_NO_EXTENSIONS and install a binary wheel")
    missing = [name for name in _NAMES if not hasattr(connection, name)]
    own_loop = loop or asyncio.get_event_loop_policy().new_event_loop()
    try:
        failed = [*missing, *(rule for rule, holds in _rules(own_loop) if not holds)]
    finally:
        if loop is None:
            own_loop.close()
    if failed:
        raise CannotStart(f"aiohttp {aiohttp_version} is not one that authproxy can work with: {', '.join(failed)}")


def _rules(loop: asyncio.AbstractEventLoop) -> list[tuple[str, bool]]:
    return [
        ("a request's head is read without its body", _reads_heads_only(loop)),
        ("an answer's head is read without its body", _reads_answers_only(loop)),
        ("a line that is too long tells its limit", _tells_limits(loop)),
        ("what lies behind a chunked body is given back", _gives_back(loop)),
        ("nothing is taken behind a chunked answer", _takes_nothing_more(loop)),
        ("a broken chunk is refused", _refuses(loop)),
    ]


def _reads_heads_only(loop: asyncio.AbstractEventLoop) -> bool:
    reader = request_heads(loop, lambda message: message, HeadMemory(len), **_LIMITS)
    first, behind = reader.read(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhiGET")
    second, _ = reader.read(b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
    return (first and first.path, behind, second and second.path) == ("/a", b"hiGET", "/b")


def _reads_answers_only(loop: asyncio.AbstractEventLoop) -> bool:
    reader = response_heads(loop, lambda message: message, HeadMemory(len), **_LIMITS)
    first, behind = reader.read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    second, _ = reader.read(b"HTTP/1.1 304 X\r\n\r\n")
    return (first and first.code, behind, second and second.code) == (200, b"hi", 304)


def _tells_limits(loop: asyncio.AbstractEventLoop) -> bool:
    told = []
    for head in (b"GET /%b HTTP/1.1\r\n\r\n" % (b"a" * 200), b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % (b"a" * 200)):
        try:
            request_heads(loop, lambda message: message, HeadMemory(len), **_LIMITS).read(head)
        except HttpProcessingError as error:
            told.append(error.args[1] if len(error.args) > 1 else None)
    return told == [_LIMITS["max_line"], _LIMITS["max_field"]]


def _gives_back(loop: asyncio.AbstractEventLoop) -> bool:
    decoder = ChunkDecoder.of_request(loop)
    return decoder.feed(b"2\r\nhi\r\n0\r\n\r\nGET") == (b"hi", b"GET") and decoder.is_complete


def _takes_nothing_more(loop: asyncio.AbstractEventLoop) -> bool:
    decoder = ChunkDecoder.of_response(loop)
    piece, behind = decoder.feed(b"2\r\nhi\r\n0\r\n\r\nHTTP")
    return piece == b"hi" and bool(behind) and decoder.is_complete


def _refuses(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        ChunkDecoder.of_request(loop).feed(b"zz\r\n")
    except BadChunk:
        return True
    return False
