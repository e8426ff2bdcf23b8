"""Equal requests get different milliseconds, whatever the clock does, in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.schemes.moments import FURTHEST_AHEAD, MOST_REMEMBERED, Moments

WALL = 1_700_000_000.0


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 2]), st.sampled_from([b"", b"a"]), st.sampled_from([0.0, 0.0, 0.0003, 0.001])),
        max_size=100,
    )
)
def test_no_request_has_the_moment_of_one_that_was_equal_and_each_is_near_the_clock(
    asked: list[tuple[int, bytes, float]],
) -> None:
    moments, wall, given_ = Moments(), WALL, set[tuple[int, bytes, int]]()
    for head, body, later in asked:
        wall += later
        moment = moments.of(head, body, wall)
        assert 0 <= moment - round(wall * 1000) <= FURTHEST_AHEAD
        assert (head, body, moment) not in given_
        given_.add((head, body, moment))


def test_who_asks_something_else_is_not_kept_waiting_for_a_free_moment() -> None:
    moments = Moments()
    asked = [(head, body) for head in (1, 2) for body in (b"", b"a", b"b" * 200)]
    assert {moments.of(head, body, WALL) for head, body in asked} == {round(WALL * 1000)}


def test_a_clock_that_is_set_back_is_followed_at_once() -> None:
    moments = Moments()
    assert [moments.of(1, b"", WALL), moments.of(1, b"", WALL)] == [1_700_000_000_000, 1_700_000_000_001]
    assert [moments.of(1, b"", WALL - 60) for _ in range(2)] == [1_699_999_940_000, 1_699_999_940_001]


def test_however_many_are_asked_in_one_millisecond_few_are_remembered() -> None:
    moments = Moments()
    for number in range(3 * MOST_REMEMBERED):
        assert moments.of(number, b"", WALL) == round(WALL * 1000)
        assert len(moments._taken) <= MOST_REMEMBERED
    moments.of(1, b"", WALL + 0.001)
    assert len(moments._taken) == 1
