"""Which heads are remembered: those that come again, in bounded memory."""

from __future__ import annotations

from proxy.wire.heads import _LONGEST_REMEMBERED, _MOST_REMEMBERED, HeadMemory


def test_what_comes_again_and_again_stays_however_many_come_once() -> None:
    memory: HeadMemory[str] = HeadMemory()
    memory.keep(b"usual", "usual")
    for number in range(50 * _MOST_REMEMBERED):
        memory.keep(b"%d" % number, "once")
        if number % 20 == 0:
            assert memory.recall(b"usual") == "usual"


def test_no_more_are_remembered_than_may_be() -> None:
    memory: HeadMemory[str] = HeadMemory()
    for number in range(10 * _MOST_REMEMBERED):
        memory.keep(b"%d" % number, "once")
        assert len(list(memory.everything())) <= _MOST_REMEMBERED
    assert memory.recall(b"0") is None


def test_a_long_head_is_not_remembered() -> None:
    memory: HeadMemory[str] = HeadMemory()
    memory.keep(b"x" * (_LONGEST_REMEMBERED + 1), "long")
    assert list(memory.everything()) == []
