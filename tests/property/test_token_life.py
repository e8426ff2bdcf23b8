"""Whatever happens in whatever order, the promises about a token's life hold.

Hypothesis drives one credential through asking, answering, accepting, rejecting, waiting, clock jumps and sleep. Beside
it runs a model of the vendor and of its callers, far simpler than the credential: it knows what was issued, what was
said of it, and when. After each step the promises are checked against the model.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from math import inf
from typing import Literal

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from proxy.errors import CredentialRejected, CredentialUnavailable
from proxy.secret import Secret
from proxy.tokens.cache import TokenCache
from proxy.tokens.failure import LoginMalformed, LoginRefused, LoginUnavailable
from proxy.tokens.token import Grant, Token, TokenPolicy
from tests.clock import FakeClock
from tests.login_endpoint import SteadyRandom

HOUR = 3600.0
Ending = Literal["ok", "refused", "unavailable", "malformed", "too many"]
SECONDS = st.sampled_from([0.01, 0.4, 1.0, 7.0, 29.0, 31.0, 59.0, 61.0, 200.0, 899.0, 2000.0, 3700.0])


@dataclass
class Issued:
    """What the vendor gave: the readings of both clocks before the login was sent, and how long it holds."""

    at: float
    wall: float
    lifetime: float
    rejected: bool = False


@dataclass
class Endpoint:
    """The vendor's login endpoint: every login waits until the machine lets it end."""

    clock: FakeClock
    begun: list[float] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    ending: asyncio.Future[Grant] | None = None

    async def __call__(self) -> Grant:
        self.begun.append(self.clock.now())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.ending = asyncio.get_running_loop().create_future()
        try:
            return await self.ending
        finally:
            self.at_once -= 1
            self.ending = None


class LifeOfATokenMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.endpoint = Endpoint(self.clock)
        self.issued: dict[int, Issued] = {}
        self.login_began: tuple[float, float] = (0.0, 0.0)
        self.waiting: list[asyncio.Task[Token]] = []
        self.refused_at: list[float] = []
        self.not_before = -inf
        self.cool_until = -inf
        self.passed_on_at = -inf
        self.newest_handed_out = 0

    @initialize(single_live=st.booleans(), jitter=st.sampled_from([0.0, 0.5, 0.99]))
    def configure(self, single_live: bool, jitter: float) -> None:
        # Here and not above: Hypothesis makes machines that it never runs.
        self.loop = asyncio.new_event_loop()
        cache = TokenCache(self.clock, random=SteadyRandom(jitter))
        self.credential = cache.credential("key", "acme", TokenPolicy(single_live=single_live), self.endpoint)

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        for caller in self.waiting:
            caller.cancel()
        self.settle()
        self.loop.run_until_complete(self.credential.aclose())
        self.loop.close()

    # --- What callers do --------------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 5))
    def ask(self, count: int) -> None:
        logins = len(self.endpoint.begun)
        self.waiting += [self.loop.create_task(self.credential.token()) for _ in range(count)]
        self.settle()
        if len(self.endpoint.begun) > logins:
            self.a_login_began()

    @precondition(lambda self: self.waiting)
    @rule()
    def hang_up(self) -> None:
        self.waiting.pop(0).cancel()
        self.settle()

    @precondition(lambda self: self.issued)
    @rule(age=st.integers(0, 3))
    def accept(self, age: int) -> None:
        self.credential.accepted(max(1, len(self.issued) - age))

    @precondition(lambda self: self.issued)
    @rule()
    def reject_the_newest(self) -> None:
        """Either it is dropped and a replay allowed, or it stays in use and its rejections cool down."""
        newest, now = len(self.issued), self.clock.now()
        was_live, was_rejected = self.is_live(newest), self.issued[newest].rejected
        worth_a_replay = self.credential.rejected(newest)
        if was_live and not was_rejected and now < self.cool_until:
            assert not worth_a_replay, "no replay while cooling down"
        if worth_a_replay:
            self.issued[newest].rejected = True
            return
        # The model does not count how often a cool-down has doubled: this one surely begins here.
        if now - self.passed_on_at > 900:
            self.cool_until = now + 30
        self.passed_on_at = now

    @precondition(lambda self: len(self.issued) > 1)
    @rule(age=st.integers(1, 4))
    def reject_an_older_one(self, age: int) -> None:
        """A late answer: a replay with the current token is worth while, and it costs no token."""
        before = self.credential.expires_at
        assert self.credential.rejected(max(1, len(self.issued) - age))
        assert self.credential.expires_at == before

    # --- What the vendor does ---------------------------------------------------------------------------------------

    @precondition(lambda self: self.endpoint.ending is not None)
    @rule(ending=st.sampled_from(["ok", "ok", "ok", "refused", "unavailable", "malformed", "too many"]),
          lifetime=st.sampled_from([0.5, 5.0, 60.0, 300.0, 3600.0, 14_400.0, inf]),
          wish=st.sampled_from([-1.0, 0.0, 5.0, 1e9]))  # fmt: skip
    def end_the_login(self, ending: Ending, lifetime: float, wish: float) -> None:
        future, now = self.endpoint.ending, self.clock.now()
        assert future is not None
        arrives_alive = self.moment(*self.login_began) < self.login_began[0] + lifetime
        if ending == "ok":
            if arrives_alive:
                self.issued[len(self.issued) + 1] = Issued(*self.login_began, lifetime)
                self.refused_at, self.not_before = [], -inf
            future.set_result(Grant(Secret(f"t{len(self.issued)}"), lifetime))
        elif ending == "refused":
            self.refused_at.append(now)
            self.not_before = now + 60
            future.set_exception(LoginRefused("refused", status=401))
        elif ending == "too many":
            self.not_before = now + min(max(wish, 1), 900)
            future.set_exception(LoginUnavailable("status", status=429, retry_after=wish))
        else:
            future.set_exception(LoginUnavailable("timeout") if ending == "unavailable" else LoginMalformed("x"))
        self.settle()

    # --- What time does ---------------------------------------------------------------------------------------------

    @rule(seconds=SECONDS)
    def pass_time(self, seconds: float) -> None:
        """Or sleep, on a machine whose clock counts it."""
        self.clock.advance(seconds)

    @rule(moment=st.sampled_from(["due", "expiry", "next login", "end of the cool-down"]),
          beside=st.sampled_from([-6.0, -0.01, 0.0, 0.5]), count=st.integers(0, 2))  # fmt: skip
    def come_to_a_moment_that_matters(self, moment: str, beside: float, count: int) -> None:
        newest = self.issued.get(len(self.issued))
        expiry = newest.at + newest.lifetime if newest else inf
        due = expiry - min(60, newest.lifetime / 5) if newest else inf
        moments = {"due": due, "expiry": expiry, "next login": self.not_before, "end of the cool-down": self.cool_until}
        seconds = moments[moment] + beside - self.clock.now()
        if 0 < seconds < inf:
            self.clock.advance(seconds)
        self.ask(count)

    @precondition(lambda self: self.endpoint.ending is None)
    @rule(lifetime=st.sampled_from([5.0, 60.0, 3600.0]))
    def reject_whatever_comes(self, lifetime: float) -> None:
        """As an API does that answers 401 to everything."""
        for _ in range(2):
            self.ask(1)
            if self.endpoint.ending is not None:
                self.end_the_login("ok", lifetime, 0.0)
            if self.issued:
                self.reject_the_newest()

    @rule(times=st.integers(2, 8))
    def live_with_a_bad_secret(self, times: int) -> None:
        """The way to the end of the budget is long, and seldom found by chance."""
        for _ in range(times):
            self.ask(1)
            if self.endpoint.ending is not None:
                self.end_the_login("refused", inf, 0.0)
            self.clock.advance(self.credential.next_attempt_in or 1.0)

    @rule(seconds=SECONDS)
    def sleep_with_a_stopped_clock(self, seconds: float) -> None:
        """As some systems do; an operator who sets the wall clock ahead looks the same."""
        self.clock.jump(seconds)

    @rule(seconds=SECONDS)
    def set_the_wall_clock_back(self, seconds: float) -> None:
        self.clock.jump(-seconds)

    # --- The promises -----------------------------------------------------------------------------------------------

    @invariant()
    def one_login_at_a_time(self) -> None:
        assert self.endpoint.most_at_once <= 1

    @invariant()
    def five_refusals_an_hour(self) -> None:
        in_a_row = self.refused_at
        assert all(later - earlier > HOUR - 1e-6 for earlier, later in zip(in_a_row, in_a_row[5:], strict=False))

    @invariant()
    def nobody_waits_without_a_login(self) -> None:
        assert not self.waiting or self.endpoint.ending is not None

    @invariant()
    def what_is_said_is_so(self) -> None:
        if not hasattr(self, "credential"):
            return
        newest = len(self.issued)
        assert self.credential.generation == newest
        serves = newest > 0 and self.is_live(newest) and not self.issued[newest].rejected
        assert (self.credential.state == "ok") is serves

    # --- The model --------------------------------------------------------------------------------------------------

    def moment(self, at: float, wall: float) -> float:
        """How late it may be, for something that began at these readings: the later of both clocks counts."""
        return self.clock.now() + max(0.0, (self.clock.wall() - wall) - (self.clock.now() - at))

    def is_live(self, generation: int) -> bool:
        token = self.issued[generation]
        return self.moment(token.at, token.wall) < token.at + token.lifetime

    def a_login_began(self) -> None:
        now = self.clock.now()
        self.login_began = (now, self.clock.wall())
        newest = len(self.issued)
        assert now >= self.not_before, "no login while backing off"
        if newest and self.is_live(newest) and not self.issued[newest].rejected:
            assert now >= self.cool_until, "no renewal ahead while cooling down"
            token = self.issued[newest]
            rest = token.at + token.lifetime - self.moment(token.at, token.wall)
            assert rest <= min(60, token.lifetime / 5) + 1e-6, "no renewal of a fresh token"

    def settle(self) -> None:
        """Let every task run as far as it can, and look at what callers got."""

        async def turns() -> None:
            for _ in range(8):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())
        for caller in [caller for caller in self.waiting if caller.done()]:
            self.waiting.remove(caller)
            if not caller.cancelled():
                self.look_at(caller)

    def look_at(self, caller: asyncio.Task[Token]) -> None:
        error = caller.exception()
        if isinstance(error, CredentialUnavailable):
            assert error.retry_after is not None and 1 <= error.retry_after <= HOUR
            return
        if isinstance(error, CredentialRejected):
            assert self.refused_at, "nothing was refused"
            return
        token = caller.result()
        assert self.is_live(token.generation), "a token beyond its expiry"
        assert not self.issued[token.generation].rejected, "a token that was dropped"
        assert token.generation == len(self.issued) >= self.newest_handed_out, "not the newest token"
        self.newest_handed_out = token.generation


TestLifeOfAToken = LifeOfATokenMachine.TestCase
TestLifeOfAToken.settings = settings(
    max_examples=200,
    stateful_step_count=60,
    deadline=None,
    # No shrinking: with sixty steps of this size it takes minutes, and the steps are readable as they are.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
