"""A body that is kept: whole whenever somebody asks, and hardly larger in memory than it is."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from proxy.gateway.pieces import Pieces

SIZES = st.one_of(st.integers(0, 10), st.sampled_from([4095, 4096, 4097, 70_000]))


@given(sizes=st.lists(SIZES, max_size=40), asked=st.sets(st.integers(0, 40)))
def test_it_is_what_came_however_it_came_and_whenever_it_is_asked_for(sizes: list[int], asked: set[int]) -> None:
    pieces, expected = Pieces(), b""
    for number, size in enumerate(sizes):
        piece = bytes([number]) * size
        pieces.add(piece)
        expected += piece
        if number in asked:
            assert pieces.whole() == expected
    assert pieces.whole() == pieces.whole() == expected


def test_a_body_of_one_piece_is_not_copied() -> None:
    pieces, piece = Pieces(), bytes(70_000)
    pieces.add(piece)
    assert pieces.whole() is piece


def test_single_bytes_take_little_more_than_themselves() -> None:
    count = 300_000
    tracemalloc.start()
    try:
        pieces = Pieces()
        for _ in range(count):
            pieces.add(b"x")
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 1.5 * count
    assert pieces.whole() == b"x" * count
