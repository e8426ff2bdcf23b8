"""The vendor's answer, to the caller as it comes.

Written straight to the transport. A body that breaks off at the vendor breaks off at the caller too: the
connection is aborted, never ended as if that had been all.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from asyncio import Transport

from aiohttp.web import BaseRequest

from proxy.gateway.body import CallerGone
from proxy.gateway.headers import RELAYED, RawHeaders, passing
from proxy.gateway.refusal import REASONS
from proxy.upstream.exchange import Answer

_NO_LINGER = struct.pack("ii", 1, 0)
_BODYLESS = frozenset({204, 304})
# A caller that takes next to nothing for so long holds a vendor's connection for nobody.
_STALLED_SECONDS = 300.0


async def relay(answer: Answer, caller: BaseRequest, *, keep_alive: bool, extra: RawHeaders = ()) -> int:
    """Write the answer; the number of body bytes written.

    Raises CallerGone, or the UpstreamError with which the body broke off: before a byte was written, or after
    the caller's connection was aborted. `extra` are headers of our own.
    """
    has_body = caller.method != "HEAD" and answer.status not in _BODYLESS
    fields = passing(answer.headers, RELAYED)
    is_chunked = has_body and caller.version >= (1, 1) and not _has_length(fields)
    first = answer.read_nowait() if has_body else b""
    head = answer_head(answer.status, (*fields, *extra), is_chunked=is_chunked, keep_alive=keep_alive)
    ends_here = not has_body or answer.is_read
    open_transport(caller).write(head + _framed(first, is_chunked, last=ends_here))
    try:
        if ends_here:
            answer.finish()
            await drained(caller)
            return len(first)
        return len(first) + await _stream(answer, caller, is_chunked)
    except BaseException:
        abort(caller.transport)
        raise


async def _stream(answer: Answer, caller: BaseRequest, is_chunked: bool) -> int:
    written = 0
    await drained(caller)
    while piece := await answer.read():
        open_transport(caller).write(_framed(piece, is_chunked, last=False))
        written += len(piece)
        await drained(caller)
    if is_chunked:
        open_transport(caller).write(b"0\r\n\r\n")
    answer.finish()
    return written


async def drained(caller: BaseRequest) -> None:
    """Wait until the caller took most of what was written. Raises CallerGone.

    To be awaited after every answer: a caller who asks on and on and never reads would fill the memory.
    """
    if not caller.protocol.writing_paused:
        return
    try:
        async with asyncio.timeout(_STALLED_SECONDS):
            await caller.writer.drain()
    except (TimeoutError, ConnectionError):
        raise CallerGone from None


def answer_head(status: int, fields: RawHeaders, *, is_chunked: bool, keep_alive: bool) -> bytes:
    """Status line and header section; the reason phrase is ours, for a vendor's could be anything."""
    lines = [b"HTTP/1.1 %d %b\r\n" % (status, REASONS.get(status, b""))]
    for name, value in fields:
        lines += (name, b": ", value, b"\r\n")
    if is_chunked:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    if not keep_alive:
        lines.append(b"Connection: close\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)


def open_transport(caller: BaseRequest) -> Transport:
    """Where to write to the caller. Raises CallerGone."""
    transport = caller.transport
    if transport is None or transport.is_closing():
        raise CallerGone
    return transport


def abort(transport: Transport | None) -> None:
    """End a caller's connection so that it shows: a reset, for an end of file could be the body's end."""
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def _framed(octets: bytes, is_chunked: bool, *, last: bool) -> bytes:
    if not is_chunked:
        return octets
    chunk = b"%x\r\n%b\r\n" % (len(octets), octets) if octets else b""
    return chunk + b"0\r\n\r\n" if last else chunk


def _has_length(fields: RawHeaders) -> bool:
    return any(name.lower() == b"content-length" for name, _ in fields)
