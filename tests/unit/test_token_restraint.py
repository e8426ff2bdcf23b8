"""Holding back after failed logins: alone, after a restart, and together with others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import CredentialUnavailable
from proxy.tokens.backoff import Backoff, combined, from_text, to_text
from proxy.tokens.failure import LoginFailure, LoginRefused, LoginUnavailable
from proxy.tokens.restraint import SECONDS_BETWEEN_LOOKS, Restraint
from proxy.tokens.stores.entry import Entry
from proxy.tokens.stores.store import MemoryStore, Setback, StoreUnavailable, Turn
from tests.clock import FakeClock
from tests.stores import RotatingVendor, life

REFUSED = LoginRefused("401 from its login endpoint", status=401)
BUSY = LoginUnavailable("429 from its login endpoint", status=429, retry_after=120)


def restraint(clock: FakeClock, *, is_shared: bool = True) -> Restraint:
    return Restraint(clock, lambda: 0.5, is_shared=is_shared)


def refused_times(clock: FakeClock, number: int, *, is_shared: bool = True) -> tuple[Restraint, str]:
    """So many refusals, each as soon as the back-off let; and what was noted of the last."""
    one, text = restraint(clock, is_shared=is_shared), ""
    for count in range(number):
        if count:
            clock.advance(one.backoff.until - clock.now())
        text = one.failed(REFUSED)
    return one, text


def told(backoff: Backoff, now: float) -> tuple[str, float, int, list[float]]:
    return backoff.outcome, round(backoff.until - now, 6), len(backoff.refused_at), [*backoff.refused_at]


@pytest.mark.parametrize("failure", [REFUSED, BUSY])
def test_what_one_process_notes_holds_another_back_for_as_long(failure: LoginFailure) -> None:
    """Whatever their clocks show, and less the time since."""
    clock, elsewhere = FakeClock(), FakeClock()
    elsewhere.advance(123_456)
    one, other = restraint(clock), restraint(elsewhere)
    text = one.failed(failure)
    other.hear(Setback(text, 7.0))
    assert other.forbids_login
    assert other.backoff.cause == failure.cause
    assert other.backoff.until - elsewhere.now() == pytest.approx(one.backoff.until - clock.now() - 7)


def test_refusals_of_all_processes_count_towards_one_budget() -> None:
    clock = FakeClock()
    one, other = restraint(clock), restraint(clock)
    began = clock.now()
    refusals = 0
    while clock.now() < began + 3599:
        for who, listener in ((one, other), (other, one)):
            if not who.forbids_login:
                refusals += 1
                listener.hear(Setback(who.failed(REFUSED), 0.0))
        clock.advance(1)
    assert refusals == 5


def test_the_same_refusals_heard_again_are_not_added_up() -> None:
    clock = FakeClock()
    one, text = refused_times(clock, 2)
    before = told(one.backoff, clock.now())
    for _ in range(10):
        one.hear(Setback(text, 0.0))
    assert told(one.backoff, clock.now()) == before


def test_what_a_process_remembers_of_yesterday_hides_no_refusal_of_this_hour_from_the_others() -> None:
    """It kept a record longer than the store did, and a new process begins to fail: they still share one budget."""
    clock = FakeClock()
    old, _ = refused_times(clock, 5)
    clock.advance(86_400)
    began = clock.now()
    new, text = refused_times(clock, 2)
    for who in (old, new, old):
        who.hear(Setback(text, 0.0))
        clock.advance(who.backoff.until - clock.now())
        text = who.failed(REFUSED)
    new.hear(Setback(text, 0.0))
    for who in (old, new):
        assert who.backoff.until == pytest.approx(began + 3600)


def test_of_two_full_budgets_the_later_one_counts() -> None:
    early, late = Backoff(refused_at=(1.0, 2.0, 3.0, 4.0, 5.0)), Backoff(refused_at=(2.0, 3.0, 4.0, 5.0, 6.0))
    assert combined(early, late).refused_at == combined(late, early).refused_at == late.refused_at


def test_a_shared_store_is_looked_into_now_and_then_while_holding_back_and_one_of_its_own_is_not() -> None:
    """Another process may have a token; nobody else writes into a file."""
    for is_shared in (True, False):
        clock = FakeClock()
        one = restraint(clock, is_shared=is_shared)
        one.failed(REFUSED)
        assert not one.allows_turn
        clock.advance(SECONDS_BETWEEN_LOOKS)
        assert one.allows_turn is is_shared
        one.hear(None)
        assert not one.allows_turn
        assert one.forbids_login


def test_a_token_ends_all_of_it() -> None:
    one, _ = refused_times(FakeClock(), 3)
    one.succeeded()
    assert one.backoff == Backoff()


# --- Somebody says that it was mended -------------------------------------------------------------------------------


def test_whoever_says_that_it_is_mended_speaks_of_what_was_refused_before_and_not_of_what_comes() -> None:
    clock = FakeClock()
    one, text = refused_times(clock, 3)
    clock.advance(5)
    one.forgive()
    one.hear(Setback(text, 5.0))
    assert not one.forbids_login
    clock.advance(2)
    one.hear(Setback(text, 1.0))
    assert one.forbids_login


def test_nobodys_word_ends_the_pause_that_a_vendor_asked_for() -> None:
    clock = FakeClock()
    one = restraint(clock)
    text = one.failed(BUSY)
    clock.advance(1)
    one.forgive()
    assert one.forbids_login
    one.hear(Setback(text, 1.0))
    assert one.forbids_login


# --- A restart ------------------------------------------------------------------------------------------------------


def test_a_restart_forgives_the_pause_and_not_the_budget() -> None:
    """Somebody has started it, perhaps after mending; a process that is started again and again locks no account."""
    clock = FakeClock()
    _, text = refused_times(clock, 4, is_shared=False)
    restarted = restraint(clock, is_shared=False)
    restarted.hear(Setback(text, 0.0))
    assert not restarted.forbids_login
    text = restarted.failed(REFUSED)
    restarted = restraint(clock, is_shared=False)
    restarted.hear(Setback(text, 0.0))
    assert restarted.forbids_login
    clock.advance(3600)
    assert not restarted.forbids_login


def test_a_replica_that_is_started_holds_back_as_the_others_do() -> None:
    clock = FakeClock()
    _, text = refused_times(clock, 1)
    started = restraint(clock)
    started.hear(Setback(text, 0.0))
    assert started.forbids_login


# --- The form of it -------------------------------------------------------------------------------------------------

MOMENTS = st.floats(0, 1e6)


@given(
    outcome=st.sampled_from(["refused", "unavailable", "malformed"]),
    until=MOMENTS,
    refused_at=st.lists(MOMENTS, max_size=5).map(sorted).map(tuple),
    now=MOMENTS,
    passed=st.floats(0, 1e4),
    counts=st.tuples(st.integers(0, 100), st.integers(0, 100)),
)
def test_a_record_comes_back_as_it_went(
    outcome: str, until: float, refused_at: tuple[float, ...], now: float, passed: float, counts: tuple[int, int]
) -> None:
    record = Backoff(outcome, "some cause", until, *counts, refused_at)  # type: ignore[arg-type]
    back = from_text(to_text(record, now), now)
    assert back.until == pytest.approx(max(until, now))
    # To the microsecond: what is near 0 has no more digits left behind a large reading of the clock.
    assert back.refused_at == pytest.approx(refused_at, abs=1e-6)
    assert (back.outcome, back.cause, back.refusals, back.troubles) == (outcome, "some cause", *counts)
    aged = from_text(to_text(record, now), now - passed)
    assert aged.until == pytest.approx(back.until - passed)


def test_no_failure_has_a_form_too() -> None:
    assert from_text(to_text(Backoff(), 10.0), 10.0).until < inf


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "7", '{"outcome": "refused"}', '{"until": "soon"}'])
def test_what_is_no_record_is_not_taken_for_one(text: str) -> None:
    with pytest.raises(ValueError):
        from_text(text, 0.0)
    one = restraint(FakeClock())
    one.hear(Setback(text, 0.0))
    assert one.backoff == Backoff()


# --- A shared store that can be read and not written ----------------------------------------------------------------


class Unwritable(MemoryStore):
    """Others use it, too; while it `fails` nothing can be written."""

    is_shared = True
    fails = False

    @asynccontextmanager
    async def turn(self, key: str, after: int) -> AsyncIterator[Turn]:
        async with super().turn(key, after) as turn:

            async def write(entry: Entry) -> None:
                if self.fails:
                    raise StoreUnavailable("it is read-only", retry_after=7)
                await turn.write(entry)

            yield replace(turn, write=write)


async def test_a_rotating_refresh_token_is_not_sent_where_others_could_not_know_that_it_is_spent() -> None:
    vendor, store = RotatingVendor(FakeClock()), Unwritable()
    one = life(vendor, store, can_log_in=False, initial="refresh-from-outside")
    await one.value()
    vendor.clock.advance(100)
    store.fails = True
    with pytest.raises(CredentialUnavailable) as unavailable:
        await one.value()
    assert unavailable.value.retry_after == 7 and one.credential.last_error == "it is read-only"
    assert vendor.sent == ["refresh-from-outside"]
    store.fails = False
    vendor.clock.advance(60)
    await one.value()
    assert vendor.sent == ["refresh-from-outside", "refresh-1"] and vendor.offences == []
