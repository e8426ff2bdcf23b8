"""How a credential comes to a new token: by the stored refresh token first, then by one full login.

A refresh token that rotates is spent by its use, and a server that sees a spent one takes it for stolen. When no answer
comes, nobody can know whether it is spent: one retry tells. That it is being sent is stored beforehand, so that another
process, or the next life of this one, knows of it.

Where there is a full login, that follows, and the refresh token is never sent again. The configuration's own one is not
even sent once then, since an earlier life may have spent it. Where there is no login, a refresh token is worth nothing
if it is spent, so that more tries lose nothing: they go on at the pace of the back-off until some answer comes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from proxy.clock import Clock
from proxy.secret import Secret
from proxy.tokens.failure import LoginFailure, LoginRefused, LoginUnavailable, Outcome
from proxy.tokens.stores.entry import Entry
from proxy.tokens.stores.store import StoreUnavailable, Turn
from proxy.tokens.token import Grant

Login = Callable[[], Awaitable[Grant]]
Refresh = Callable[[Secret], Awaitable[Grant]]


@dataclass(frozen=True, slots=True)
class Source:
    """How a token is obtained. `initial_refresh_token` is the configuration's, for want of a login; what it rotates to
    replaces it for good. With another one it is another credential, which has an entry of its own in the store.
    """

    login: Login | None = None
    refresh: Refresh | None = None
    initial_refresh_token: Secret | None = None


@dataclass(frozen=True, slots=True)
class Obtained:
    """A grant, and both clocks' readings from before it was asked for: lifetimes count from there.

    `is_adopted` says that it came out of the store, without a login; `follows_rejection` that the one before it had
    just been rejected.
    """

    grant: Grant
    at: float
    wall: float
    is_adopted: bool = False
    follows_rejection: bool = False


class Renewal:
    """Keeps the newest refresh token it knows of; `is_shared`: others may use it, too. `report` is told of requests."""

    def __init__(
        self, source: Source, clock: Clock, report: Callable[[Outcome, float], None], *, is_shared: bool = False
    ) -> None:
        self.source = source
        self.attempts = 0
        self._clock = clock
        self._report = report
        self._is_shared = is_shared
        self._last_known = source.initial_refresh_token
        # What the configuration said when ours proved dead: an older one, or the same.
        self._configured_then: str | None = None

    @property
    def needs_store(self) -> bool:
        """Whether the only way to a token is a refresh token that rotates and that others may have spent meanwhile."""
        configured = self.source.initial_refresh_token
        return self._is_shared and self.source.login is None and self._last_known not in (None, configured)

    def found(self, entry: Entry) -> None:
        """Another process has stored this."""
        self._last_known = entry.refresh_token or self._last_known

    async def obtain(self, turn: Turn, serial: int, *, follows_rejection: bool) -> Obtained:
        """A new grant, stored under this serial before it is returned. Raises LoginFailure or TurnLost.

        Were the access token used and the refresh token that came with it lost, the session could not be renewed.
        """
        held = self._held(turn)
        obtained, held = await self._by_refresh(turn, held)
        if obtained is None:
            if self.source.login is None:
                raise LoginRefused("its refresh token is spent or revoked, and there is nothing else to log in with")
            obtained = await self._attempt(self.source.login)
        await self._keep(turn, replace(self._entry(obtained, held, serial), follows_rejection=follows_rejection))
        return obtained

    def _held(self, turn: Turn) -> Entry:
        """What is stored, its refresh token only if it may be sent."""
        held = turn.entry
        if self.source.login is not None:
            # A store that is away, empty or has forgotten does not say whether anybody has sent it.
            return (
                Entry() if held is None else replace(held, refresh_token=None, is_sent=False) if held.is_sent else held
            )
        if held is None:
            return Entry(refresh_token=self._last_known)
        return held if held.refresh_token is not None else replace(held, refresh_token=self._corrected())

    async def _by_refresh(self, turn: Turn, held: Entry) -> tuple[Obtained | None, Entry]:
        """None if a full login has to follow, and what is held then. Raises LoginFailure if that would not help."""
        refresh, token = self.source.refresh, held.refresh_token
        if refresh is None or token is None or not await self._mark(turn, held):
            return None, held
        try:
            call = self._attempt if held.is_sent else self._twice_if_lost
            return await call(lambda: refresh(token)), held
        except LoginFailure as failure:
            if self.source.login is None:
                await self._keep(turn, self._without_login(held, failure))
                raise
            may_be_spent = failure.outcome == "refused" or failure.is_lost or _says_it_is_broken(failure)
            held = replace(held, refresh_token=None if may_be_spent else token, is_sent=False)
            await self._keep(turn, held)
            if not may_be_spent:
                raise
            return None, held

    async def _mark(self, turn: Turn, held: Entry) -> bool:
        """Whether the refresh token may be sent: only after it is stored that it was, if there is another way.

        Raises LoginUnavailable if there is none, and others would send it again.
        """
        try:
            await turn.write(replace(held, is_sent=True))
        except StoreUnavailable as trouble:
            if self.needs_store:
                raise LoginUnavailable(trouble.cause, retry_after=trouble.retry_after) from None
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
    """Whether an error of the server's own came: before or after it spent the token, and the login may work."""
    return failure.status is not None and failure.status >= 500
