"""A vendor's head: what is read of it, and which would leave two parties with two ends of a body."""

from __future__ import annotations

import asyncio

import pytest

from proxy.upstream.connection import VendorHead, vendor_head
from proxy.wire.aiohttp_parts import BadHttpMessage
from proxy.wire.head_memory import HeadMemory
from proxy.wire.heads import response_heads

LIMITS = {"max_line": 1000, "max_field": 1000, "max_fields": 20, "max_head": 10_000}


def read(loop: asyncio.AbstractEventLoop, line: str, *fields: str) -> VendorHead:
    head, _ = response_heads(loop, vendor_head, HeadMemory(len), **LIMITS).read(
        "\r\n".join((line, *fields, "", "")).encode()
    )
    assert head is not None
    return head


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("HTTP/1.1 200 OK", ["Transfer-Encoding: gzip"]),
        ("HTTP/1.1 200 OK", ["Transfer-Encoding: gzip, chunked"]),
        ("HTTP/1.1 200 OK", ["transfer-encoding:"]),
        ("HTTP/1.1 200 OK", ["Transfer-Encoding: chunked", "TRANSFER-ENCODING: chunked"]),
        ("HTTP/1.0 200 OK", ["Transfer-Encoding: chunked"]),
        ("HTTP/2.0 200 OK", ["Content-Length: 1"]),
        ("HTTP/0.9 200 OK", []),
    ],
)
def test_a_head_that_leaves_the_end_of_its_body_open_is_refused(
    loop: asyncio.AbstractEventLoop, line: str, fields: list[str]
) -> None:
    with pytest.raises(BadHttpMessage):
        read(loop, line, *fields)


def test_what_is_read_of_a_head(loop: asyncio.AbstractEventLoop) -> None:
    sized = read(loop, "HTTP/1.1 200 OK", "content-LENGTH: 5", "A: b")
    assert (sized.status, sized.length, sized.is_chunked, sized.should_close) == (200, 5, False, False)
    assert sized.headers == ((b"content-LENGTH", b"5"), (b"A", b"b")) and sized.may_have_body and sized.lines is None
    chunked = read(loop, "HTTP/1.1 500 Oh", "transfer-encoding: Chunked")
    assert (chunked.status, chunked.length, chunked.is_chunked, chunked.should_close) == (500, None, True, False)
    closing = read(loop, "HTTP/1.0 204 No Content")
    assert closing.headers == () and closing.should_close and not closing.may_have_body
