"""How long a failed login is left alone."""

from __future__ import annotations

import pytest

from proxy.tokens.backoff import Backoff, after_failure
from proxy.tokens.failure import LoginFailure, LoginMalformed, LoginRefused, LoginUnavailable


def pauses(failure: LoginFailure, count: int, jitter: float = 0.5) -> list[float]:
    backoff, now, seen = Backoff(), 100.0, []
    for _ in range(count):
        backoff = after_failure(backoff, failure, now, jitter)
        seen.append(backoff.until - now)
        now = backoff.until
    return seen


def test_refusals_are_left_alone_for_long() -> None:
    assert pauses(LoginRefused("refused"), 6) == [60, 120, 300, 900, 900, 900]


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
