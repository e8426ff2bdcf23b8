"""A new token by turns: from the store if another process, or an earlier life of this one, has left a newer one there,
else by renewing it oneself.

Without its store, an ordinary credential renews on its own account. One whose new token kills the old one does not,
since nobody could know whose token lives; nor does one that has nothing but a refresh token that rotates.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from proxy.clock import Clock
from proxy.tokens.failure import LoginFailure, LoginHeldBack, LoginUnavailable
from proxy.tokens.renewal import Obtained, Renewal
from proxy.tokens.restraint import Restraint
from proxy.tokens.stores.entry import Entry
from proxy.tokens.stores.store import ALONE, StoreTrouble, StoreUnavailable, TokenStore, Turn, TurnLost
from proxy.tokens.token import Grant

MOST_TURNS = 4
# Two processes that lose their tokens within so many seconds lose them for the same reason.
SAME_INCIDENT = 5.0


class Sharing:
    """`serial` is the highest one that this process has seen of its credential."""

    def __init__(self, key: str, renewal: Renewal, restraint: Restraint, store: TokenStore, clock: Clock) -> None:
        self.serial = 0
        self.renewal = renewal
        self.restraint = restraint
        self._key = key
        self._store = store
        self._clock = clock

    async def obtain(
        self, *, single_live: bool, follows_rejection: bool, before_login: Callable[[], Awaitable[None]]
    ) -> Obtained:
        """A newer token than the last one. Raises LoginFailure, after it was counted and noted in the store.

        `follows_rejection` says that the last one was rejected, rather than that it is over.
        """
        for _ in range(MOST_TURNS):
            async with AsyncExitStack() as stack:
                turn = ALONE
                try:
                    turn = await self._turn(stack, single_live)
                    obtained = await self._in_turn(turn, follows_rejection, before_login)
                except LoginHeldBack:
                    raise
                except LoginFailure as failure:
                    await self._failed(failure, turn)
                    raise
                if obtained is not None:
                    return obtained
        restless = LoginUnavailable("other processes log in again and again")
        await self._failed(restless, ALONE)
        raise restless

    async def _turn(self, stack: AsyncExitStack, single_live: bool) -> Turn:
        try:
            return await stack.enter_async_context(self._store.turn(self._key, self.serial))
        except StoreUnavailable as trouble:
            if single_live or self.renewal.needs_store:
                raise LoginUnavailable(trouble.cause, retry_after=trouble.retry_after) from None
            return ALONE

    async def _in_turn(
        self, turn: Turn, follows_rejection: bool, before_login: Callable[[], Awaitable[None]]
    ) -> Obtained | None:
        """None if another turn has to be taken."""
        newer = self._newer(turn)
        if newer is not None or not turn.is_owner:
            return newer
        self.restraint.hear(turn.setback)
        if self.restraint.forbids_login:
            raise LoginHeldBack(self.restraint.backoff.cause or "too early after the last attempt")
        await before_login()
        try:
            return await self._renewed(turn, follows_rejection)
        except TurnLost:
            return None  # What the other process has stored is looked at in the next turn.

    async def _failed(self, failure: LoginFailure, turn: Turn) -> None:
        text = self.restraint.failed(failure)
        try:
            if turn.is_owner:
                await turn.note(text)
        except StoreTrouble:
            pass  # The store tells of it; who has the next turn does not know, and tries once more.

    def _newer(self, turn: Turn) -> Obtained | None:
        entry = turn.entry
        if entry is None or entry.serial <= self.serial:
            return None
        self.serial = entry.serial
        self.renewal.found(entry)
        return self._adopted(entry) if entry.is_alive else None

    def _adopted(self, entry: Entry) -> Obtained:
        assert entry.token is not None
        return Obtained(
            Grant(entry.token, entry.lifetime),
            self._clock.now() - entry.age,
            self._clock.wall() - entry.age,
            is_adopted=True,
            follows_rejection=entry.follows_rejection and entry.age < SAME_INCIDENT,
        )

    async def _renewed(self, turn: Turn, follows_rejection: bool) -> Obtained:
        if turn is ALONE:
            return await self.renewal.obtain(turn, 0, follows_rejection=follows_rejection)
        stored = turn.entry.serial if turn.entry is not None else 0
        # Above all that was seen; and where the store has forgotten everything, still above all that others have seen.
        serial = max(stored + 1, self.serial + 1, int(self._clock.wall() * 1000))
        obtained = await self.renewal.obtain(turn, serial, follows_rejection=follows_rejection)
        self.serial = serial
        return obtained
