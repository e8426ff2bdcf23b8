"""A look into an answer for schemes that need one: small, JSON, and without changing a byte of it."""

from __future__ import annotations

import zlib

from proxy.upstream.answer import Answer

# An error that speaks of the token is a few hundred bytes; whatever is larger is an answer to the question.
LIMIT = 16 * 1024
_JSON_TYPES = (b"application/json", b"application/graphql-response+json")


async def readable_body(answer: Answer) -> bytes | None:
    """The decoded body if it is JSON and at most 16 KiB, else None; the answer can still be read in full.

    Raises an UpstreamError if the answer breaks off meanwhile.
    """
    if answer.status == 101:
        return None  # What follows is no body.
    headers = {name.lower(): value for name, value in answer.headers}
    if not _is_json(headers.get(b"content-type", b"")) or _length(headers) > LIMIT:
        return None
    body = await answer.peek(LIMIT)
    return None if body is None else decoded(body, headers.get(b"content-encoding", b"").strip().lower())


def decoded(body: bytes, coding: bytes) -> bytes | None:
    """At most 16 KiB of decoded text; None for a coding that is not known or more text than that."""
    if coding in (b"", b"identity"):
        return body
    if coding not in (b"gzip", b"deflate"):
        return None
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # Detects gzip and zlib by their headers.
    try:
        text = decompressor.decompress(body, LIMIT)
    except zlib.error:
        return None
    return None if decompressor.unconsumed_tail else text


def _is_json(content_type: bytes) -> bool:
    return content_type.partition(b";")[0].strip().lower() in _JSON_TYPES


def _length(headers: dict[bytes, bytes]) -> int:
    length = headers.get(b"content-length", b"0")
    return int(length) if length.isdigit() else 0
