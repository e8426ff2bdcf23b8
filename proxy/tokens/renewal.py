"""How a credential comes to a new token: by the stored refresh token first, then by one full login.

A refresh token that rotates is spent by its use. When the answer is lost, the server may have spent it or not:
one more try tells. After that it is not sent again, since a server that detects reuse would revoke the session. That
it is being sent is stored beforehand, so that this holds over the end of a process, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from proxy.clock import Clock
from proxy.secret import Secret
from proxy.tokens.failure import LoginFailure, LoginRefused, Outcome
from proxy.tokens.stores.entry import Entry
from proxy.tokens.stores.store import ALONE, StoreUnavailable, Turn
from proxy.tokens.token import Grant

Login = Callable[[], Awaitable[Grant]]
Refresh = Callable[[Secret], Awaitable[Grant]]


@dataclass(frozen=True, slots=True)
class Source:
    """How a token is obtained. `initial_refresh_token` is the configuration's; a rotated one replaces it for good.

    A configuration with another one is another credential, with an entry of its own in the store.
    """

    login: Login | None = None
    refresh: Refresh | None = None
    initial_refresh_token: Secret | None = None


@dataclass(frozen=True, slots=True)
class Obtained:
    """A grant, and both clocks' readings from before it was asked for: lifetimes count from there.

    `is_adopted` says that it came out of the store, without a login.
    """

    grant: Grant
    at: float
    wall: float
    is_adopted: bool = False


class Renewal:
    """Keeps nothing but the newest refresh token it knows of. `report` is told of every request, with its seconds."""

    def __init__(self, source: Source, clock: Clock, report: Callable[[Outcome, float], None]) -> None:
        self.source = source
        self.attempts = 0
        self._clock = clock
        self._report = report
        self._last_known = source.initial_refresh_token
        # What the configuration said when ours proved dead: an older one, or the same.
        self._configured_then: str | None = None

    async def obtain(self, turn: Turn, serial: int, *, is_first: bool) -> Obtained:
        """A new grant, stored under this serial before it is returned. Raises LoginFailure or TurnLost.

        `is_first` says that this process has neither stored nor found anything yet.

        Were the access token used and the refresh token that came with it lost, the session could not be renewed.
        """
        held = self._held(turn, is_first)
        obtained, held = await self._by_refresh(turn, held)
        if obtained is None:
            if self.source.login is None:
                raise LoginRefused("its refresh token is spent or revoked, and there is nothing else to log in with")
            obtained = await self._attempt(self.source.login)
        await self._keep(turn, self._entry(obtained, held, serial))
        return obtained

    def _held(self, turn: Turn, is_first: bool) -> Entry:
        """What is stored, its refresh token only if it may be sent."""
        held = turn.entry
        if held is None and is_first and turn is not ALONE:
            held = Entry(refresh_token=self.source.initial_refresh_token)
        elif held is None:
            # The store is away or has forgotten: others may have spent it. Without a login there is nothing to lose.
            held = Entry(refresh_token=None if self.source.login is not None else self._last_known)
        if held.refresh_token is None:
            held = replace(held, refresh_token=self._corrected())
        if held.is_sent and self.source.login is not None:
            return replace(held, refresh_token=None, is_sent=False)
        return held

    async def _by_refresh(self, turn: Turn, held: Entry) -> tuple[Obtained | None, Entry]:
        """None if a full login has to follow, and what is held then. Raises LoginFailure if that would not help."""
        refresh, token = self.source.refresh, held.refresh_token
        if refresh is None or token is None or not await self._mark(turn, held):
            return None, held
        try:
            return await self._twice_if_lost(lambda: refresh(token)), held
        except LoginFailure as failure:
            is_spent = failure.outcome == "refused" or failure.is_lost
            if self.source.login is None:
                await self._keep(turn, self._without_login(held, failure))
                raise
            held = replace(held, refresh_token=None if is_spent else token, is_sent=False)
            await self._keep(turn, held)
            if not is_spent and not _says_it_is_broken(failure):
                raise
            return None, held

    async def _mark(self, turn: Turn, held: Entry) -> bool:
        """Whether the refresh token may be sent: only after it is stored that it was, if there is another way."""
        try:
            await turn.write(replace(held, is_sent=True))
        except StoreUnavailable:
            return self.source.login is None
        return True

    async def _keep(self, turn: Turn, entry: Entry) -> None:
        self._last_known = entry.refresh_token
        try:
            await turn.write(entry)
        except StoreUnavailable:
            pass  # The store tells of it, and the request goes on.

    def _entry(self, obtained: Obtained, held: Entry, serial: int) -> Entry:
        grant = obtained.grant
        return Entry(
            serial=serial,
            # What our own clock is written into means nothing to another.
            token=None if grant.is_dated else grant.token,
            lifetime=grant.lifetime,
            age=self._clock.now() - obtained.at,
            refresh_token=grant.refresh_token or held.refresh_token,
        )

    def _without_login(self, held: Entry, failure: LoginFailure) -> Entry:
        """What is kept of a refresh token that failed, if there is nothing else: it, until it is known to be dead.

        Then neither it is sent again nor the configuration's, which it came from, until that one changes.
        """
        # Refused after an answer to it was lost, in this life or in an earlier one: it had been taken then.
        if isinstance(failure, LoginRefused) and (failure.is_final or failure.is_lost or held.is_sent):
            configured = self.source.initial_refresh_token
            self._configured_then = configured.reveal() if configured is not None else ""
            return replace(held, refresh_token=None, is_sent=False)
        return replace(held, is_sent=held.is_sent or failure.is_lost)

    def _corrected(self) -> Secret | None:
        configured = self.source.initial_refresh_token
        if configured is None or self._configured_then is None or configured.reveal() == self._configured_then:
            return None
        return configured

    async def _twice_if_lost(self, call: Login) -> Obtained:
        try:
            return await self._attempt(call)
        except LoginFailure as failure:
            if not failure.is_lost:
                raise
        try:
            return await self._attempt(call)
        except LoginFailure as failure:
            # Whatever befell the second request, the first may have spent the token.
            failure.is_lost = True
            raise

    async def _attempt(self, call: Login) -> Obtained:
        began, wall = self._clock.now(), self._clock.wall()
        self.attempts += 1
        try:
            grant = await call()
        except LoginFailure as failure:
            self._report(failure.outcome, self._clock.now() - began)
            raise
        self._report("ok", self._clock.now() - began)
        return Obtained(grant, began, wall)


def _says_it_is_broken(failure: LoginFailure) -> bool:
    """Whether the endpoint answered with an error of its own: the refresh may be broken where the login is not."""
    return failure.status is not None and failure.status >= 500
