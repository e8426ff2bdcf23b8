"""The runs by which the tokens are judged, short and slow enough for every day; `make soak` has them in full."""

from __future__ import annotations

from tests.soak import runs
from tests.soak.__main__ import FULL
from tests.soak.runs import Measure


async def test_a_thousand_first_requests_at_once_cost_one_login() -> None:
    await runs.first_requests(1000)


async def test_tokens_of_two_seconds_fail_no_request_and_cost_one_login_each() -> None:
    await runs.short_tokens(Measure(4, 40, 2))


async def test_a_revocation_under_two_hundred_requests_costs_one_login_and_repeats_no_post() -> None:
    await runs.revocation(200)


async def test_a_login_endpoint_that_is_down_ends_the_service_when_the_token_ends_and_not_before() -> None:
    await runs.login_down(Measure(3, 40, 2))


async def test_a_bad_secret_is_tried_once_however_many_ask() -> None:
    await runs.bad_secret(Measure(1, 100, 1000))


async def test_an_api_that_calls_every_token_dead_is_believed_after_two_logins() -> None:
    await runs.rejects_all(Measure(1, 100, 1000))


async def test_thirty_kinds_of_nonsense_from_a_login_endpoint_neither_crash_nor_loop_nor_get_out() -> None:
    await runs.malformed_logins()


async def test_a_process_that_slept_beyond_its_tokens_end_sends_nothing_stale() -> None:
    await runs.suspended(Measure(2.5, 0, 2))


def test_every_run_has_its_short_form() -> None:
    """A run that only `make soak` knows would break unseen."""
    with open(__file__) as here:
        source = here.read()
    assert [name for name in FULL if f"runs.{name}(" not in source] == []
