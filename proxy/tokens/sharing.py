"""A new token by turns: from the store if another process, or an earlier life of this one, has left a newer one there,
else by renewing it oneself.

Without its store, an ordinary credential renews on its own account. One whose new token kills the old one does not:
nobody could know whose token lives.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from proxy.clock import Clock
from proxy.tokens.failure import LoginUnavailable
from proxy.tokens.renewal import Obtained, Renewal
from proxy.tokens.stores.entry import Entry
from proxy.tokens.stores.store import ALONE, StoreUnavailable, TokenStore, Turn, TurnLost
from proxy.tokens.token import Grant

MOST_TURNS = 4


class Sharing:
    """`serial` is the highest one that this process has seen of its credential."""

    def __init__(self, key: str, renewal: Renewal, store: TokenStore, clock: Clock) -> None:
        self.serial = 0
        self.renewal = renewal
        self._key = key
        self._store = store
        self._clock = clock

    async def obtain(self, *, single_live: bool, before_login: Callable[[], Awaitable[None]]) -> Obtained:
        """A newer token than the last one. Raises LoginFailure."""
        for _ in range(MOST_TURNS):
            async with AsyncExitStack() as stack:
                turn = await self._turn(stack, single_live)
                newer = self._newer(turn)
                if newer is not None:
                    return newer
                if turn.is_owner:
                    await before_login()
                    try:
                        return await self._renewed(turn)
                    except TurnLost:
                        pass  # What the other process has stored is looked at in the next turn.
        raise LoginUnavailable("other processes log in again and again")

    async def _turn(self, stack: AsyncExitStack, single_live: bool) -> Turn:
        try:
            return await stack.enter_async_context(self._store.turn(self._key, self.serial))
        except StoreUnavailable as trouble:
            if single_live:
                raise LoginUnavailable(trouble.cause, retry_after=trouble.retry_after) from None
            return ALONE

    def _newer(self, turn: Turn) -> Obtained | None:
        entry = turn.entry
        if entry is None or entry.serial <= self.serial:
            return None
        self.serial = entry.serial
        return self._adopted(entry) if entry.is_alive else None

    def _adopted(self, entry: Entry) -> Obtained:
        assert entry.token is not None
        grant = Grant(entry.token, entry.lifetime)
        return Obtained(grant, self._clock.now() - entry.age, self._clock.wall() - entry.age, is_adopted=True)

    async def _renewed(self, turn: Turn) -> Obtained:
        is_first = self.serial == 0
        if turn is ALONE:
            return await self.renewal.obtain(turn, 0, is_first=is_first)
        stored = turn.entry.serial if turn.entry is not None else 0
        # Above all that was seen; and where the store has forgotten everything, still above all that others have seen.
        serial = max(stored + 1, self.serial + 1, int(self._clock.wall() * 1000))
        obtained = await self.renewal.obtain(turn, serial, is_first=is_first)
        self.serial = serial
        return obtained
