"""A body on its way: read piece by piece, or poured."""

from __future__ import annotations

import asyncio

import pytest

from proxy.wire.arrived import Arrived
from proxy.wire.incoming import HIGH_WATER, Incoming


class Peer:
    """Where it comes from."""

    transport = None

    def __init__(self) -> None:
        self.is_paused = False

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


class Glass:
    """A sink that has enough for now after so many pieces."""

    def __init__(self, holds: int) -> None:
        self.holds = holds
        self.pieces: list[bytes] = []

    def __call__(self, piece: bytes) -> bool:
        self.pieces.append(piece)
        return len(self.pieces) < self.holds


@pytest.fixture
def peer() -> Peer:
    return Peer()


def incoming(peer: Peer, length: int | None = 9) -> Incoming:
    return Incoming(asyncio.get_running_loop(), peer, length)


async def poured(body: Incoming, sink: Glass) -> asyncio.Task[None]:
    task = asyncio.create_task(body.pour(sink))
    await asyncio.sleep(0)
    return task


async def test_a_sink_gets_what_was_there_and_each_piece_as_soon_as_it_comes(peer: Peer) -> None:
    body, sink = incoming(peer), Glass(99)
    body.receive(b"abc")
    task = await poured(body, sink)
    assert sink.pieces == [b"abc"]
    body.receive(b"def")
    assert sink.pieces == [b"abc", b"def"] and not task.done()
    assert body.receive(b"ghiGET") == b"GET"
    await task
    assert sink.pieces == [b"abc", b"def", b"ghi"] and body.is_read


async def test_a_sink_that_has_enough_is_given_no_more_until_it_is_poured_again(peer: Peer) -> None:
    body, sink = incoming(peer), Glass(1)
    task = await poured(body, sink)
    body.receive(b"abc")
    body.receive(b"def")
    await task
    assert sink.pieces == [b"abc"] and not body.is_read
    await body.pour(sink)
    assert sink.pieces == [b"abc", b"def"]


async def test_what_comes_while_a_sink_has_enough_is_bounded_as_always(peer: Peer) -> None:
    body, sink = incoming(peer, None), Glass(1)
    task = await poured(body, sink)
    body.receive(b"a")
    body.receive(bytes(HIGH_WATER + 1))
    await task
    assert peer.is_paused
    sink.holds = 99
    task = await poured(body, sink)
    assert not peer.is_paused
    body.end()
    await task


@pytest.mark.parametrize("length", [9, None])
async def test_a_body_that_breaks_off_is_no_end(peer: Peer, length: int | None) -> None:
    body, sink = incoming(peer, length), Glass(99)
    task = await poured(body, sink)
    body.receive(b"abc")
    body.fail(ConnectionError)
    with pytest.raises(ConnectionError):
        await task
    with pytest.raises(ConnectionError):
        await body.pour(sink)
    assert sink.pieces == [b"abc"]


async def test_whoever_gives_up_pouring_gets_nothing_more(peer: Peer) -> None:
    body, sink = incoming(peer), Glass(99)
    task = await poured(body, sink)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    body.receive(b"abc")
    assert sink.pieces == [] and body.take() == b"abc"


async def test_a_body_that_is_here_as_a_whole_can_only_be_taken() -> None:
    body = Arrived(b"abc")
    body.fail(ConnectionError)
    assert body.is_complete and not body.is_read
    assert body.take() == b"abc" and body.is_read and body.take() == b""
