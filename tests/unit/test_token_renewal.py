"""How a new token is come by: what becomes of a refresh token, what is stored of it, and when nothing may be sent."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace

import pytest

from proxy.secret import Secret
from proxy.tokens.failure import LoginFailure, LoginRefused, LoginUnavailable
from proxy.tokens.renewal import Login, Obtained, Renewal, Source
from proxy.tokens.stores.entry import Entry
from proxy.tokens.stores.store import StoreUnavailable, Turn
from proxy.tokens.token import Grant
from tests.clock import FakeClock

CONFIGURED = Secret("configured")
FINAL = LoginRefused("revoked", status=400, is_final=True)
REFUSED = LoginRefused("refused", status=401)
LOST = LoginUnavailable("timeout", is_lost=True)
GRANT = Grant(Secret("access"), 100.0, Secret("rotated"))
STORED = Entry(serial=1, token=Secret("a1"), lifetime=100.0, refresh_token=Secret("stored"))


@dataclass
class Stage:
    """A store's turns by hand, and a vendor: `answers` are what it says next, and then it grants what is `granted`."""

    clock: FakeClock = field(default_factory=FakeClock)
    entry: Entry | None = None
    writes: list[Entry] = field(default_factory=list)
    is_away: bool = False
    answers: list[LoginFailure] = field(default_factory=list)
    granted: Grant = GRANT
    takes: float = 0.0
    sent: list[str] = field(default_factory=list)
    logins: int = 0
    reported: list[tuple[str, float]] = field(default_factory=list)

    async def login(self) -> Grant:
        self.logins += 1
        return self.answer()

    async def refresh(self, token: Secret) -> Grant:
        self.sent.append(token.reveal())
        return self.answer()

    def answer(self) -> Grant:
        self.clock.advance(self.takes)
        if self.answers:
            raise copy(self.answers.pop(0))  # What is said of a failure is written into it.
        return self.granted

    def renewal(
        self, *, can_log_in: bool = False, configured: Secret | None = CONFIGURED, is_shared: bool = False
    ) -> Renewal:
        return Renewal(
            self.source(can_log_in, configured),
            self.clock,
            lambda *told: self.reported.append(told),
            is_shared=is_shared,
        )

    def source(self, can_log_in: bool = False, configured: Secret | None = CONFIGURED) -> Source:
        login: Login | None = self.login if can_log_in else None
        return Source(login, self.refresh, configured)

    async def obtain(self, renewal: Renewal, *, follows_rejection: bool = False) -> Obtained:
        return await renewal.obtain(Turn(self.entry, True, self.write), 7, follows_rejection=follows_rejection)

    async def write(self, entry: Entry) -> None:
        if self.is_away:
            raise StoreUnavailable("away", retry_after=3.0)
        self.writes.append(entry)
        self.entry = entry

    async def fail(self, renewal: Renewal, *answers: LoginFailure) -> LoginFailure:
        self.answers = list(answers)
        with pytest.raises(LoginFailure) as failure:
            await self.obtain(renewal)
        assert self.answers == []
        return failure.value


# --- What is stored -----------------------------------------------------------------------------------------------------


async def test_what_is_stored_of_a_grant() -> None:
    """Its age is the seconds that the login took, since a lifetime counts from before it."""
    stage = Stage(takes=2.0)
    obtained = await stage.obtain(stage.renewal(can_log_in=True), follows_rejection=True)
    assert stage.writes == [
        Entry(7, Secret("access"), lifetime=100.0, age=2.0, refresh_token=Secret("rotated"), follows_rejection=True)
    ]
    assert (obtained.at, obtained.wall) == (1000.0, 1_700_000_000.0)
    assert not obtained.is_adopted and not obtained.follows_rejection
    assert stage.reported == [("ok", 2.0)]


async def test_a_token_with_our_own_clock_in_it_is_not_stored() -> None:
    stage = Stage(granted=Grant(Secret("dated"), 100.0, is_dated=True))
    await stage.obtain(stage.renewal(can_log_in=True))
    assert [entry.token for entry in stage.writes] == [None]


async def test_a_refresh_token_that_does_not_rotate_stays_stored() -> None:
    stage = Stage(entry=STORED, granted=Grant(Secret("access"), 100.0))
    await stage.obtain(stage.renewal())
    assert [(entry.refresh_token, entry.is_sent) for entry in stage.writes] == [
        (Secret("stored"), True),
        (Secret("stored"), False),
    ]


async def test_how_long_a_failed_request_took_is_told_too() -> None:
    stage = Stage(takes=2.0)
    await stage.fail(stage.renewal(), REFUSED)
    assert stage.reported == [("refused", 2.0)]


# --- With a login -------------------------------------------------------------------------------------------------------


async def test_what_was_sent_without_an_answer_is_not_sent_again_and_not_kept() -> None:
    """The login that follows brings no refresh token: the doubtful one must not come back with it."""
    stage = Stage(entry=replace(STORED, is_sent=True), granted=Grant(Secret("access"), 100.0))
    await stage.obtain(stage.renewal(can_log_in=True))
    assert (stage.sent, stage.logins) == ([], 1)
    assert [(entry.refresh_token, entry.is_sent) for entry in stage.writes] == [(None, False)]


async def test_a_refresh_token_that_cannot_be_spent_is_kept_unmarked() -> None:
    """The login endpoint was never reached, so that the next life may send it."""
    stage = Stage(entry=STORED)
    await stage.fail(stage.renewal(can_log_in=True), LoginUnavailable("upstream_unreachable"))
    assert (stage.writes[-1].refresh_token, stage.writes[-1].is_sent) == (Secret("stored"), False)


# --- Without a login: the refresh token is all there is ------------------------------------------------------------------


async def test_where_nothing_is_left_to_log_in_with_nothing_is_sent() -> None:
    """And the outcome is a refusal, which a person has to mend."""
    stage = Stage()
    failure = await stage.fail(stage.renewal(configured=None))
    assert isinstance(failure, LoginRefused) and "nothing else to log in with" in failure.cause
    assert (stage.sent, stage.writes) == ([], [])


@pytest.mark.parametrize(
    ("answers", "was_sent", "is_dead"),
    [
        ([FINAL], False, True),
        ([REFUSED], False, False),
        ([REFUSED], True, True),
        ([LOST, REFUSED], False, True),
        ([LOST, LOST], False, False),
        ([LoginUnavailable("status", status=503)], False, False),
        ([LoginUnavailable("status", status=503)], True, False),
        ([LOST], True, False),
    ],
    ids=["revoked", "refused", "refused, an earlier life sent it", "refused after a loss", "lost twice", "503", "503 later",
         "lost once more"],
)  # fmt: skip
async def test_a_refresh_token_is_given_up_only_when_it_is_known_to_be_dead(
    answers: list[LoginFailure], was_sent: bool, is_dead: bool
) -> None:
    stage = Stage(entry=replace(STORED, is_sent=was_sent))
    renewal = stage.renewal()
    await stage.fail(renewal, *answers)
    kept = stage.writes[-1]
    assert kept.refresh_token == (None if is_dead else Secret("stored"))
    assert kept.is_sent == (not is_dead and (was_sent or answers[0] is LOST)), "a doubt stays until an answer comes"
    sent = list(stage.sent)
    if is_dead:
        await stage.fail(renewal)
        assert stage.sent == sent, "neither it nor the configuration's, which it came from"
    else:
        await stage.obtain(renewal)
        assert stage.sent == [*sent, "stored"]


async def test_after_a_death_the_configurations_refresh_token_is_sent_once_it_is_another() -> None:
    stage = Stage(entry=STORED)
    renewal = stage.renewal()
    await stage.fail(renewal, FINAL)
    renewal.source = stage.source()
    await stage.fail(renewal)
    renewal.source = stage.source(configured=None)
    await stage.fail(renewal)
    renewal.source = stage.source(configured=Secret("corrected"))
    await stage.obtain(renewal)
    assert stage.sent == ["stored", "corrected"]


async def test_a_refresh_token_that_is_configured_after_the_death_of_a_stored_one_is_sent() -> None:
    """At that time there was none in the configuration."""
    stage = Stage(entry=STORED)
    renewal = stage.renewal(configured=None)
    await stage.fail(renewal, FINAL)
    await stage.fail(renewal)
    renewal.source = stage.source(configured=CONFIGURED)
    await stage.obtain(renewal)
    assert stage.sent == ["stored", "configured"]


async def test_a_death_that_an_earlier_life_saw_is_final_for_what_is_configured() -> None:
    """What the configuration said then is not known any more: it may be the dead one."""
    stage = Stage(entry=replace(STORED, refresh_token=None))
    await stage.fail(stage.renewal())
    assert stage.sent == []


# --- A store that is away -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("is_shared", "can_log_in", "has_rotated", "needs"),
    [(True, False, True, True), (False, False, True, False), (True, True, True, False), (True, False, False, False)],
)
async def test_who_cannot_do_without_the_store(
    is_shared: bool, can_log_in: bool, has_rotated: bool, needs: bool
) -> None:
    """Whoever has nothing but a refresh token that rotated, and that others may have spent meanwhile."""
    stage = Stage()
    renewal = stage.renewal(is_shared=is_shared, can_log_in=can_log_in)
    if has_rotated:
        renewal.found(STORED)
    assert renewal.needs_store is needs


def test_who_never_had_a_refresh_token_needs_no_store_for_it() -> None:
    assert Stage().renewal(configured=None, is_shared=True).needs_store is False


async def test_a_rotated_refresh_token_that_cannot_be_marked_is_not_sent_where_others_may_send_it_too() -> None:
    """The failure says when the store will be tried again."""
    stage = Stage(entry=STORED)
    renewal = stage.renewal(is_shared=True)
    await stage.obtain(renewal)
    assert renewal.needs_store
    stage.is_away = True
    failure = await stage.fail(renewal)
    assert (failure.outcome, failure.cause, failure.retry_after) == ("unavailable", "away", 3.0)
    assert stage.sent == ["stored"]


async def test_what_cannot_be_marked_is_sent_only_where_there_is_no_login_instead() -> None:
    for can_log_in, sent, logins in ((True, [], 1), (False, ["stored"], 0)):
        stage = Stage(entry=STORED, is_away=True)
        await stage.obtain(stage.renewal(can_log_in=can_log_in))
        assert (stage.sent, stage.logins) == (sent, logins)


async def test_who_has_no_refresh_token_left_needs_no_store_for_it() -> None:
    stage = Stage(entry=STORED)
    renewal = stage.renewal(is_shared=True)
    await stage.fail(renewal, FINAL)
    assert not renewal.needs_store


async def test_what_this_process_last_knew_is_used_where_the_store_has_forgotten_it() -> None:
    for found, sent in ((STORED, "stored"), (replace(STORED, refresh_token=None), "configured")):
        stage = Stage()
        renewal = stage.renewal()
        renewal.found(found)
        await stage.obtain(renewal)
        stage.entry = None
        await stage.obtain(renewal)
        assert stage.sent == [sent, "rotated"]
