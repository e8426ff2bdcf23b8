"""One owner per credential: one fetch however many wait, no token beyond its expiry, no storm of logins."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from proxy.errors import CredentialRejected, CredentialUnavailable
from proxy.secret import Secret
from proxy.tokens.cache import TokenCache
from proxy.tokens.credential import Credential
from proxy.tokens.failure import LoginFailure, LoginMalformed, LoginRefused, LoginUnavailable
from proxy.tokens.renewal import Source
from proxy.tokens.token import Grant, Token, TokenPolicy
from tests.clock import FakeClock
from tests.login_endpoint import SteadyRandom


@dataclass
class Vendor:
    """A login function that a test scripts: failures to raise in turn, and a gate to hold logins at."""

    clock: FakeClock
    lifetime: float = 100.0
    failures: list[Exception] = field(default_factory=list)
    calls: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    takes: float = 0.0

    def __post_init__(self) -> None:
        self.gate.set()

    async def __call__(self) -> Grant:
        self.calls += 1
        number = self.calls
        await self.gate.wait()
        self.clock.advance(self.takes)
        if self.failures:
            raise self.failures.pop(0)
        return Grant(Secret(f"t{number}"), self.lifetime)


@dataclass
class Witness:
    """An observer that writes down what it is told."""

    seen: list[tuple[Any, ...]] = field(default_factory=list)

    def fetched(self, provider: str, outcome: str, seconds: float) -> None:
        self.seen.append(("fetched", provider, outcome))

    def hit(self, provider: str) -> None:
        self.seen.append(("hit", provider))

    def missed(self, provider: str) -> None:
        self.seen.append(("missed", provider))

    def waiting(self, provider: str, delta: int) -> None:
        self.seen.append(("waiting", provider, delta))

    def retried(self, provider: str, reason: str) -> None:
        self.seen.append(("retried", provider, reason))

    def adopted(self, provider: str) -> None:
        self.seen.append(("adopted", provider))

    def count(self, *entry: Any) -> int:
        return self.seen.count(entry)


@dataclass
class Bench:
    clock: FakeClock
    vendor: Vendor
    witness: Witness
    cache: TokenCache
    credential: Credential

    async def value(self) -> str:
        return (await self.credential.token()).value.reveal()


def bench(jitter: float = 0.0, single_live: bool = False, **rest: Any) -> Bench:
    clock = FakeClock()
    vendor = Vendor(clock, **rest)
    witness = Witness()
    cache = TokenCache(clock, witness, SteadyRandom(jitter))
    credential = cache.credential("key", "acme", TokenPolicy(single_live=single_live), vendor)
    return Bench(clock, vendor, witness, cache, credential)


async def settled() -> None:
    """Let tasks that are ready run."""
    for _ in range(10):
        await asyncio.sleep(0)


# --- One fetch ----------------------------------------------------------------------------------------------------------


async def test_a_thousand_first_callers_cost_one_fetch() -> None:
    b = bench()
    b.vendor.gate.clear()
    callers = [asyncio.create_task(b.value()) for _ in range(1000)]
    await settled()
    assert b.witness.count("waiting", "acme", 1) == 1000
    b.vendor.gate.set()
    assert set(await asyncio.gather(*callers)) == {"t1"}
    assert b.vendor.calls == 1
    assert b.witness.count("waiting", "acme", -1) == 1000


async def test_a_fetch_survives_the_caller_who_began_it() -> None:
    b = bench()
    b.vendor.gate.clear()
    first, second = asyncio.create_task(b.value()), asyncio.create_task(b.value())
    await settled()
    first.cancel()
    await settled()
    assert first.cancelled()
    b.vendor.gate.set()
    assert await second == "t1"
    assert b.vendor.calls == 1


async def test_a_fetch_whose_callers_all_hung_up_is_not_wasted() -> None:
    b = bench()
    b.vendor.gate.clear()
    callers = [asyncio.create_task(b.value()) for _ in range(5)]
    await settled()
    for caller in callers:
        caller.cancel()
    b.vendor.gate.set()
    await settled()
    assert b.credential.ready() is not None
    assert b.vendor.calls == 1


async def test_callers_share_a_failure_too() -> None:
    b = bench(failures=[LoginUnavailable("status", status=500)], jitter=0.99)
    results = await asyncio.gather(*(b.value() for _ in range(50)), return_exceptions=True)
    assert {type(result) for result in results} == {CredentialUnavailable}
    assert b.vendor.calls == 1


async def test_closing_gives_up_the_fetch_and_tells_those_who_wait() -> None:
    b = bench()
    b.vendor.gate.clear()
    caller = asyncio.create_task(b.value())
    await settled()
    await b.cache.aclose()
    with pytest.raises(CredentialUnavailable):
        await caller


# --- The life of a token ------------------------------------------------------------------------------------------------


async def test_a_due_token_serves_while_the_next_one_is_fetched() -> None:
    b = bench()
    await b.value()
    b.clock.advance(80)
    b.vendor.gate.clear()
    assert [await b.value() for _ in range(20)] == ["t1"] * 20
    await settled()
    b.vendor.gate.set()
    await settled()
    assert await b.value() == "t2"
    assert b.vendor.calls == 2


async def test_a_failed_renewal_lets_the_token_serve_until_its_true_expiry_and_not_beyond() -> None:
    b = bench(jitter=0.99)
    await b.value()
    b.vendor.failures = [LoginUnavailable("status", status=503) for _ in range(1000)]
    for _ in range(99):
        b.clock.advance(1)
        assert await b.value() == "t1"
        await settled()
    b.clock.advance(1)
    with pytest.raises(CredentialUnavailable) as failure:
        await b.value()
    assert failure.value.retry_after is not None
    assert 1 <= failure.value.retry_after <= 30


async def test_it_recovers_without_a_restart() -> None:
    b = bench(failures=[LoginUnavailable("status", status=500) for _ in range(8)], jitter=0.5)
    waits = 0
    while b.vendor.failures:
        with pytest.raises(CredentialUnavailable) as failure:
            await b.value()
        assert failure.value.retry_after is not None
        b.clock.advance(failure.value.retry_after)
        waits += failure.value.retry_after
    assert await b.value() == "t9"
    assert b.vendor.calls == 9
    assert waits <= 0.5 * (0.5 + 1 + 2 + 4 + 8 + 16 + 30 + 30) + 8


async def test_a_lifetime_counts_from_before_the_login_was_sent() -> None:
    b = bench(takes=30)
    await b.value()
    b.clock.advance(69)
    assert b.credential.state == "ok"
    b.clock.advance(1)
    assert b.credential.state != "ok"


async def test_a_token_that_expired_on_its_way_is_not_used() -> None:
    b = bench(takes=100, jitter=0.5)
    with pytest.raises(CredentialUnavailable):
        await b.value()
    assert b.credential.last_error == "the token had expired when it arrived"


async def test_time_asleep_counts_even_if_the_clock_stood_still() -> None:
    b = bench()
    await b.value()
    b.clock.jump(100)
    assert (b.credential.state, b.credential.expires_at) == ("idle", None), "nor is it told as a live one"
    assert await b.value() == "t2"


async def test_a_wall_clock_set_back_does_not_lengthen_a_life() -> None:
    b = bench()
    await b.value()
    b.clock.jump(-3600)
    b.clock.advance(100)
    assert await b.value() == "t2"


async def test_a_single_live_token_is_not_renewed_ahead_and_its_swap_is_waited_for() -> None:
    b = bench(single_live=True)
    await b.value()
    b.clock.advance(97)
    assert await b.value() == "t1"
    await settled()
    assert b.vendor.calls == 1
    b.clock.advance(1.5)
    b.vendor.gate.clear()
    callers = [asyncio.create_task(b.value()) for _ in range(10)]
    await settled()
    assert not any(caller.done() for caller in callers)
    b.vendor.gate.set()
    assert set(await asyncio.gather(*callers)) == {"t2"}
    assert b.vendor.calls == 2


async def test_a_due_token_is_left_alone_in_the_pause_after_a_failed_renewal() -> None:
    b = bench(jitter=0.99)
    await b.value()
    b.clock.advance(88)
    b.vendor.failures = [LoginUnavailable("status", status=429, retry_after=10)]
    for _ in range(3):
        assert await b.value() == "t1"
        await settled()
    assert b.vendor.calls == 2
    b.clock.advance(10)
    await b.value()
    await settled()
    assert b.vendor.calls == 3


async def test_what_served_a_moment_ago_serves_no_more_once_it_is_rejected_discarded_or_over() -> None:
    b = bench()
    await b.value()
    assert await b.value() == await b.value() == "t1"
    b.credential.rejected(1)
    assert b.credential.ready() is None
    assert await b.value() == "t2" == await b.value()
    b.credential.discard()
    assert b.credential.ready() is None
    assert await b.value() == "t3" == await b.value()
    b.clock.advance(100)
    assert b.credential.ready() is None


async def test_a_token_that_is_renewed_ahead_gives_way_to_its_successor() -> None:
    b = bench(jitter=0.99)
    assert await b.value() == await b.value() == "t1"
    b.clock.advance(88)
    assert await b.value() == "t1"
    await settled()
    assert await b.value() == await b.value() == "t2"


async def test_a_token_is_known_to_be_accepted_once_an_answer_showed_it() -> None:
    b = bench()
    await b.value()
    assert not b.credential.was_accepted(1)
    b.credential.accepted(1)
    assert b.credential.was_accepted(1)
    b.credential.rejected(1)
    await b.value()
    assert not b.credential.was_accepted(2)
    b.credential.accepted(1)
    assert not b.credential.was_accepted(2)
    b.credential.accepted(2)
    assert b.credential.was_accepted(2)
    assert not b.credential.was_accepted(1), "which is dead"


async def test_who_belongs_to_no_configuration_any_more_keeps_its_token_to_itself() -> None:
    b = bench()
    b.credential.leave()
    assert await b.value() == "t1"
    b.credential.leave()
    assert await b.value() == "t1"


async def test_a_failed_swap_leaves_the_single_live_token_in_use_to_its_end() -> None:
    b = bench(single_live=True, jitter=0.99)
    await b.value()
    b.clock.advance(98.5)
    b.vendor.failures = [LoginUnavailable("status", status=503)] * 3
    assert await b.value() == "t1"
    assert await b.value() == "t1"
    assert b.vendor.calls == 2


async def swapping(requests: int = 3) -> tuple[Bench, int, asyncio.Task[str]]:
    """A single live token that is due, with requests under way, and one caller who makes the swap begin."""
    b = bench(single_live=True)
    generation = (await b.credential.token()).generation
    for _ in range(requests):
        b.credential.lent(generation)
    b.clock.advance(98.5)
    caller = asyncio.create_task(b.value())
    await settled()
    return b, generation, caller


async def test_a_swap_waits_for_the_requests_that_go_with_the_token_it_kills() -> None:
    b, generation, caller = await swapping()
    for _ in range(2):
        b.credential.returned(generation)
        await settled()
    assert (b.vendor.calls, caller.done()) == (1, False)
    b.credential.returned(generation)
    await settled()
    assert caller.done(), "at once, and not only at the expiry"
    assert await caller == "t2"


async def test_a_swap_waits_until_the_expiry_at_the_most() -> None:
    """In real seconds, so that little of them is left of the token's life."""
    b = bench(single_live=True, lifetime=1.0)
    b.credential.lent((await b.credential.token()).generation)
    b.clock.advance(0.99)
    async with asyncio.timeout(5):
        assert await b.value() == "t2"


async def test_a_token_that_is_dead_already_is_swapped_at_once() -> None:
    b, generation, caller = await swapping()
    assert b.credential.rejected(generation)
    await settled()
    assert caller.done() and await caller == "t2"
    for _ in range(3):
        b.credential.returned(generation)
    assert await b.value() == "t2"


async def test_who_goes_with_an_older_token_does_not_delay_the_next_swap() -> None:
    b, generation, caller = await swapping()
    b.credential.rejected(generation)
    await caller
    b.clock.advance(98.5)
    assert await b.value() == "t3"


async def test_where_tokens_live_side_by_side_nobody_is_waited_for() -> None:
    b = bench()
    b.credential.lent((await b.credential.token()).generation)
    b.clock.advance(85)
    await b.value()
    await settled()
    assert await b.value() == "t2"


# --- Back-off -----------------------------------------------------------------------------------------------------------


async def test_nothing_is_sent_while_backing_off() -> None:
    b = bench(failures=[LoginRefused("refused", status=401)] * 10)
    for _ in range(30_000):
        with pytest.raises(CredentialRejected):
            await b.value()
        b.clock.advance(0.002)
    assert b.vendor.calls == 1


async def test_a_bad_secret_costs_five_logins_an_hour_however_many_ask() -> None:
    """Five hundred requests a second, later fifty: each is told so at once."""
    b = bench(failures=[LoginRefused("refused", status=401)] * 100)
    for rate, seconds in ((500, 300), (50, 3300)):
        for _ in range(rate * seconds):
            try:
                await b.credential.token()
            except CredentialRejected:
                b.clock.advance(1 / rate)
    assert b.clock.now() == pytest.approx(4600)
    assert b.vendor.calls == 5


async def test_somebody_who_says_that_it_is_mended_gets_a_new_try() -> None:
    b = bench(failures=[LoginRefused("refused", status=401)])
    with pytest.raises(CredentialRejected):
        await b.value()
    b.cache.forgive()
    assert await b.value() == "t2"


@pytest.mark.parametrize("lifetime", [5.0, 60.0, 3600.0])
async def test_a_401_to_everything_costs_three_logins_a_minute(lifetime: float) -> None:
    """Beyond those that expiry asks for; for an hour. The vendor's 401 goes to nearly all of the callers."""
    b = bench(lifetime=lifetime)
    logins_at: list[float] = []
    replays = 0
    for _ in range(3600 * 50):
        calls = b.vendor.calls
        token = await b.credential.token()
        if b.credential.rejected(token.generation):
            replays += 1
            b.credential.rejected((await b.credential.token()).generation)
        logins_at += [b.clock.now()] * (b.vendor.calls - calls)
        b.clock.advance(0.02)
    expiries_a_minute = 60 / (lifetime * 0.8)
    busiest = max(sum(start <= moment < start + 60 for moment in logins_at) for start in logins_at)
    assert busiest <= 3 + expiries_a_minute
    assert replays <= 12
    assert b.vendor.calls <= 60 * expiries_a_minute + 12


@pytest.mark.parametrize(("wish", "pause"), [(2.0, 2), (0.0, 1), (86_400.0, 900)])
async def test_a_429_is_obeyed_within_reason(wish: float, pause: int) -> None:
    b = bench(failures=[LoginUnavailable("status", status=429, retry_after=wish)])
    with pytest.raises(CredentialUnavailable) as failure:
        await b.value()
    assert failure.value.retry_after == pause
    b.clock.advance(pause - 0.01)
    with pytest.raises(CredentialUnavailable):
        await b.value()
    b.clock.advance(0.02)
    assert await b.value() == "t2"


async def test_a_fault_of_our_own_is_no_storm_and_shows_no_text(caplog: pytest.LogCaptureFixture) -> None:
    b = bench(failures=[KeyError("CANARY-bug")], jitter=0.99)
    for _ in range(3):
        with pytest.raises(CredentialUnavailable):
            await b.value()
    assert b.vendor.calls == 1
    assert "KeyError" in caplog.text
    assert "CANARY" not in caplog.text


async def test_each_failed_attempt_is_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    b = bench(failures=[LoginRefused("401 from its login endpoint", status=401)])
    for _ in range(100):
        with pytest.raises(CredentialRejected):
            await b.value()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    told = "no new token: 401 from its login endpoint; check its secrets and its login in the configuration"
    assert caplog.messages == [f"provider acme: {told}; next attempt in 60.0 s; `authproxy test acme` says more"]
    assert (caplog.records[0].outcome, caplog.records[0].status) == ("refused", 401)  # type: ignore[attr-defined]
    assert caplog.records[0].provider == "acme"  # type: ignore[attr-defined]


async def test_that_a_token_is_there_again_is_told_once_and_a_first_one_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "authproxy.tokens")
    b = bench(failures=[LoginUnavailable("timeout")], lifetime=10, jitter=0.0)
    with pytest.raises(CredentialUnavailable):
        await b.value()
    await b.value()
    b.clock.advance(10)
    await b.value()
    assert caplog.messages[1:] == ["provider acme: there is a token again"]
    assert caplog.records[1].provider == "acme"  # type: ignore[attr-defined]
    assert "check its secrets" not in caplog.messages[0], "what is not refused is not the credential's fault"


async def test_a_cool_down_is_told_once_when_it_begins(caplog: pytest.LogCaptureFixture) -> None:
    b = bench(lifetime=3600)
    b.credential.rejected((await b.credential.token()).generation)
    second = await b.credential.token()
    for _ in range(100):
        b.credential.rejected(second.generation)
    (told,) = caplog.messages
    assert told.startswith("provider acme: it refuses tokens that were just obtained")
    assert "no login follows one for 30 s" in told
    assert caplog.records[0].provider == "acme"  # type: ignore[attr-defined]


# --- Rejections ---------------------------------------------------------------------------------------------------------


async def test_a_rejected_token_is_replaced_by_one_fetch() -> None:
    b = bench()
    token = await b.credential.token()
    assert all(b.credential.rejected(token.generation) for _ in range(200))
    assert await b.value() == "t2"
    assert b.vendor.calls == 2
    assert b.witness.count("retried", "acme", "dropped") == 1


async def test_a_late_rejection_of_an_older_token_costs_no_fetch() -> None:
    b = bench()
    old = await b.credential.token()
    b.credential.rejected(old.generation)
    await b.value()
    assert b.credential.rejected(old.generation)
    assert await b.value() == "t2"
    assert b.vendor.calls == 2
    assert b.witness.count("retried", "acme", "superseded") == 1


async def test_a_fresh_token_rejected_too_starts_a_cool_down_in_which_it_stays_in_use() -> None:
    b = bench(lifetime=3600)
    b.credential.rejected((await b.credential.token()).generation)
    second = await b.credential.token()
    assert not b.credential.rejected(second.generation)
    for _ in range(100):
        assert (await b.credential.token()).generation == second.generation
        assert not b.credential.rejected(second.generation)
    assert b.vendor.calls == 2
    b.clock.advance(30)
    assert b.credential.rejected(second.generation)
    third = await b.credential.token()
    assert not b.credential.rejected(third.generation)
    b.clock.advance(59)
    assert not b.credential.rejected(third.generation)
    b.clock.advance(1)
    assert b.credential.rejected(third.generation)


async def test_a_token_that_expires_while_cooling_down_is_renewed_all_the_same() -> None:
    b = bench(lifetime=10)
    b.credential.rejected((await b.credential.token()).generation)
    second = await b.credential.token()
    assert not b.credential.rejected(second.generation)
    b.clock.advance(9.8)
    await b.credential.token()
    await settled()
    assert b.vendor.calls == 2, "no renewal ahead while cooling down"
    b.clock.advance(0.2)
    third = await b.credential.token()
    assert third.value.reveal() == "t3"
    assert not b.credential.rejected(third.generation)


async def test_tokens_that_their_server_ends_a_second_early_fail_nobody() -> None:
    """One that counts in whole seconds does; each is replaced and the request repeated, however many in a row."""
    b = bench(lifetime=5)
    for number in range(1, 30):
        token = await b.credential.token()
        assert token.generation == number
        b.credential.accepted(number)
        b.clock.advance(4.1)
        assert b.credential.rejected(number)
    assert b.vendor.calls == 29


# --- What is told -------------------------------------------------------------------------------------------------------


async def test_the_states_that_readiness_tells() -> None:
    b = bench(failures=[LoginUnavailable("timeout"), LoginRefused("refused", status=401)], jitter=0.99)
    assert (b.credential.state, b.credential.generation, b.credential.expires_at) == ("idle", 0, None)
    assert (b.credential.obtained_at, b.credential.refusals_left) == (None, 5)
    with pytest.raises(CredentialUnavailable):
        await b.value()
    assert (b.credential.state, b.credential.last_error) == ("waiting", "timeout")
    b.clock.advance(1)
    with pytest.raises(CredentialRejected):
        await b.value()
    assert (b.credential.state, b.credential.last_error) == ("refused", "refused")
    assert (b.credential.obtained_at, b.credential.refusals_left) == (None, 4)
    b.clock.advance(60)
    await b.value()
    assert (b.credential.state, b.credential.last_error, b.credential.generation) == ("ok", None, 1)
    assert b.credential.expires_at == pytest.approx(b.clock.wall() + 100)
    assert b.credential.obtained_at == b.clock.wall()
    assert b.credential.fetches == 3
    b.clock.advance(100)
    assert b.credential.state == "idle"


async def test_what_an_observer_is_told() -> None:
    b = bench(failures=[LoginMalformed("x")])
    b.cache.credential("key", "acme-too", TokenPolicy(), b.vendor)
    with pytest.raises(CredentialUnavailable):
        await b.value()
    await b.value()
    await b.value()
    assert b.witness.seen == [
        ("missed", "acme"),
        ("waiting", "acme", 1),
        ("fetched", "acme", "malformed"),
        ("waiting", "acme", -1),
        ("missed", "acme"),
        ("waiting", "acme", 1),
        ("fetched", "acme", "ok"),
        ("waiting", "acme", -1),
        ("hit", "acme"),
    ]


async def test_how_long_until_the_next_attempt_is_told_while_there_is_a_pause() -> None:
    b = bench(failures=[LoginUnavailable("status", status=429, retry_after=20)])
    assert b.credential.next_attempt_in is None
    with pytest.raises(CredentialUnavailable):
        await b.value()
    b.clock.advance(5)
    assert b.credential.next_attempt_in == 15
    b.clock.advance(14.5)
    assert b.credential.next_attempt_in == 0.5
    b.clock.advance(0.5)
    assert b.credential.next_attempt_in is None
    await b.value()
    assert b.credential.next_attempt_in is None


async def test_a_first_fetch_under_way_is_waiting_and_no_token_is_told_of_an_expired_one() -> None:
    b = bench()
    b.vendor.gate.clear()
    caller = asyncio.create_task(b.value())
    await settled()
    assert b.credential.state == "waiting"
    b.vendor.gate.set()
    await caller
    b.clock.advance(100)
    assert (b.credential.expires_at, b.credential.span) == (None, None)


# --- Rotation -----------------------------------------------------------------------------------------------------------


@dataclass
class Rotating:
    """A server that rotates refresh tokens and revokes everything when a spent one comes back."""

    clock: FakeClock
    current: str = "r0"
    spent: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    lose: list[bool] = field(default_factory=list)
    carries_out: bool = False
    reuses: int = 0
    logins: int = 0
    before_answer: Callable[[], Awaitable[None]] | None = None

    async def login(self) -> Grant:
        self.logins += 1
        return self._grant()

    async def refresh(self, token: Secret) -> Grant:
        if self.before_answer is not None:
            await self.before_answer()
        self.sent.append(token.reveal())
        self.reuses += token.reveal() in self.spent
        if token.reveal() != self.current:
            raise LoginRefused("refused", status=400)
        is_lost = self.lose.pop(0) if self.lose else False
        if is_lost and self.carries_out:
            self.spent.append(self.current)
            self._grant()
        if is_lost:
            raise LoginUnavailable("upstream_disconnected", is_lost=True)
        self.spent.append(self.current)
        return self._grant()

    def _grant(self) -> Grant:
        number = len(self.spent) + self.logins + 1
        self.current = f"r{number}"
        return Grant(Secret(f"t{number}"), 100, Secret(self.current))


def rotating(can_log_in: bool = True) -> tuple[Rotating, Credential]:
    clock = FakeClock()
    server = Rotating(clock)
    cache = TokenCache(clock, random=SteadyRandom())
    login = server.login if can_log_in else None
    return server, cache.credential("key", "acme", TokenPolicy(), login, server.refresh, Secret("r0"))


async def test_every_refresh_token_is_used_once() -> None:
    server, credential = rotating()
    for _ in range(20):
        await asyncio.gather(*(credential.token() for _ in range(50)))
        server.clock.advance(100)
    assert len(server.spent) == 19
    assert (server.logins, server.reuses) == (1, 0)


async def test_a_new_refresh_token_is_stored_before_the_access_token_is_seen() -> None:
    server, credential = rotating()
    stored_at_publication: list[str] = []

    class Watching(dict[str, Token]):
        def __setitem__(self, key: str, token: Token) -> None:
            stored = credential._sharing._store._entries["key"].refresh_token  # type: ignore[attr-defined]
            stored_at_publication.append(stored.reveal())
            super().__setitem__(key, token)

    object.__setattr__(credential._around, "live", Watching())
    await credential.token()
    assert stored_at_publication == [server.current]


async def test_the_configurations_refresh_token_is_for_those_who_cannot_log_in() -> None:
    """An earlier life may have spent it, and nothing tells."""
    for can_log_in, logins in ((True, 1), (False, 0)):
        server, credential = rotating(can_log_in)
        await credential.token()
        assert (server.logins, server.spent) == (logins, [] if can_log_in else ["r0"])


@pytest.mark.parametrize(
    ("losses", "sent", "logins"),
    [([False], 1, 1), ([True], 2, 1), ([True, True], 2, 2)],
    ids=["not lost", "lost once", "lost twice"],
)
async def test_a_lost_answer_costs_one_retry_and_then_one_login(losses: list[bool], sent: int, logins: int) -> None:
    server, credential = rotating()
    await credential.token()
    server.clock.advance(100)
    server.lose = losses
    await credential.token()
    assert (server.sent, server.logins) == (["r2"] * sent, logins)
    server.clock.advance(100)
    await credential.token()
    assert (len(server.sent), server.logins) == (sent + 1, logins)


async def test_a_spent_refresh_token_is_seen_once_and_never_twice() -> None:
    """The retry tells that the lost request was carried out; after that there is a login, and nothing is sent again."""
    server, credential = rotating()
    await credential.token()
    server.clock.advance(100)
    server.lose, server.carries_out = [True], True
    for _ in range(3):
        await credential.token()
        server.clock.advance(100)
    assert (server.sent.count("r2"), server.reuses, server.logins) == (2, 1, 2)
    assert len(set(server.sent)) == len(server.sent) - 1


@pytest.mark.parametrize(
    "failure",
    [
        LoginRefused("refused", status=400),
        LoginUnavailable("timeout", is_lost=True),
        LoginMalformed("x"),
        LoginUnavailable("status", status=502),
    ],
    ids=lambda failure: failure.cause,
)
async def test_a_refresh_token_that_may_be_spent_is_not_sent_again_though_the_login_gives_no_other(
    failure: LoginFailure,
) -> None:
    server, credential = rotating()
    await credential.token()
    sent: list[str] = []

    async def fail(token: Secret) -> Grant:
        sent.append(token.reveal())
        raise failure

    async def login() -> Grant:
        return Grant(Secret("t"), 100)

    credential.reconfigure("acme", TokenPolicy(), Source(login, fail))
    for _ in range(3):
        server.clock.advance(100)
        await credential.token()
    assert sent == ["r2"] * (2 if failure.is_lost else 1)


async def test_without_a_login_a_lost_refresh_token_is_tried_again_later() -> None:
    server, credential = rotating(can_log_in=False)
    server.lose = [True, True]
    with pytest.raises(CredentialUnavailable):
        await credential.token()
    server.clock.advance(1)
    await credential.token()
    assert server.spent == ["r0"]


@pytest.mark.parametrize(
    ("failure", "logins"),
    [
        (LoginRefused("refused", status=400), 1),
        (LoginUnavailable("status", status=500), 1),
        (LoginMalformed("no token", status=200), 1),
        (LoginUnavailable("status", status=429, retry_after=5), 0),
        (LoginUnavailable("upstream_unreachable"), 0),
    ],
)
async def test_when_a_failed_refresh_is_followed_by_a_login(failure: LoginFailure, logins: int) -> None:
    server, credential = rotating()
    await credential.token()
    server.clock.advance(100)

    async def fail() -> None:
        raise failure

    server.before_answer = fail
    await asyncio.gather(credential.token(), return_exceptions=True)
    assert server.logins == 1 + logins


class TestByHand:
    """A person has a token renewed."""

    async def test_there_is_a_new_token_and_the_old_one_serves_until_then(self) -> None:
        at = bench()
        assert await at.value() == "t1"
        at.vendor.gate.clear()
        renewing = asyncio.create_task(at.credential.renew(5))
        await asyncio.sleep(0)
        assert await at.value() == "t1"
        at.vendor.gate.set()
        assert await renewing == "renewed"
        assert await at.value() == "t2"

    async def test_whoever_asks_twice_gets_one_login(self) -> None:
        at = bench()
        assert await asyncio.gather(*(at.credential.renew(5) for _ in range(20))) == ["renewed"] * 20
        assert at.vendor.calls == 1

    async def test_a_refusals_pause_ends_with_it(self) -> None:
        at = bench(failures=[LoginRefused("401"), LoginRefused("401")])
        with pytest.raises(CredentialRejected):
            await at.value()
        assert await at.credential.renew(5) == "failed"
        assert await at.credential.renew(5) == "renewed"
        assert at.vendor.calls == 3

    async def test_an_endpoint_in_trouble_is_left_alone(self) -> None:
        at = bench(jitter=0.5, failures=[LoginUnavailable("503", retry_after=60)])
        with pytest.raises(CredentialUnavailable):
            await at.value()
        assert await at.credential.renew(5) == "held_back"
        assert at.vendor.calls == 1
        at.clock.advance(61)
        assert await at.credential.renew(5) == "renewed"

    async def test_a_login_that_takes_long_goes_on_unwatched(self) -> None:
        at = bench()
        at.vendor.gate.clear()
        assert await at.credential.renew(0) == "under_way"
        at.vendor.gate.set()
        assert await at.value() == "t1"

    async def test_the_span_of_a_token_is_told(self) -> None:
        at = bench()
        assert at.credential.span is None
        await at.value()
        at.clock.advance(30)
        assert at.credential.span == (30, 50)
        at.clock.advance(70)
        assert at.credential.span is None
