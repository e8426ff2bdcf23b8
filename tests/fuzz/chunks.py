"""Whatever comes for a chunked body: what it decodes to, wherever it was cut, and by a decoder that forgives nothing."""

from __future__ import annotations

import re

from proxy.wire.chunks import BadChunk, ChunkDecoder
from tests.fuzz.heads import _loop

_SIZE = re.compile(rb"([0-9a-fA-F]{1,16})(?:[ \t]*;[^\0\r\n]*)?\r\n")
_TRAILER = re.compile(rb"[^\0\r\n:]+:[^\0\r\n]*\r\n")

# The decoded body, whether it is complete, and what lies behind it.
Decoded = tuple[bytes, bool, bytes] | None


def judge(octets: bytes) -> None:
    """The first octet chooses requests or answers, and where the others are cut."""
    choice, octets = octets[:1] or b"\0", octets[1:]
    is_answer = bool(choice[0] & 1)
    whole = _decoded(is_answer, [octets])
    at = len(octets) * (choice[0] >> 1) // 128
    for pieces in ([octets[:at], octets[at:]], [octets[at : at + 1] for at in range(len(octets))]):
        cut = _decoded(is_answer, pieces)
        assert (cut is None) == (whole is None), "refused in one cut and not in the other"
        if cut is not None and whole is not None:
            assert cut[:2] == whole[:2], "another body when it is cut"
            assert is_answer or cut[2] == whole[2], "it ends elsewhere when it is cut"
    strict = _strictly(octets)
    if whole is not None and whole[1] and not is_answer:
        assert whole == strict, "a stricter reader reads another body"


def _decoded(is_answer: bool, pieces: list[bytes]) -> Decoded:
    decoder = ChunkDecoder.of_response(_loop) if is_answer else ChunkDecoder.of_request(_loop)
    body, behind = b"", b""
    try:
        for piece in pieces:
            if decoder.is_complete:
                behind += piece
            else:
                more, behind = decoder.feed(piece)
                body += more
    except BadChunk:
        return None
    return body, decoder.is_complete, behind


def _strictly(octets: bytes) -> Decoded:
    body, at = b"", 0
    while match := _SIZE.match(octets, at):
        size, at = int(match[1], 16), match.end()
        if size == 0:
            while trailer := _TRAILER.match(octets, at):
                at = trailer.end()
            return (body, True, octets[at + 2 :]) if octets.startswith(b"\r\n", at) else None
        body += octets[at : at + size]
        if octets[at + size : at + size + 2] != b"\r\n":
            return None
        at += size + 2
    return None
