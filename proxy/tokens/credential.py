"""The one owner of one credential: whoever needs its token asks here.

However many wait, one fetch is under way. It belongs to this object, not to the request that began it, and
survives that caller's hanging up. A token serves until its true expiry and never beyond. When it is to be
renewed, judged or given up is decided in `life`, `standing` and `backoff`; here is the waiting and the fetching.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, replace
from typing import Literal

from proxy.clock import Clock
from proxy.errors import CredentialError, CredentialRejected, CredentialUnavailable
from proxy.tokens import life
from proxy.tokens import standing as verdicts
from proxy.tokens.failure import LoginFailure, LoginHeldBack, LoginMalformed, LoginUnavailable, Outcome
from proxy.tokens.holders import Holders
from proxy.tokens.life import Phase, phase, token_from
from proxy.tokens.observer import Observer
from proxy.tokens.renewal import Obtained, Renewal, Source
from proxy.tokens.restraint import Restraint
from proxy.tokens.sharing import Sharing
from proxy.tokens.standing import Standing
from proxy.tokens.stores.store import TokenStore
from proxy.tokens.token import Token, TokenPolicy

State = Literal["ok", "waiting", "refused", "idle"]
Renewed = Literal["renewed", "under_way", "failed", "held_back"]

log = logging.getLogger("authproxy.tokens")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all credentials of a cache share. `random` gives numbers in [0, 1)."""

    clock: Clock
    observer: Observer
    random: Callable[[], float]
    live: MutableMapping[str, Token]


class Credential:
    """Made by `TokenCache.credential` only."""

    def __init__(
        self,
        key: str,
        provider: str,
        policy: TokenPolicy,
        source: Source,
        around: Surroundings,
        store: TokenStore,
    ) -> None:
        self.key = key
        self.providers: tuple[str, ...] = (provider,)
        self.policy = policy
        self._around = around
        self._renewal = Renewal(source, around.clock, self._fetched, is_shared=store.is_shared)
        self._restraint = Restraint(around.clock, around.random, is_shared=store.is_shared)
        self._sharing = Sharing(key, self._renewal, self._restraint, store, around.clock)
        self._standing = Standing()
        self._flight: asyncio.Task[None] | None = None
        self._holders = Holders()
        # The live token, once it was seen to be fresh: most requests find it so again.
        self._fresh: Token | None = None
        # When a token was last obtained, in seconds since the epoch; None before the first.
        self.obtained_at: float | None = None

    # --- What a scheme calls ----------------------------------------------------------------------------

    def ready(self) -> Token | None:
        """The live token, at once; None if it takes a fetch. One that is due is renewed behind the caller's back."""
        around, token = self._around, self._fresh
        if token is not None and life.is_surely_fresh(token, around.clock.now(), around.clock.wall()):
            around.observer.hit(self.providers[0])
            return token
        token, phase_now = self._looked_up()
        self._fresh = token if phase_now is Phase.FRESH else None
        if token is None or phase_now is Phase.EXPIRED:
            return None
        if phase_now is Phase.DUE and self._may_renew_ahead():
            if self.policy.single_live:
                return None
            self._fetch()
        self._around.observer.hit(self.providers[0])
        return token

    async def token(self) -> Token:
        """A live token, fetched if need be. Raises CredentialUnavailable or CredentialRejected."""
        token = self.ready()
        if token is not None:
            return token
        if self._flight is not None or self._restraint.allows_turn:
            await self._wait_for(self._fetch())
        token = self._live_token()
        if token is None:
            raise self._trouble()
        return token

    def was_accepted(self, generation: int) -> bool:
        """Whether an answer showed already that this token is alive, as far as this is the current one."""
        return self._standing.was_accepted and self._standing.generation == generation

    def accepted(self, generation: int) -> None:
        """An answer showed that this token is alive."""
        self._standing = verdicts.accepted(self._standing, generation)

    def rejected(self, generation: int) -> bool:
        """An answer said that this token died; whether a replay with what token() gives next may do better."""
        before, now = self._standing, self._around.clock.now()
        token = self._around.live.get(self.key)
        is_at_its_end = token is not None and life.is_at_its_end(token, now)
        verdict, self._standing = verdicts.rejected(before, generation, now, is_at_its_end=is_at_its_end)
        if self._standing.cool_until > before.cool_until:
            log.warning(
                "provider %s: it refuses tokens that were just obtained: callers get its answers as they are, and no "
                "login follows one for %.0f s; the account may lack a right, or somebody else log in with it",
                self.providers[0],
                self._standing.cool_until - now,
                extra={"provider": self.providers[0]},
            )
        if verdict.drop:
            self.discard()
            self._holders.dismiss()
        if verdict.replay:
            self._around.observer.retried(self.providers[0], "dropped" if verdict.drop else "superseded")
        return verdict.replay

    def lent(self, generation: int) -> None:
        """A request is about to go out with this token; to be told where a new one would kill it."""
        self._holders.add(generation)

    def returned(self, generation: int) -> None:
        """The vendor has judged that request, or never will. Once for each lent()."""
        self._holders.remove(generation)

    def discard(self) -> None:
        """Forget the token, because it died or what it was made from has changed."""
        self._fresh = None
        self._around.live.pop(self.key, None)

    def let_go(self) -> None:
        """Keep nothing of a token that the cache has let go of."""
        if self.key not in self._around.live:
            self._fresh = None

    def reconfigure(self, provider: str, policy: TokenPolicy, source: Source) -> None:
        """Take a newer configuration's policy and ways to log in, and one more name; the token stays."""
        self.policy = policy
        self._renewal.source = source
        if provider not in self.providers:
            self.providers += (provider,)

    def forgive(self) -> None:
        """Let the next login after a refusal not wait: somebody says that it was mended, perhaps at the vendor's."""
        self._restraint.forgive()

    async def renew(self, seconds: float) -> Renewed:
        """Obtain a new token because a person says so, which ends the pause after a refusal; and wait for it so long.

        A login endpoint that asked for time, or is in trouble, gets it all the same.
        """
        self.forgive()
        if self._flight is None and not self._restraint.allows_turn:
            return "held_back"
        before = self._standing.generation
        _, unfinished = await asyncio.wait((self._fetch(),), timeout=seconds)
        if unfinished:
            return "under_way"
        return "renewed" if self._standing.generation > before else "failed"

    def leave(self) -> asyncio.Task[None] | None:
        """Belong to no configuration any more; who still uses it keeps it, and its token, to himself.

        Returns the fetch that is under way, if there is one.
        """
        token = self._around.live.pop(self.key, None)
        self._around = replace(self._around, live={} if token is None else {self.key: token})
        return self._flight

    # --- What readiness and the status page ask ---------------------------------------------------------

    @property
    def state(self) -> State:
        """`ok` serves, `idle` has not been needed, `waiting` has no token yet, `refused` will not get one."""
        if self._live_token() is not None:
            return "ok"
        outcome = self._restraint.backoff.outcome
        if outcome == "refused":
            return "refused"
        return "idle" if outcome == "ok" and self._flight is None else "waiting"

    @property
    def generation(self) -> int:
        """The number of the current token; 0 before the first."""
        return self._standing.generation

    @property
    def expires_at(self) -> float | None:
        """When the live token expires, in seconds since the epoch; inf is never, None is no token."""
        token = self._live_token()
        return None if token is None else self._around.clock.wall() + token.expires_at - self._around.clock.now()

    @property
    def span(self) -> tuple[float, float] | None:
        """Seconds since the live token was obtained, and until it is due for renewal; None without one."""
        token, now = self._live_token(), self._around.clock.now()
        return None if token is None else (now - token.obtained_at, token.refresh_at - now)

    @property
    def last_error(self) -> str | None:
        """What the last attempt failed of, in one of our own words; None after a success."""
        return self._restraint.backoff.cause

    @property
    def next_attempt_in(self) -> float | None:
        """Seconds until the next attempt may be made; None if none has failed or it may be made at once."""
        backoff = self._restraint.backoff
        seconds = backoff.until - self._around.clock.now()
        return seconds if backoff.outcome != "ok" and seconds > 0 else None

    @property
    def refusals_left(self) -> int:
        """How many more logins may be refused before none is tried until the hour is over."""
        return self._restraint.backoff.refusals_left(self._around.clock.now())

    @property
    def fetches(self) -> int:
        """How many requests were made to the login endpoint, or tokens minted."""
        return self._renewal.attempts

    # --- Fetching ---------------------------------------------------------------------------------------

    def _looked_up(self) -> tuple[Token | None, Phase]:
        try:
            # Faster than get(), which looks the key up twice.
            token = self._around.live[self.key]
        except KeyError:
            return None, Phase.EXPIRED
        clock = self._around.clock
        return token, phase(token, clock.now(), clock.wall())

    def _live_token(self) -> Token | None:
        token, phase_now = self._looked_up()
        return None if phase_now is Phase.EXPIRED else token

    def _may_renew_ahead(self) -> bool:
        return self._restraint.allows_turn and not self._standing.is_cooling(self._around.clock.now())

    def _fetch(self) -> asyncio.Task[None]:
        if self._flight is None:
            self._flight = asyncio.get_running_loop().create_task(self._renew(), name="authproxy token fetch")
            self._flight.add_done_callback(self._landed)
        return self._flight

    async def _wait_for(self, flight: asyncio.Task[None]) -> None:
        observer, provider = self._around.observer, self.providers[0]
        observer.missed(provider)
        observer.waiting(provider, +1)
        try:
            # Unlike awaiting the task, this leaves it alone when the caller is cancelled.
            await asyncio.wait((flight,))
        finally:
            observer.waiting(provider, -1)

    def _landed(self, flight: asyncio.Task[None]) -> None:
        self._flight = None
        if not flight.cancelled() and (error := flight.exception()) is not None:
            # A fault of ours. It must not become a storm of logins, and its text may hold anything.
            self._gave_up(LoginUnavailable(type(error).__name__))

    async def _renew(self) -> None:
        had_failed = self._restraint.backoff.outcome != "ok"
        try:
            obtained = await self._sharing.obtain(
                single_live=self.policy.single_live,
                follows_rejection=verdicts.follows_rejection(self._standing, self._around.clock.now()),
                before_login=self._let_holders_end,
            )
        except LoginHeldBack as failure:
            if not had_failed:
                self._tell(failure)
        except LoginFailure as failure:
            self._tell(failure)
        else:
            self._publish(obtained)

    async def _let_holders_end(self) -> None:
        """Where a login kills the live token, wait for the requests that go with it; until its expiry at the most."""
        token = self._live_token() if self.policy.single_live else None
        if token is not None:
            await self._holders.gone(token.generation, token.expires_at - self._around.clock.now())

    def _fetched(self, outcome: Outcome, seconds: float) -> None:
        self._around.observer.fetched(self.providers[0], outcome, seconds)

    def _publish(self, obtained: Obtained) -> None:
        clock = self._around.clock
        generation = self._standing.generation + 1
        token = token_from(
            obtained.grant,
            generation,
            self.policy,
            obtained_at=obtained.at,
            obtained_wall=obtained.wall,
            jitter=self._around.random(),
        )
        if phase(token, clock.now(), clock.wall()) is Phase.EXPIRED:
            self._gave_up(LoginMalformed("the token had expired when it arrived"))
            return
        now, follows = clock.now(), obtained.follows_rejection
        if obtained.is_adopted:
            self._standing = verdicts.adopted(self._standing, now, follows_rejection=follows)
            self._around.observer.adopted(self.providers[0])
        else:
            self._standing = verdicts.renewed(self._standing, now)
        if self._restraint.backoff.outcome != "ok":
            log.info("provider %s: there is a token again", self.providers[0], extra={"provider": self.providers[0]})
        self._restraint.succeeded()
        self._fresh = None
        self._around.live[self.key] = token
        self.obtained_at = obtained.wall

    def _gave_up(self, failure: LoginFailure) -> None:
        self._restraint.failed(failure)
        self._tell(failure)

    def _tell(self, failure: LoginFailure) -> None:
        backoff = self._restraint.backoff
        log.warning(
            "provider %s: no new token: %s; %snext attempt in %.1f s; `authproxy test %s` says more",
            self.providers[0],
            failure.cause,
            "check its secrets and its login in the configuration; " if backoff.outcome == "refused" else "",
            backoff.until - self._around.clock.now(),
            self.providers[0],
            extra={"provider": self.providers[0], "outcome": backoff.outcome, "status": failure.status},
        )

    def _trouble(self) -> CredentialError:
        backoff = self._restraint.backoff
        if backoff.outcome == "refused":
            return CredentialRejected()
        return CredentialUnavailable(retry_after=backoff.retry_after(self._around.clock.now()))

    async def aclose(self) -> None:
        """Give up a fetch that is under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait((self._flight,))
