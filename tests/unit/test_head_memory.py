"""Which heads are remembered: those that come again, in bounded memory."""

from __future__ import annotations

from proxy.wire.head_memory import _LONGEST_REMEMBERED, _MOST_REMEMBERED, _MOST_SEEN, HeadMemory


def test_what_comes_a_second_time_is_remembered() -> None:
    memory: HeadMemory[bytes, str] = HeadMemory(len)
    memory.keep(b"usual", "first")
    assert memory.recall(b"usual") is None
    memory.keep(b"usual", "second")
    assert memory.recall(b"usual") == "second"


def test_what_comes_again_and_again_stays_however_many_come_once() -> None:
    memory: HeadMemory[bytes, str] = HeadMemory(len)
    memory.keep(b"usual", "usual")
    memory.keep(b"usual", "usual")
    for number in range(50 * _MOST_REMEMBERED):
        memory.keep(b"%d" % number, "once")
        if number % 20 == 0:
            assert memory.recall(b"usual") == "usual"


def test_what_comes_again_and_again_stays_however_many_come_twice() -> None:
    memory: HeadMemory[bytes, str] = HeadMemory(len)
    memory.keep(b"usual", "usual")
    memory.keep(b"usual", "usual")
    for number in range(50 * _MOST_REMEMBERED):
        memory.keep(b"%d" % (number // 2), "twice")
        if number % 20 == 0:
            assert memory.recall(b"usual") == "usual"


def test_what_comes_now_and_then_is_remembered_though_others_came_between() -> None:
    memory: HeadMemory[bytes, str] = HeadMemory(len)
    for number in range(4 * _MOST_SEEN):
        memory.keep(b"%d" % number, "once")
        if number % (_MOST_SEEN // 4) == 0:
            memory.keep(b"now and then", "again")
    assert memory.recall(b"now and then") == "again"


def test_no_more_are_remembered_than_may_be() -> None:
    memory: HeadMemory[bytes, str] = HeadMemory(len)
    for number in range(10 * _MOST_REMEMBERED):
        for _ in range(2):
            memory.keep(b"%d" % number, "twice")
        assert len(list(memory.everything())) <= _MOST_REMEMBERED
    assert memory.recall(b"0") is None
    assert memory.recall(b"%d" % (10 * _MOST_REMEMBERED - 1)) == "twice"


def test_of_what_came_once_no_more_is_noted_than_may_be() -> None:
    memory: HeadMemory[bytes, str] = HeadMemory(len)
    for number in range(10 * _MOST_SEEN):
        memory.keep(b"%d" % number, "once")
        assert len(memory._once) <= _MOST_SEEN
    assert list(memory.everything()) == []


def test_a_long_head_is_not_remembered() -> None:
    memory: HeadMemory[bytes, str] = HeadMemory(len)
    for size in (_LONGEST_REMEMBERED, _LONGEST_REMEMBERED + 1):
        for _ in range(3):
            memory.keep(b"x" * size, "long")
        assert len(list(memory.everything())) == 1


def test_a_key_is_as_long_as_what_it_stands_for() -> None:
    memory: HeadMemory[tuple[bytes, ...], str] = HeadMemory(lambda row: sum(map(len, row)))
    for row in ((b"a", b"b" * _LONGEST_REMEMBERED), (b"a", b"b" * (_LONGEST_REMEMBERED - 1))):
        for _ in range(2):
            memory.keep(row, "row")
    assert list(memory) == [(b"a", b"b" * (_LONGEST_REMEMBERED - 1))]
