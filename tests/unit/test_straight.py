"""Views of a buffer that is used again: what a reader still has is never written over."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator

import pytest

from proxy.wire.chunks import ChunkDecoder
from proxy.wire.incoming import Incoming
from proxy.wire.straight import LONG, MOST, SIZE, StraightReading, read_plainly, read_straight


class Transport(asyncio.Transport):
    """Says which protocol it has, and lets a test play the event loop."""

    def __init__(self, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.reads = True
        self.waits_for = 1

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self if name == "socket" else default

    def setsockopt(self, level: int, option: int, value: int) -> None:
        self.waits_for = value

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert not self.reads, "uvloop goes on as it began"
        self.protocol = protocol

    def is_reading(self) -> bool:
        return self.reads

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def comes(self, octets: bytes) -> int:
        """What the event loop does; the number of bytes that were read."""
        assert isinstance(self.protocol, asyncio.BufferedProtocol)
        buffer = self.protocol.get_buffer(-1)
        size = min(len(buffer), len(octets))  # type: ignore[arg-type]
        buffer[:size] = octets[:size]  # type: ignore[index]
        self.protocol.buffer_updated(size)
        return size


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = Transport(self)
        self.pauses = self.resumes = 0

    def pause_reading(self) -> None:
        self.pauses += 1

    def resume_reading(self) -> None:
        self.resumes += 1


Begun = tuple[Transport, Incoming, Connection]
Begin = Callable[[int | None], Begun]


@pytest.fixture
def begin(loop: asyncio.AbstractEventLoop) -> Iterator[Begin]:
    """A body of this length that somebody begins to pass on."""
    transports: list[Transport] = []

    def begin(length: int | None) -> Begun:
        connection = Connection()
        body = Incoming(loop, connection, length)
        read_straight(body)
        assert isinstance(connection.transport, Transport)
        transports.append(connection.transport)
        return connection.transport, body, connection

    yield begin
    for transport in transports:
        read_plainly(transport)


def test_a_piece_that_a_reader_still_has_is_not_written_over(begin: Begin) -> None:
    transport, body, _ = begin(4 * SIZE)
    pieces = []
    for letter in b"abcd":
        transport.comes(bytes([letter]) * SIZE)
        pieces.append(body.take())
    assert [bytes(piece) == bytes([letter]) * SIZE for letter, piece in zip(b"abcd", pieces, strict=True)] == [True] * 4


def test_a_buffer_that_nobody_has_any_more_is_used_again(begin: Begin) -> None:
    transport, body, _ = begin(10 * SIZE)
    seen = set()
    for _ in range(9):
        transport.comes(bytes(SIZE))
        piece = body.take()
        assert isinstance(piece, memoryview)
        seen.add(id(piece.obj))
        del piece
    assert len(seen) == 1


def test_pieces_share_a_buffer_as_long_as_there_is_room_in_it(begin: Begin) -> None:
    """TLS brings a quarter of one at a time: what a slow reader keeps of that is not four times its size."""
    transport, body, _ = begin(10 * SIZE)
    pieces = []
    for letter in b"abcdef":
        assert transport.comes(bytes([letter]) * (SIZE // 4)) == SIZE // 4
        pieces.append(body.take())
    assert [set(bytes(piece)) for piece in pieces] == [{letter} for letter in b"abcdef"]
    assert len({id(piece.obj) for piece in pieces}) == 2  # type: ignore[attr-defined]


def test_what_comes_behind_a_piece_that_waits_is_taken_with_it_and_not_copied(begin: Begin) -> None:
    transport, body, connection = begin(2 * LONG)
    for letter in b"abc":
        transport.comes(bytes([letter]) * (SIZE // 4))
    assert connection.pauses == 1
    piece = body.take()
    assert isinstance(piece, memoryview)
    assert bytes(piece) == b"".join(bytes([letter]) * (SIZE // 4) for letter in b"abc")
    assert body.take() == b""
    assert body.left == 2 * LONG - 3 * (SIZE // 4)


def test_pieces_in_different_buffers_are_taken_one_after_the_other(begin: Begin) -> None:
    """One of both would be a copy."""
    transport, body, connection = begin(2 * LONG)
    for letter in b"ab":
        transport.comes(bytes([letter]) * (SIZE - 1))
    first = body.take()
    assert connection.resumes == 0, "more than half of what may wait is still here"
    second = body.take()
    assert connection.resumes == 1
    assert [(type(piece), piece[0], len(piece)) for piece in (first, second)] == [
        (memoryview, letter, SIZE - 1) for letter in b"ab"
    ]


@pytest.mark.parametrize("seed", range(40))
def test_in_pieces_of_whatever_size_taken_and_kept_however_long_a_body_is_whole(begin: Begin, seed: int) -> None:
    chance = random.Random(seed)
    octets = chance.randbytes(3 * LONG)
    transport, body, _ = begin(len(octets))
    at, kept, got = 0, [], bytearray()
    while at < len(octets):
        at += transport.comes(octets[at : at + chance.choice([1, 60_000, 70_000, SIZE // 4, SIZE, 2 * SIZE])])
        for _ in range(chance.choice([0, 0, 1, 2])):
            kept.append(body.take())
        for _ in range(chance.choice([0, 0, 1, len(kept)])):
            got += kept.pop(0) if kept else b""
    while piece := body.take():
        kept.append(piece)
    assert bytes(got) + b"".join(kept) == octets
    assert body.is_read


def test_small_pieces_do_not_hold_a_buffer(begin: Begin) -> None:
    transport, body, _ = begin(LONG)
    transport.comes(b"x" * 1000)
    assert type(body.take()) is bytes


def test_nothing_is_read_beyond_the_body_and_then_the_connection_reads_on(begin: Begin) -> None:
    transport, body, connection = begin(LONG)
    octets = bytes(LONG) + b"GET"
    while octets != b"GET":
        octets = octets[transport.comes(octets) :]
        body.take()
    assert body.is_complete
    assert (transport.protocol, transport.reads) == (connection, True)
    assert StraightReading.under_way == 0


def test_a_connection_that_was_paused_stays_paused(loop: asyncio.AbstractEventLoop) -> None:
    connection = Connection()
    assert connection.transport is not None
    connection.transport.pause_reading()
    read_straight(Incoming(loop, connection, LONG))
    assert not connection.transport.is_reading()
    read_plainly(connection.transport)
    assert not connection.transport.is_reading()


def test_a_connection_that_is_given_back_early_tells_of_every_byte_again(begin: Begin) -> None:
    transport, _, _ = begin(4 * SIZE)
    transport.comes(b"x" * 1000)
    assert transport.waits_for > 1
    read_plainly(transport)
    assert transport.waits_for == 1


def test_behind_a_body_in_chunks_the_connection_tells_of_every_byte_again(loop: asyncio.AbstractEventLoop) -> None:
    connection = Connection()
    transport = connection.transport
    assert isinstance(transport, Transport)
    body = Incoming(loop, connection, None, ChunkDecoder.of_response(loop))
    read_straight(body)
    assert transport.protocol is connection
    for _ in range(2 * LONG // 20_000):
        body.receive(b"4e20\r\n%b\r\n" % bytes(20_000))
        body.take()
    assert transport.waits_for > 1
    body.receive(b"0\r\n\r\n")
    assert body.is_read and transport.waits_for == 1


@pytest.mark.parametrize("length", [None, LONG - 1])
def test_short_bodies_and_those_of_unknown_length_are_read_as_ever(begin: Begin, length: int | None) -> None:
    transport, _, connection = begin(length)
    assert transport.protocol is connection


def test_only_so_many_are_under_way_and_each_is_counted_once(begin: Begin) -> None:
    connections = [begin(LONG)[2] for _ in range(MOST)]
    assert begin(LONG)[0].protocol.__class__ is Connection
    for connection in connections:
        assert isinstance(connection.transport, Transport)
        reading = connection.transport.protocol
        read_plainly(connection.transport)
        read_plainly(connection.transport)
        reading.connection_lost(None)
    assert StraightReading.under_way == 0
