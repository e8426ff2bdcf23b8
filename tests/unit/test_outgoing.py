"""What is written waits for the end of the event loop's turn, and then goes out, whatever befalls others."""

from __future__ import annotations

import asyncio

import pytest

from proxy.wire.outgoing import Outgoing, TurnEnd


class Wire(asyncio.Transport):
    def __init__(self, *, is_broken: bool = False) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.is_broken = is_broken
        self.is_over = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        if self.is_broken:
            raise OSError
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.is_over

    def get_write_buffer_size(self) -> int:
        return 0


@pytest.fixture
def turn_end() -> TurnEnd:
    return TurnEnd()


def outgoing(wire: Wire, turn_end: TurnEnd) -> Outgoing:
    return Outgoing(asyncio.get_running_loop(), wire, turn_end)


async def test_pieces_of_one_turn_go_out_as_one_and_in_order(turn_end: TurnEnd) -> None:
    wire = Wire()
    out = outgoing(wire, turn_end)
    for piece in (b"a", b"b", b"c"):
        out.write(piece)
    assert wire.written == [] and not out.is_empty()
    await asyncio.sleep(0)
    assert wire.written == [b"abc"] and out.is_empty()
    out.write(b"d")
    await asyncio.sleep(0)
    assert wire.written == [b"abc", b"d"]


async def test_large_pieces_do_not_wait(turn_end: TurnEnd) -> None:
    wire = Wire()
    out = outgoing(wire, turn_end)
    out.write(b"head ")
    out.write(b"x" * 65536)
    assert wire.written == [b"head " + b"x" * 65536]
    await asyncio.sleep(0)
    assert len(wire.written) == 1


async def test_what_is_dropped_or_has_nobody_to_go_to_is_not_written(turn_end: TurnEnd) -> None:
    dropped, gone = Wire(), Wire()
    one, other = outgoing(dropped, turn_end), outgoing(gone, turn_end)
    one.write(b"a")
    one.write(b"b")
    one.drop()
    other.write(b"c")
    gone.is_over = True
    await asyncio.sleep(0)
    assert dropped.written == gone.written == []
    assert one.is_empty() and other.is_empty()


async def test_a_connection_that_fails_keeps_none_of_the_others_waiting(turn_end: TurnEnd) -> None:
    """The one before it has been served, those behind it are served next, and what they write meanwhile too."""
    told: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    wires = [Wire(), Wire(is_broken=True), Wire(), Wire()]
    outs = [outgoing(wire, turn_end) for wire in wires]
    for out in outs:
        out.write(b"1")
    await asyncio.sleep(0)
    outs[3].write(b"2")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [b"".join(wire.written) for wire in wires] == [b"1", b"", b"1", b"12"]
    assert [type(one) for one in told] == [OSError]
