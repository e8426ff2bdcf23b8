"""How a credential comes to a new token: by the stored refresh token first, then by one full login.

A refresh token that rotates is spent by its use. When the answer is lost, the server may have spent it or not:
one more try tells. After that it is not sent again, since a server that detects reuse would revoke the session.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from proxy.clock import Clock
from proxy.secret import Secret
from proxy.tokens.failure import LoginFailure, LoginRefused, Outcome
from proxy.tokens.token import Grant

Login = Callable[[], Awaitable[Grant]]
Refresh = Callable[[Secret], Awaitable[Grant]]


@dataclass(frozen=True, slots=True)
class Source:
    """How a token is obtained. `initial_refresh_token` is the configuration's; a rotated one replaces it."""

    login: Login | None = None
    refresh: Refresh | None = None
    initial_refresh_token: Secret | None = None


@dataclass(frozen=True, slots=True)
class Obtained:
    """A grant, and both clocks' readings from before it was asked for: lifetimes count from there."""

    grant: Grant
    at: float
    wall: float


class Renewal:
    """Keeps the refresh token. `report` is told of every single request, with its seconds."""

    def __init__(self, source: Source, clock: Clock, report: Callable[[Outcome, float], None]) -> None:
        self.source = source
        self.attempts = 0
        self._clock = clock
        self._report = report
        self._refresh_token = source.initial_refresh_token
        # What the configuration said when ours proved dead: an older one, or the same.
        self._configured_then: str | None = None

    async def obtain(self) -> Obtained:
        """A new grant. Raises LoginFailure.

        A new refresh token is stored before this returns: were the access token used and the other one lost, the
        session could not be renewed.
        """
        obtained = await self._by_refresh()
        if obtained is None:
            if self.source.login is None:
                raise LoginRefused("its refresh token is spent or revoked, and there is nothing else to log in with")
            obtained = await self._attempt(self.source.login)
        if obtained.grant.refresh_token is not None:
            self._refresh_token = obtained.grant.refresh_token
        return obtained

    async def _by_refresh(self) -> Obtained | None:
        """None if a full login has to follow. Raises LoginFailure if that is impossible or would not help."""
        refresh, token = self.source.refresh, self._refresh_token or self._corrected()
        if refresh is None or token is None:
            return None
        try:
            return await self._twice_if_lost(lambda: refresh(token))
        except LoginFailure as failure:
            is_spent = failure.outcome == "refused" or failure.is_lost
            if self.source.login is None:
                self._refresh_token = token
                if _is_dead(failure):
                    self._give_up()
                raise
            if not is_spent and not _says_it_is_broken(failure):
                raise
            self._refresh_token = None if is_spent else token
            return None

    def _give_up(self) -> None:
        """Never send this refresh token again, nor the configuration's, which it came from, until that one changes."""
        configured = self.source.initial_refresh_token
        self._refresh_token = None
        self._configured_then = configured.reveal() if configured is not None else ""

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


def _is_dead(failure: LoginFailure) -> bool:
    """Whether the server said that a refresh token is dead, or refused one that it may have taken before."""
    return isinstance(failure, LoginRefused) and (failure.is_final or failure.is_lost)


def _says_it_is_broken(failure: LoginFailure) -> bool:
    """Whether the endpoint answered with an error of its own: the refresh may be broken where the login is not."""
    return failure.status is not None and failure.status >= 500
