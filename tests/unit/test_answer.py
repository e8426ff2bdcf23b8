"""A vendor's answer that has come as a whole, or seems to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.upstream.answer import Answer
from proxy.wire.arrived import Arrived
from proxy.wire.chunks import ChunkDecoder
from proxy.wire.incoming import Incoming

PIECE = bytes(256 * 1024)


def answer(body: Arrived | Incoming | None, length: int | None) -> Answer:
    head: Any = SimpleNamespace(status=200, length=length)
    connection: Any = SimpleNamespace(body=body)
    return Answer(head, connection, None, None, 1.0)  # type: ignore[arg-type]


def in_pieces(loop: asyncio.AbstractEventLoop, length: int | None, *pieces: bytes) -> Incoming:
    decoder = ChunkDecoder.of_response(loop) if length is None else None
    body = Incoming(loop, SimpleNamespace(transport=None), length, decoder)  # type: ignore[arg-type]
    for piece in pieces:
        body.receive(piece)
    return body


BODIES: list[Callable[[asyncio.AbstractEventLoop], tuple[Arrived | Incoming | None, int | None]]] = [
    lambda loop: (None, None),
    lambda loop: (Arrived(b"abc"), 3),
    lambda loop: (in_pieces(loop, 6, b"abc", b"def"), 6),
    lambda loop: (in_pieces(loop, 2 * len(PIECE), PIECE, PIECE), 2 * len(PIECE)),
    lambda loop: (in_pieces(loop, 9, b"abc"), 9),
    lambda loop: (in_pieces(loop, None, b"3\r\nabc\r\n0\r\n\r\n"), None),
]


@pytest.mark.parametrize("make", BODIES)
def test_what_is_said_to_be_here_is_had_at_once(
    make: Callable[[asyncio.AbstractEventLoop], tuple[Arrived | Incoming | None, int | None]],
    loop: asyncio.AbstractEventLoop,
) -> None:
    """All of it, and its head says how long it is: it can be passed on in one step and forgotten."""
    body, length = make(loop)
    one = answer(body, length)
    if one.is_here():
        assert len(one.read_nowait()) == (length or 0)
        assert one.is_read


def test_an_answer_that_came_in_one_piece_is_here(loop: asyncio.AbstractEventLoop) -> None:
    assert answer(None, None).is_here()
    assert answer(Arrived(b"abc"), 3).is_here()
    assert not answer(in_pieces(loop, 9, b"abc"), 9).is_here()
