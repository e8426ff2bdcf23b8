"""How long a failed login is left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.tokens.backoff import REFUSALS_AN_HOUR, Backoff, after_failure, combined
from proxy.tokens.failure import LoginFailure, LoginMalformed, LoginRefused, LoginUnavailable


def pauses(failure: LoginFailure, count: int, jitter: float = 0.5) -> list[float]:
    backoff, now, seen = Backoff(), 100.0, []
    for _ in range(count):
        backoff = after_failure(backoff, failure, now, jitter)
        seen.append(backoff.until - now)
        now = backoff.until
    return seen


def test_refusals_are_left_alone_for_long() -> None:
    """The fifth within an hour is followed by the rest of that hour."""
    assert pauses(LoginRefused("refused"), 4) == [60, 120, 300, 900]
    assert pauses(LoginRefused("refused"), 9)[4:] == [3600 - 1380, 900, 900, 900, 900]


def test_what_is_left_of_the_budget_comes_back_as_the_hour_goes_on() -> None:
    backoff = Backoff()
    for now in range(0, 500, 100):
        backoff = after_failure(backoff, LoginRefused("refused"), float(now), 0.5)
    assert [backoff.refusals_left(float(now)) for now in (401, 3599, 3600, 3700, 4000)] == [0, 0, 1, 2, 5]
    assert Backoff().refusals_left(0.0) == 5


def test_no_hour_holds_more_than_five_refusals_whatever_comes_between_them() -> None:
    backoff, now, refused_at = Backoff(), 0.0, []
    for number in range(2000):
        is_refusal = number % 3 != 1
        failure = LoginRefused("refused") if is_refusal else LoginUnavailable("timeout")
        backoff = after_failure(backoff, failure, now, 0.5)
        refused_at += [now] * is_refusal
        now = backoff.until
    assert all(later - earlier >= 3600 for earlier, later in zip(refused_at, refused_at[5:], strict=False))


@pytest.mark.parametrize("failure", [LoginUnavailable("timeout"), LoginMalformed("not JSON")])
def test_transient_trouble_doubles_with_full_jitter_up_to_thirty_seconds(failure: LoginFailure) -> None:
    assert pauses(failure, 9, 1.0) == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert pauses(failure, 9, 0.5) == [0.25, 0.5, 1, 2, 4, 8, 15, 15, 15]
    assert pauses(failure, 3, 0.0) == [0, 0, 0]


def test_trouble_of_any_length_has_a_pause() -> None:
    assert pauses(LoginUnavailable("timeout"), 2000, 1.0)[-1] == 30


@pytest.mark.parametrize(("wish", "pause"), [(-5.0, 1), (0.0, 1), (7.5, 7.5), (900.0, 900), (1e18, 900)])
def test_the_vendors_wish_is_clamped(wish: float, pause: float) -> None:
    assert pauses(LoginUnavailable("status", status=429, retry_after=wish), 2) == [pause, pause]


def test_trouble_between_refusals_does_not_shorten_the_next_pause() -> None:
    backoff = after_failure(Backoff(), LoginRefused("refused"), 0, 0.5)
    backoff = after_failure(backoff, LoginUnavailable("timeout"), 60, 0.5)
    backoff = after_failure(backoff, LoginRefused("refused"), 61, 0.5)
    assert backoff.until - 61 == 120


@pytest.mark.parametrize(("now", "seconds"), [(0.0, 60), (0.5, 60), (59.5, 1), (60.0, 1), (100.0, 1)])
def test_retry_after_is_in_whole_seconds_and_at_least_one(now: float, seconds: int) -> None:
    backoff = after_failure(Backoff(), LoginRefused("refused"), 0, 0.5)
    assert backoff.retry_after(now) == seconds
    assert backoff.holds(now) is (now < 60)


def test_who_has_not_failed_may_try_at_once() -> None:
    assert (Backoff().outcome, Backoff().cause, Backoff().retry_after(0.0), Backoff().holds(-1e18)) == (
        "ok",
        None,
        1,
        False,
    )


def test_who_begins_anew_has_no_pause_but_keeps_to_the_budget() -> None:
    backoff = Backoff()
    for now in (0.0, 60.0):
        backoff = after_failure(backoff, LoginRefused("refused"), now, 0.5)
    backoff = after_failure(backoff, LoginUnavailable("timeout"), 100.0, 0.5)
    anew = backoff.within_budget
    assert not anew.holds(100.0)
    assert (anew.refusals, anew.troubles, anew.refused_at) == (0, 0, (0.0, 60.0))
    assert after_failure(anew, LoginRefused("refused"), 100.0, 0.5).until == 160
    assert after_failure(anew, LoginUnavailable("timeout"), 100.0, 1.0).until == 100.5


def test_no_number_of_restarts_makes_more_than_five_refusals_an_hour() -> None:
    backoff, now, refused_at = Backoff(), 0.0, []
    for number in range(200):
        backoff = after_failure(backoff, LoginRefused("refused"), now, 0.5)
        refused_at.append(now)
        if number % 2:
            backoff = backoff.within_budget
        now = max(now, backoff.until)
    assert all(later - earlier >= 3600 for earlier, later in zip(refused_at, refused_at[5:], strict=False))


def test_of_two_records_each_part_that_asks_for_more_patience_counts() -> None:
    """Whichever of them comes first."""
    one = Backoff("refused", "one", 500.0, refusals=3, troubles=1, refused_at=(10.0, 100.0, 200.0))
    other = Backoff("unavailable", "other", 400.0, refusals=1, troubles=7, refused_at=(100.0,))
    expected = Backoff("refused", "one", 500.0, refusals=3, troubles=7, refused_at=(10.0, 100.0, 200.0))
    assert combined(one, other) == combined(other, one) == expected
    assert combined(replace(one, until=300.0), other) == replace(
        other, refusals=3, troubles=7, refused_at=(10.0, 100.0, 200.0)
    )


def refused(*moments: float) -> Backoff:
    return Backoff("refused", "refused", moments[-1] + 60 if moments else 0.0, refused_at=moments)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ((), (), ()),
        ((), (1.0,), (1.0,)),
        ((0.0, 60.0, 180.0, 480.0, 1380.0), (9000.0, 9060.0), (180.0, 480.0, 1380.0, 9000.0, 9060.0)),
        ((0.0, 9000.0), (4000.0, 9060.0), (0.0, 4000.0, 9000.0, 9060.0)),
        ((0.0, 1000.0, 2000.0, 3000.0, 4000.0), (500.0, 1500.0), (1000.0, 1500.0, 2000.0, 3000.0, 4000.0)),
    ],
)
def test_a_refusal_of_which_one_record_alone_tells_counts_beside_all_that_the_other_has(
    one: tuple[float, ...], other: tuple[float, ...], both: tuple[float, ...]
) -> None:
    """However many the other has: those that are over would else hide the ones of this hour."""
    assert combined(refused(*one), refused(*other)).refused_at == both
    assert combined(refused(*other), refused(*one)).refused_at == both


def test_a_refusal_of_which_both_tell_counts_once_though_they_heard_of_it_seconds_apart() -> None:
    """At the later moment. Ten seconds apart are two refusals; and those of one record are as many as it tells of."""
    assert combined(refused(0.0, 60.0), refused(0.1, 69.9)).refused_at == (0.1, 69.9)
    assert combined(refused(0.0), refused(10.0)).refused_at == (0.0, 10.0)
    assert combined(refused(0.0, 1.0, 2.0), refused(0.0, 1.0, 2.0)).refused_at == (0.0, 1.0, 2.0)
    assert combined(refused(1.0, 2.0), refused(9.0)).refused_at == (2.0, 9.0)


def test_two_records_that_fill_the_budget_together_alone_ask_for_the_rest_of_the_hour() -> None:
    together = combined(refused(0.0, 60.0, 180.0), refused(1000.0, 1060.0))
    assert not together.holds(3600.0)
    assert together.holds(3599.0)
    assert not combined(refused(0.0, 60.0), refused(1000.0, 1060.0)).holds(1120.0)


HISTORIES = st.lists(st.floats(0, 20_000), max_size=5).map(sorted).map(tuple)


@given(one=HISTORIES, other=HISTORIES, now=st.floats(0, 20_000))
def test_together_they_leave_no_more_of_the_budget_than_either_alone(
    one: tuple[float, ...], other: tuple[float, ...], now: float
) -> None:
    """And hearing the same again changes nothing."""
    first, second = Backoff(refused_at=one), Backoff(refused_at=other)
    together = combined(first, second)
    assert together.refusals_left(now) <= min(first.refusals_left(now), second.refusals_left(now))
    assert together.refusals_left(now) >= max(
        0, first.refusals_left(now) + second.refusals_left(now) - REFUSALS_AN_HOUR
    )
    assert combined(together, together) == together
    assert list(together.refused_at) == sorted(together.refused_at)
