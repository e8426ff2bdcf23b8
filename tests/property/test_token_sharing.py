"""Whatever happens to two replicas and to the store between them, the promises about shared tokens hold.

Hypothesis drives two processes upon one store through asking, rejecting, logins that end well or badly, kills, pauses
that outlast the lease, and a store that is away, loses writes or forgets everything. The vendor rotates refresh tokens,
remembers who sent which, and counts the logins that it refuses.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf
from typing import Literal

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from proxy.errors import CredentialRejected, CredentialUnavailable
from proxy.secret import Secret
from proxy.tokens.backoff import SAME_REFUSAL
from proxy.tokens.cache import TokenCache
from proxy.tokens.credential import Credential
from proxy.tokens.failure import LoginRefused, LoginUnavailable
from proxy.tokens.stores.entry import Entry
from proxy.tokens.stores.store import Setback, StoreUnavailable, Turn, TurnLost
from proxy.tokens.token import Grant, Token, TokenPolicy
from tests.clock import FakeClock
from tests.login_endpoint import SteadyRandom

LEASE = 6.0
WriteTrouble = Literal["refused", "written, but the answer is lost"]


@dataclass
class SharedStore:
    """What a store on the network does, by an injected clock."""

    clock: FakeClock
    entry: Entry | None = None
    born: float = 0.0
    owner: Replica | None = None
    # None while the owner renews it.
    lease_ends: float | None = None
    is_away: bool = False
    troubles: list[WriteTrouble] = field(default_factory=list)
    setback: tuple[str, float] | None = None
    # When logins were refused, as far as what was noted tells.
    refused_at: set[float] = field(default_factory=set)

    def holder(self) -> Replica | None:
        if self.lease_ends is not None and self.clock.now() >= self.lease_ends:
            self.owner, self.lease_ends = None, None
        return self.owner

    def found(self) -> Entry | None:
        return None if self.entry is None else replace(self.entry, age=self.clock.now() - self.born)

    def heard(self) -> Setback | None:
        return None if self.setback is None else Setback(self.setback[0], self.clock.now() - self.setback[1])

    def note(self, replica: Replica, text: str) -> None:
        if self.is_away:
            raise StoreUnavailable("away")
        if self.holder() is not replica:
            raise TurnLost("taken over")
        self.setback, self.refused_at = (text, self.clock.now()), set(replica.refused_at)

    def write(self, replica: Replica, entry: Entry) -> None:
        trouble = self.troubles.pop(0) if self.troubles else None
        if self.is_away or trouble == "refused":
            raise StoreUnavailable("away")
        if self.holder() is not replica or (self.entry is not None and self.entry.serial > entry.serial):
            raise TurnLost("taken over")
        if self.entry is None or self.entry.serial != entry.serial:
            self.born = self.clock.now() - entry.age
        if entry.serial > (self.entry.serial if self.entry is not None else 0):
            self.setback, self.refused_at = None, set()
        self.entry = entry
        if trouble is not None:
            raise StoreUnavailable("the answer is lost")


@dataclass(eq=False)
class Replica:
    """One process, until it is killed; its view of the store, and its credential."""

    store: SharedStore
    is_alive: bool = True
    credential: Credential = field(init=False)
    waiting: list[asyncio.Task[Token]] = field(default_factory=list)
    # All refusals that this process can know of: its own, and those that it found noted when it had a turn.
    refused_at: set[float] = field(default_factory=set)
    kind = "redis"
    is_shared = True
    trouble = None

    @asynccontextmanager
    async def turn(self, key: str, after: int) -> AsyncIterator[Turn]:
        store = self.store

        async def write(entry: Entry) -> None:
            store.write(self, entry)

        async def note(text: str) -> None:
            store.note(self, text)

        while True:
            if store.is_away:
                raise StoreUnavailable("away")
            found = store.found()
            if found is not None and found.serial > after:
                yield Turn(found, False, write)
                return
            if store.holder() is None:
                break
            await asyncio.sleep(0)
        store.owner, store.lease_ends = self, None
        self.refused_at |= store.refused_at
        try:
            yield Turn(found, True, write, store.heard(), note)
        finally:
            if self.is_alive and store.owner is self:
                store.owner = None

    def retire(self, key: str) -> None: ...

    def tend(self) -> None: ...

    async def aclose(self) -> None: ...


@dataclass
class Call:
    """A request at the login endpoint. `sent` is the refresh token in it, None for a full login."""

    replica: Replica
    sent: str | None
    began: float
    ending: asyncio.Future[Grant]


class SharedTokenMachine(RuleBasedStateMachine):
    @initialize(single_live=st.booleans(), has_initial=st.booleans())
    def configure(self, single_live: bool, has_initial: bool) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock()
        self.store = SharedStore(self.clock)
        self.single_live, self.has_initial = single_live, has_initial
        self.calls: list[Call] = []
        # Noted rather than raised where it is seen: the credential would take an error there for the vendor's.
        self.broken: list[str] = []
        self.expiries: dict[str, float] = {}
        self.usable_until = 0.0
        self.unspent: set[str] = set()
        self.lost_by: dict[str, Replica] = {}
        # The pauses follow those alone that everybody can know of.
        self.refused_at: list[float] = []
        # With it a second login may be right; with an excuse, a caller may get none.
        self.trouble = self.excuse = False
        self.replicas = [self.start(), self.start()]

    def start(self) -> Replica:
        replica = Replica(self.store)
        cache = TokenCache(self.clock, random=SteadyRandom(0.0), store=replica)
        initial = Secret("initial") if self.has_initial else None
        policy = TokenPolicy(single_live=self.single_live)

        async def login() -> Grant:
            return await self.call(replica, None)

        async def refresh(token: Secret) -> Grant:
            return await self.call(replica, token.reveal())

        replica.credential = cache.credential("key", "acme", policy, login, refresh, initial)
        return replica

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            for replica in self.replicas:
                self.end(replica)
            self.loop.close()

    # --- The vendor -------------------------------------------------------------------------------------------------

    async def call(self, replica: Replica, sent: str | None) -> Grant:
        if sent is not None:
            if not (sent in self.unspent or self.lost_by.pop(sent, None) is replica):
                self.broken.append(f"{sent} was sent again, and may be spent")
            self.unspent.discard(sent)
        self.look_at_the_budget(replica)
        if self.single_live and self.store.holder() is not replica:
            self.broken.append("a login without a turn")
        if not self.trouble and self.clock.now() < self.usable_until:
            self.broken.append("a second login for one expiry")
        call = Call(replica, sent, self.clock.now(), asyncio.get_running_loop().create_future())
        self.calls.append(call)
        return await call.ending

    def look_at_the_budget(self, replica: Replica) -> None:
        now = self.clock.now()
        if not self.store.is_away and self.store.holder() is replica and self.refused_at:
            pauses = (60, 120, 300, 900)
            if now < self.refused_at[-1] + pauses[min(len(self.refused_at), 4) - 1] - 1e-6:
                self.broken.append("a login in the pause after a refusal")
        lately = sorted(moment for moment in replica.refused_at if moment > now - 3600 + 1e-6)
        # Those of different processes that came within seconds may be taken for one.
        if sum(later - earlier >= SAME_REFUSAL for earlier, later in pairwise([-inf, *lately])) >= 5:
            self.broken.append("more than five refusals within an hour")

    @precondition(lambda self: self.calls)
    @rule(which=st.integers(0, 1), ending=st.sampled_from(["ok", "ok", "ok", "lost", "unreachable", "refused", "refused"]),
          lifetime=st.sampled_from([5.0, 100.0, 3600.0]))  # fmt: skip
    def end_a_call(self, which: int, ending: str, lifetime: float) -> None:
        call = self.calls.pop(which % len(self.calls))
        if ending == "ok":
            number = len(self.expiries) + 1
            self.expiries[f"t{number}"] = call.began + lifetime
            self.unspent.add(f"r{number}")
            margin = min(2.0, lifetime * 0.02) if self.single_live else min(60.0, lifetime / 5)
            self.usable_until = call.began + lifetime - margin - 1e-6
            self.refused_at = []
            for knowing in (self.store, *self.replicas):
                knowing.refused_at.clear()
            # A token that could not be stored is one that the other replica cannot know of.
            is_well = not self.store.troubles and not self.store.is_away and self.store.holder() is call.replica
            self.trouble = not is_well
            self.excuse = not is_well or self.clock.now() >= call.began + lifetime
            call.ending.set_result(Grant(Secret(f"t{number}"), lifetime, Secret(f"r{number}")))
        elif ending == "lost":
            self.excuse = True
            if call.sent is not None:
                self.lost_by[call.sent] = call.replica
            call.ending.set_exception(LoginUnavailable("timeout", is_lost=True))
        elif ending == "refused":
            self.excuse = True
            if call.sent is None:
                call.replica.refused_at.add(self.clock.now())
                is_noted = not self.store.is_away and self.store.holder() is call.replica
                self.refused_at = [*self.refused_at, self.clock.now()] if is_noted else []
            call.ending.set_exception(LoginRefused("refused", status=401))
        else:
            self.excuse = True
            if call.sent is not None:
                self.unspent.add(call.sent)
            call.ending.set_exception(LoginUnavailable("upstream_unreachable"))
        self.settle()

    # --- Callers ----------------------------------------------------------------------------------------------------

    @rule(which=st.integers(0, 1))
    def ask(self, which: int) -> None:
        replica = self.replicas[which]
        replica.waiting.append(self.loop.create_task(replica.credential.token()))
        self.settle()

    @rule(which=st.integers(0, 1))
    def reject(self, which: int) -> None:
        """The vendor revoked the newest token: everybody may replace it, once."""
        credential = self.replicas[which].credential
        if credential.generation:
            self.usable_until = 0.0
            credential.rejected(credential.generation)

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.95, 7.0, 41.0, 99.0, 3600.0]))
    def pass_time(self, seconds: float) -> None:
        """A login ends before its lease does, or its lease is renewed: time passes between logins and during them."""
        self.clock.advance(seconds)
        self.settle()

    @rule(times=st.integers(2, 8))
    def live_with_a_bad_secret(self, times: int) -> None:
        """The way to the end of the budget is long, and seldom found by chance."""
        for number in range(times):
            self.ask(number % 2)
            if self.calls:
                self.end_a_call(0, "refused", 5.0)
            self.pass_time(self.replicas[number % 2].credential.next_attempt_in or 1.0)

    # --- Misfortune -------------------------------------------------------------------------------------------------

    @rule(which=st.integers(0, 1))
    def kill(self, which: int) -> None:
        """And start again. What it had fetched and not yet stored is lost, and its lease ends by itself."""
        replica = self.replicas[which]
        if any(call.replica is replica for call in self.calls):
            self.usable_until = 0.0
        self.end(replica)
        if self.store.owner is replica:
            self.store.lease_ends = self.clock.now() + LEASE
        self.replicas[which] = self.start()

    @precondition(lambda self: self.store.owner is not None)
    @rule()
    def hold_up_the_owner(self) -> None:
        """Stopped for longer than its lease, and then it goes on as if nothing had been."""
        self.trouble = self.excuse = True
        self.store.lease_ends = self.clock.now()
        self.settle()

    @rule(trouble=st.sampled_from(["refused", "written, but the answer is lost"]))
    def fail_the_next_write(self, trouble: WriteTrouble) -> None:
        self.store.troubles = [trouble]

    @rule()
    def the_store_goes_or_comes(self) -> None:
        self.store.is_away = not self.store.is_away
        self.excuse = True
        if not self.single_live:
            self.trouble = True
        self.settle()

    @rule()
    def the_store_forgets_everything(self) -> None:
        self.store.entry, self.store.setback, self.trouble = None, None, True
        self.refused_at, self.store.refused_at = [], set()

    # --- Turning the loop -------------------------------------------------------------------------------------------

    def end(self, replica: Replica) -> None:
        replica.is_alive = False
        for caller in replica.waiting:
            caller.cancel()
        self.calls = [call for call in self.calls if call.replica is not replica]
        self.loop.run_until_complete(replica.credential.aclose())
        self.loop.run_until_complete(asyncio.sleep(0))

    def settle(self) -> None:
        async def turns() -> None:
            for _ in range(40):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())
        assert self.broken == []
        for replica in self.replicas:
            for caller in [caller for caller in replica.waiting if caller.done()]:
                replica.waiting.remove(caller)
                self.look_at(caller)

    def look_at(self, caller: asyncio.Task[Token]) -> None:
        error = caller.exception()
        if error is not None:
            assert isinstance(error, CredentialUnavailable | CredentialRejected), error
            assert self.excuse, "no token, and nothing was wrong"
            return
        token = caller.result()
        assert self.clock.now() < self.expiries[token.value.reveal()], "a token beyond its expiry"


TestSharedTokens = SharedTokenMachine.TestCase
TestSharedTokens.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate]
)


def test_a_replica_that_remembers_old_refusals_counts_those_of_one_that_began_anew() -> None:
    """Found by the machine: the store forgets, one replica is started again, and the other has known the secret to be
    bad for hours. Its old refusals hid the new one's from it, and from all who read what it noted: six within an hour.
    """
    machine = SharedTokenMachine()
    machine.configure(single_live=True, has_initial=False)
    try:
        machine.live_with_a_bad_secret(times=8)
        machine.the_store_forgets_everything()
        machine.kill(which=1)
        machine.ask(which=1)
        machine.live_with_a_bad_secret(times=3)
        machine.live_with_a_bad_secret(times=3)
    finally:
        machine.teardown()
