"""Who logs in and who takes over what another process has stored; turns are made by hand here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from proxy.errors import CredentialRejected
from proxy.secret import Secret
from proxy.tokens.backoff import Backoff, after_failure, to_text
from proxy.tokens.cache import TokenCache
from proxy.tokens.failure import LoginFailure, LoginHeldBack, LoginRefused, LoginUnavailable
from proxy.tokens.renewal import Obtained, Renewal, Source
from proxy.tokens.restraint import Restraint
from proxy.tokens.sharing import Sharing
from proxy.tokens.stores.entry import Entry
from proxy.tokens.stores.store import Setback, StoreUnavailable, Turn, TurnLost
from proxy.tokens.token import Grant, TokenPolicy
from tests.clock import FakeClock
from tests.login_endpoint import SteadyRandom

NEWER = Entry(serial=9, token=Secret("theirs"), lifetime=100.0, age=4.0, refresh_token=Secret("their-refresh"))


@dataclass
class Stage:
    """A store and a login endpoint; `losses` writes find that another process has taken over, which stores nothing."""

    clock: FakeClock = field(default_factory=FakeClock)
    entry: Entry | None = None
    is_owner: bool = True
    is_away: bool = False
    losses: int = 0
    turns: int = 0
    after: list[int] = field(default_factory=list)
    writes: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    logins: int = 0
    waits: int = 0
    failure: LoginFailure | None = None
    setback: Setback | None = None
    kind = "redis"
    is_shared = True
    trouble = None

    @asynccontextmanager
    async def turn(self, key: str, after: int) -> AsyncIterator[Turn]:
        self.turns += 1
        self.after.append(after)
        if self.is_away:
            raise StoreUnavailable("away", retry_after=3.0)
        yield Turn(self.entry, self.is_owner, self.write, self.setback, self.note)

    async def write(self, entry: Entry) -> None:
        if self.losses:
            self.losses -= 1
            raise TurnLost("taken over")
        self.writes.append(entry)
        self.entry = entry

    async def note(self, text: str) -> None:
        self.notes.append(text)

    async def login(self) -> Grant:
        self.logins += 1
        if self.failure is not None:
            raise self.failure
        return Grant(Secret(f"ours-{self.logins}"), 100.0)

    async def refresh(self, token: Secret) -> Grant:
        return Grant(Secret(f"by-{token.reveal()}"), 100.0, Secret("rotated"))

    def retire(self, key: str) -> None: ...

    def tend(self) -> None: ...

    async def aclose(self) -> None: ...

    def sharing(self, *, initial: str | None = None) -> Sharing:
        """With a login, or with this refresh token for want of one."""
        source = Source(self.login) if initial is None else Source(None, self.refresh, Secret(initial))
        renewal = Renewal(source, self.clock, lambda *told: None, is_shared=True)
        return Sharing("key", renewal, Restraint(self.clock, lambda: 0.5, is_shared=True), self, self.clock)

    async def wait(self) -> None:
        self.waits += 1

    async def obtain(self, sharing: Sharing, *, single_live: bool = False, follows_rejection: bool = False) -> Obtained:
        return await sharing.obtain(
            single_live=single_live, follows_rejection=follows_rejection, before_login=self.wait
        )


def value(obtained: Obtained) -> str:
    return obtained.grant.token.reveal()


# --- What another process has stored ------------------------------------------------------------------------------------


async def test_a_newer_token_is_taken_over_at_the_age_that_it_has() -> None:
    """No login, and nobody is waited for, since nothing is killed by it."""
    stage = Stage(entry=NEWER)
    obtained = await stage.obtain(stage.sharing())
    assert (value(obtained), obtained.grant.lifetime, obtained.is_adopted) == ("theirs", 100.0, True)
    assert (obtained.at, obtained.wall) == (1000.0 - 4.0, 1_700_000_000.0 - 4.0)
    assert (stage.logins, stage.waits, stage.writes) == (0, 0, [])


async def test_a_token_is_taken_over_once_and_after_that_it_is_the_old_one() -> None:
    stage = Stage(entry=NEWER)
    sharing = stage.sharing()
    await stage.obtain(sharing)
    assert value(await stage.obtain(sharing)) == "ours-1"
    assert stage.after == [0, 9], "the store is asked for what is newer than the last one"


async def test_an_expired_token_is_not_taken_over() -> None:
    stage = Stage(entry=Entry(serial=9, token=Secret("theirs"), lifetime=100.0, age=100.0))
    assert value(await stage.obtain(stage.sharing())) == "ours-1"


async def test_the_first_serial_of_all_is_news_too() -> None:
    stage = Stage(entry=Entry(serial=1, token=Secret("theirs"), lifetime=100.0))
    assert value(await stage.obtain(stage.sharing())) == "theirs"


@pytest.mark.parametrize(
    ("stored", "age", "follows"), [(True, 4.9, True), (True, 5.0, False), (False, 0.0, False)]
)  # fmt: skip
async def test_a_rejection_counts_for_all_who_met_it_within_five_seconds(
    stored: bool, age: float, follows: bool
) -> None:
    stage = Stage(entry=Entry(9, Secret("theirs"), lifetime=100.0, age=age, follows_rejection=stored))
    assert (await stage.obtain(stage.sharing())).follows_rejection is follows


async def test_the_refresh_token_that_came_with_it_is_remembered() -> None:
    """Without it a process that lost its store would send the configuration's, which is spent."""
    stage = Stage(entry=NEWER)
    sharing = stage.sharing(initial="configured")
    await stage.obtain(sharing)
    assert sharing.renewal.needs_store


async def test_who_may_not_log_in_and_finds_nothing_takes_another_turn_four_at_the_most() -> None:
    """That it failed of others is a failure of its own, and the pause after it is kept."""
    stage = Stage(is_owner=False)
    sharing = stage.sharing()
    with pytest.raises(LoginUnavailable, match="other processes log in again and again"):
        await stage.obtain(sharing)
    assert (stage.turns, stage.logins, stage.notes) == (4, 0, [])
    assert (sharing.restraint.backoff.outcome, sharing.restraint.forbids_login) == ("unavailable", True)


async def test_whose_turn_was_lost_takes_the_next_one() -> None:
    stage = Stage(losses=1)
    assert value(await stage.obtain(stage.sharing())) == "ours-2"
    assert (stage.turns, stage.waits) == (2, 2)


# --- Serials ------------------------------------------------------------------------------------------------------------


async def test_a_serial_is_above_the_clock_and_above_all_that_was_stored_or_seen() -> None:
    """In milliseconds: where the store has forgotten everything it is still above what others have seen."""
    stage = Stage()
    sharing = stage.sharing()
    milliseconds = 1_700_000_000_000
    for stored in (None, milliseconds - 1, milliseconds + 500, None):
        stage.entry = None if stored is None else Entry(serial=stored)
        before = sharing.serial
        await stage.obtain(sharing)
        assert stage.writes[-1].serial == sharing.serial == max(milliseconds, before + 1, (stored or 0) + 1)


async def test_the_store_is_told_which_token_follows_a_rejection() -> None:
    stage = Stage()
    sharing = stage.sharing()
    for follows in (True, False):
        await stage.obtain(sharing, follows_rejection=follows)
        assert stage.writes[-1].follows_rejection is follows


# --- A store that is away -----------------------------------------------------------------------------------------------


async def test_without_its_store_an_ordinary_credential_logs_in_and_counts_no_serial() -> None:
    stage = Stage(is_away=True)
    sharing = stage.sharing()
    assert value(await stage.obtain(sharing)) == "ours-1"
    assert (sharing.serial, stage.writes) == (0, [])


@pytest.mark.parametrize("reason", ["single live", "rotated"])
async def test_without_its_store_nobody_logs_in_who_would_harm_the_others(reason: str) -> None:
    """The failure says when the store is tried again."""
    stage = Stage(entry=NEWER)
    sharing = stage.sharing(initial="configured" if reason == "rotated" else None)
    if reason == "rotated":
        await stage.obtain(sharing)
    stage.is_away = True
    with pytest.raises(LoginUnavailable) as failure:
        await stage.obtain(sharing, single_live=reason == "single live")
    assert (failure.value.cause, failure.value.retry_after) == ("away", 3.0)
    assert sharing.restraint.backoff.until == stage.clock.now() + 3.0
    assert (stage.logins, stage.writes) == (0, [])


# --- Failures -----------------------------------------------------------------------------------------------------------


async def test_a_failed_login_is_noted_for_the_others_and_holding_back_is_not() -> None:
    """It says what the last attempt failed of, which is no failure of its own."""
    stage = Stage(failure=LoginRefused("401 from its login endpoint", status=401))
    sharing = stage.sharing()
    with pytest.raises(LoginRefused):
        await stage.obtain(sharing)
    assert len(stage.notes) == 1
    with pytest.raises(LoginHeldBack, match="401 from its login endpoint"):
        await stage.obtain(sharing)
    assert (stage.logins, len(stage.notes), sharing.restraint.backoff.refusals) == (1, 1, 1)


# --- A credential upon a shared store -----------------------------------------------------------------------------------


@pytest.mark.parametrize("follows", [True, False])
async def test_a_token_taken_over_after_the_same_rejection_that_dies_too_is_not_replaced(follows: bool) -> None:
    """Its vendor refuses tokens that were just obtained. One that follows no rejection is replaced as any other."""
    stage = Stage(entry=Entry(9, Secret("theirs"), lifetime=3600.0, follows_rejection=follows))
    credential = TokenCache(stage.clock, random=SteadyRandom(), store=stage).credential(
        "key", "acme", TokenPolicy(), stage.login
    )
    token = await credential.token()
    assert (token.value.reveal(), token.generation, stage.logins) == ("theirs", 1, 0)
    assert credential.rejected(token.generation) is not follows


async def test_who_holds_back_because_of_another_process_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    """And looks again every five seconds whether that one has a token now."""
    stage = Stage()
    refused = after_failure(Backoff(), LoginRefused("401 over there", status=401), 0.0, 0.0)
    stage.setback = Setback(to_text(refused, 0.0), age=1.0)
    credential = TokenCache(stage.clock, random=SteadyRandom(), store=stage).credential(
        "key", "acme", TokenPolicy(), stage.login
    )
    for _ in range(3):
        with pytest.raises(CredentialRejected):
            await credential.token()
        stage.clock.advance(5)
    assert (stage.logins, stage.turns, len(caplog.messages)) == (0, 3, 1)
    assert "401 over there" in caplog.messages[0]
