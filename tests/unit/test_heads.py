"""A head that comes in one piece is read as one that comes in many, though less is looked at."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proxy.wire.aiohttp_parts import HttpProcessingError, LineTooLong
from proxy.wire.head_memory import HeadMemory
from proxy.wire.heads import HeadReader, request_heads, response_heads
from tests.fuzz import corpus_of

LIMITS = {"max_line": 200, "max_field": 200, "max_fields": 20, "max_head": 400}
HOST = b"Host: a\r\n"
REQUESTS = (
    b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"\r\nGET /behind HTTP/1.1\r\n",
    b"\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"\r\n\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"\rGET / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"\nGET / HTTP/1.1\r\n" + HOST + b"\r\n",
    b" GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"\r\r\n\r\n",
    b"\r\n\r\n",
    b"\r\n\r\n\r\n",
    b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /  HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1  \r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\nHost:  a\r\nA: b  c\r\n\r\n",
    b"GET / HTTP/1.1\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"\n\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"A: " + b"b" * 199 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"A%d: %b\r\n" % (n, b"b" * 50) for n in range(9)) + b"\r\n",
    b"GET /" + b"a" * 300 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\nbehind",
)
ANSWERS = (
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200  O  K\r\nA: b\r\n\r\nbody",
    b"HTTP/1.1 200 OK\nA: b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\n\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    b"\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"".join(b"A%d: %b\r\n" % (n, b"b" * 50) for n in range(9)) + b"\r\n",
)


def seen(message: Any) -> tuple[Any, ...]:
    first = (message.method, message.path) if hasattr(message, "method") else message.code
    return first, message.version, message.raw_headers, message.chunked, message.should_close


def read(loop: asyncio.AbstractEventLoop, make: Any, pieces: list[bytes], memory: HeadMemory[bytes, Any]) -> Any:
    reader = make(loop, seen, memory, **LIMITS)
    head, behind = None, b""
    try:
        for piece in pieces:
            if head is None:
                head, behind = reader.read(piece)
            else:
                behind += piece
    except HttpProcessingError as error:
        return LineTooLong if isinstance(error, LineTooLong) else HttpProcessingError
    return head, behind


@pytest.mark.parametrize("octets", REQUESTS)
def test_a_request_is_read_alike_in_one_piece_and_in_many(loop: asyncio.AbstractEventLoop, octets: bytes) -> None:
    memory: HeadMemory[bytes, Any] = HeadMemory(len)
    whole = [read(loop, request_heads, [octets], memory) for _ in range(3)]
    assert whole == [read(loop, request_heads, [octets[:1], octets[1:]], HeadMemory(len))] * 3


@pytest.mark.parametrize("octets", ANSWERS)
def test_an_answer_is_read_alike_in_one_piece_and_in_many(loop: asyncio.AbstractEventLoop, octets: bytes) -> None:
    memory: HeadMemory[bytes, Any] = HeadMemory(len)
    whole = [read(loop, response_heads, [octets], memory) for _ in range(3)]
    assert whole == [read(loop, response_heads, [octets[:1], octets[1:]], HeadMemory(len))] * 3


@pytest.mark.parametrize("make", [request_heads, response_heads])
def test_whatever_a_fuzzer_found_is_read_alike_in_one_piece_and_in_many(
    loop: asyncio.AbstractEventLoop, make: Any
) -> None:
    """Or refused; where several things are wrong, not for the same."""
    for path in corpus_of("heads"):
        octets = path.read_bytes()[1:]
        whole, cut = (read(loop, make, pieces, HeadMemory(len)) for pieces in ([octets], [octets[:1], octets[1:]]))
        assert whole == cut or (isinstance(whole, type) and isinstance(cut, type)), path


def test_empty_lines_before_a_head_count_as_a_part_of_it(loop: asyncio.AbstractEventLoop) -> None:
    """Or a peer could send them without end."""
    reader = request_heads(loop, seen, HeadMemory(len), **LIMITS)
    head = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
    assert reader.read(b"\r\n" * 100) == (None, b"")
    assert reader.read(head)[0] is not None
    assert reader.read(b"\r\n" * 199) == (None, b"")
    with pytest.raises(LineTooLong):
        reader.read(head)


def test_a_head_that_was_read_before_takes_no_parser(loop: asyncio.AbstractEventLoop) -> None:
    """Where each request comes on a connection of its own, one would be made for each."""
    memory: HeadMemory[bytes, Any] = HeadMemory(len)
    octets = b"GET / HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    first, _ = [read(loop, request_heads, [octets], memory) for _ in range(2)]

    def new_parser() -> Any:
        raise AssertionError

    reader: Any = HeadReader(new_parser, seen, memory, 400, is_strict=True)
    assert reader.read(octets + b"behind") == (first[0], b"behind")
