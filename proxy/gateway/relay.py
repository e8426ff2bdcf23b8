"""The vendor's answer, to the caller as it comes.

Written straight to the transport. A body that breaks off at the vendor breaks off at the caller too: the
connection is aborted, never ended as if that had been all.
"""

from __future__ import annotations

from proxy.gateway.caller import CallerConnection
from proxy.gateway.headers import RELAYED, RawHeaders, field_lines, passed
from proxy.gateway.passage import Passage
from proxy.gateway.refusal import REASONS
from proxy.target import drop_parameters
from proxy.upstream.answer import Answer

_ADDRESSES = frozenset({b"location", b"content-location"})
_LAST_CHUNK = b"0\r\n\r\n"
_LAST_ANSWER = b"Connection: close\r\n"
_STATUS_LINES = {status: b"HTTP/1.1 %d %b\r\n" % (status, reason) for status, reason in REASONS.items()}


def relay_whole(answer: Answer, caller: CallerConnection, hidden: frozenset[str], keep_alive: bool) -> int:
    """As `relay`, for an answer that `is_here` and gets no headers of ours; the number of body bytes written.

    Whoever calls it waits for the caller where he `is_undrained`.
    """
    octets = answer.read_nowait()
    lines = answer.head.lines or _lines(answer, hidden)
    if not keep_alive:
        lines = lines[:-2] + _LAST_ANSWER + b"\r\n"
    caller.write(lines + octets)
    answer.finish(caller.loop.time())
    return len(octets)


async def relay(
    answer: Answer,
    caller: CallerConnection,
    passage: Passage,
    hidden: frozenset[str],
    *,
    keep_alive: bool,
    extra: RawHeaders = (),
) -> None:
    """Write the answer, and note at the passage how many bytes of its body were written, also of one that is cut off.

    Raises CallerGone, or the UpstreamError with which the body broke off: before a byte was written, or after
    the caller's connection was aborted. `extra` are headers of our own. `hidden` are canonical names of query
    parameters: where they are the credential, a vendor that sends its caller elsewhere would hand it over with the
    address.
    """
    message, head = caller.head.message, answer.head
    has_body = message.method != "HEAD" and head.may_have_body
    lines = head.lines or _lines(answer, hidden)
    is_chunked = has_body and head.length is None and message.version == (1, 1)
    first = answer.read_nowait() if has_body else b""
    ends_here = not has_body or answer.is_read
    if extra or is_chunked or not keep_alive:
        more = more_lines(extra, is_chunked=is_chunked, keep_alive=keep_alive)
        lines = b"%b%b\r\n" % (lines.removesuffix(b"\r\n"), more)
    caller.write(lines + (_framed(first, last=ends_here) if is_chunked else first))
    passage.response_bytes = len(first)
    try:
        if ends_here:
            answer.finish(caller.loop.time())
            await caller.drained()
        else:
            await _stream(answer, caller, passage, is_chunked)
    except BaseException:
        caller.abort()
        raise


def _lines(answer: Answer, hidden: frozenset[str]) -> bytes:
    head = answer.head
    kept, lines = passed(head.headers, RELAYED)
    if hidden:
        lines = field_lines(_without_hidden(kept, hidden))
    head.lines = lines = _status_line(head.status) + lines + b"\r\n"
    return lines


async def _stream(answer: Answer, caller: CallerConnection, passage: Passage, is_chunked: bool) -> None:
    def pass_on(piece: bytes) -> bool:
        passage.response_bytes += len(piece)
        return caller.offer(_framed(piece, last=False) if is_chunked else piece)

    await caller.drained()
    while not answer.is_read:
        await answer.pour(pass_on)
        await caller.drained()
    if is_chunked:
        caller.write(_LAST_CHUNK)
    answer.finish(caller.loop.time())


def _without_hidden(headers: RawHeaders, hidden: frozenset[str]) -> RawHeaders:
    return tuple((name, _without(value, hidden) if name.lower() in _ADDRESSES else value) for name, value in headers)


def _without(address: bytes, hidden: frozenset[str]) -> bytes:
    return drop_parameters(address.decode("latin-1"), hidden).encode("latin-1")


def head_lines(status: int, fields: RawHeaders) -> bytes:
    """Status line and header section; the reason phrase is ours, for a vendor's could be anything."""
    return _status_line(status) + field_lines(fields)


def _status_line(status: int) -> bytes:
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def more_lines(extra: RawHeaders, *, is_chunked: bool, keep_alive: bool) -> bytes:
    """What we have to say ourselves."""
    coding = b"Transfer-Encoding: chunked\r\n" if is_chunked else b""
    return field_lines(extra) + coding + (b"" if keep_alive else _LAST_ANSWER)


def _framed(octets: bytes, *, last: bool) -> bytes:
    chunk = b"%x\r\n%b\r\n" % (len(octets), octets) if octets else b""
    return chunk + _LAST_CHUNK if last else chunk
