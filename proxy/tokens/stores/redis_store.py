"""Tokens in Redis, for any number of replicas: one of them logs in, the others take over what it got.

The right to log in is a lease, renewed for as long as the login takes, so that it neither ends too early nor outlasts a
dead owner by more than its length. An owner that was held up and comes back late writes nothing any more. Redis is
asked when a token is needed, never for a request that has one; no answer is waited for longer than a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import random
from secrets import token_hex
from typing import Any

from proxy.tokens.failure import LoginUnavailable
from proxy.tokens.observer import StoreObserver
from proxy.tokens.stores import redis_scripts as scripts
from proxy.tokens.stores.access import StoreAccess
from proxy.tokens.stores.address import RedisAddress
from proxy.tokens.stores.entry import Entry, from_text, to_text
from proxy.tokens.stores.health import StoreHealth
from proxy.tokens.stores.redis_calls import RedisCalls
from proxy.tokens.stores.sealing import Broken, OtherKey, Seal
from proxy.tokens.stores.store import SETBACK_KEPT, Setback, StoreUnavailable, Turn, TurnLost

PREFIX = "authproxy:"
KEY_NAME = PREFIX + "key"
LEASE = 6.0
# Longer than a login may take. The owner may need more, and is left alone; but nobody waits for it any longer.
LONGEST_WAIT = 35.0
FIRST_LOOK, LATER_LOOKS = 0.02, 0.25

OTHER_KEY = f"it was written with another key; delete {KEY_NAME} there if the key was changed on purpose"


class RedisStore:
    """Connects when it is needed. `lease` and `longest_wait` are in seconds."""

    kind = "redis"
    is_shared = True

    def __init__(
        self,
        address: RedisAddress,
        access: StoreAccess,
        seal: Seal,
        observer: StoreObserver,
        *,
        lease: float = LEASE,
        longest_wait: float = LONGEST_WAIT,
    ) -> None:
        self._seal = seal
        self._health = StoreHealth(self.kind, observer)
        self._lease = lease
        self._longest_wait = longest_wait
        self._redis = RedisCalls(address, access, self._health)

    @property
    def trouble(self) -> str | None:
        return self._health.trouble

    @asynccontextmanager
    async def turn(self, key: str, after: int) -> AsyncIterator[Turn]:
        name, owner = self._seal.name(key), token_hex(8)
        keeper: asyncio.Task[None] | None = None
        try:
            turn = await self._take(name, owner, after)
            if turn.is_owner:
                keeper = asyncio.create_task(self._keep(name, owner), name="authproxy lease")
            yield turn
        except asyncio.CancelledError:
            # It may have been granted all the same, and the answer was not read.
            await self._release(name, owner)
            raise
        finally:
            if keeper is not None:
                keeper.cancel()
                await asyncio.wait((keeper,))
                await self._release(name, owner)

    def retire(self, key: str) -> None:
        """It may come back."""

    def tend(self) -> None:
        """What could not be written is not written later: by then another replica may have."""

    async def aclose(self) -> None:
        await self._redis.aclose()

    # --- Turns ------------------------------------------------------------------------------------------

    async def _take(self, name: str, owner: str, after: int) -> Turn:
        loop = asyncio.get_running_loop()
        ends, pause = loop.time() + self._longest_wait, FIRST_LOOK
        while True:
            verdict, serial, *rest = await self._begin(name, owner, after)
            if verdict != "held":
                entry, setback = self._entry(name, serial, *rest[:2]), self._setback(name, *rest[2:])
                return self._turn(name, owner, verdict == "owner", entry, setback)
            if loop.time() > ends:
                raise LoginUnavailable("another replica is still logging in")
            await asyncio.sleep(pause * (0.5 + random() / 2))
            pause = min(pause * 1.5, LATER_LOOKS)

    async def _begin(self, name: str, owner: str, after: int) -> tuple[Any, ...]:
        """The verdict, the entry's serial, what is sealed in it, its age in ms; the last two for the setback, too."""
        keys = (*_keys(name), KEY_NAME)
        answer = await self._redis.call("read", scripts.BEGIN, keys, owner, _ms(self._lease), after, self._seal.key_id)
        verdict, serial, *rest = answer
        if verdict == b"other key":
            self._health.failed("read", OTHER_KEY)
            raise StoreUnavailable(f"the token store cannot be used: {OTHER_KEY}")
        self._health.worked()
        return verdict.decode(), serial.decode(), *rest

    def _turn(self, name: str, owner: str, is_owner: bool, entry: Entry | None, setback: Setback | None) -> Turn:
        async def write(entry: Entry) -> None:
            # The serial outside, which Redis compares, is the one inside: the name that it is bound to has both.
            sealed = self._seal.seal(to_text(entry), _bound(name, str(entry.serial)))
            arguments = (owner, entry.serial, _ms(entry.age), sealed, _ms(entry.seconds_to_keep))
            if not await self._redis.call("write", scripts.WRITE, _keys(name), *arguments):
                raise TurnLost("another replica has taken over")

        async def note(text: str) -> None:
            arguments = (owner, self._seal.seal(text, _bound(name, "setback")), _ms(SETBACK_KEPT))
            if not await self._redis.call("write", scripts.NOTE, _keys(name)[1:], *arguments):
                raise TurnLost("another replica has taken over")

        return Turn(entry, is_owner, write, setback, note)

    def _entry(self, name: str, serial: str, sealed: bytes, age: int) -> Entry | None:
        if not serial:
            return None
        try:
            return from_text(self._seal.open(sealed, _bound(name, serial)), max(age, 0) / 1000)
        except (Broken, OtherKey, ValueError):
            # Nothing is known but that there was something; the next login replaces it.
            self._health.failed("read", "an entry in it is broken")
            return Entry(serial=int(serial))

    def _setback(self, name: str, sealed: bytes, age: int) -> Setback | None:
        try:
            return Setback(self._seal.open(sealed, _bound(name, "setback")).decode(), age / 1000) if sealed else None
        except (Broken, OtherKey):
            self._health.failed("read", "an entry in it is broken")
            return None

    async def _keep(self, name: str, owner: str) -> None:
        """Renew the lease until it is lost, or nobody needs it any more."""
        is_ours = True
        while is_ours:
            await asyncio.sleep(self._lease / 3)
            try:
                is_ours = bool(
                    await self._redis.call("lease", scripts.RENEW, _keys(name)[1:2], owner, _ms(self._lease))
                )
            except StoreUnavailable:
                pass  # Away for a moment, perhaps; if for longer, another replica takes over.

    async def _release(self, name: str, owner: str) -> None:
        try:
            await self._redis.call("lease", scripts.RELEASE, _keys(name)[1:2], owner)
        except StoreUnavailable:
            pass  # It ends by itself.


def _keys(name: str) -> tuple[str, str, str]:
    return f"{PREFIX}{{{name}}}:entry", f"{PREFIX}{{{name}}}:lease", f"{PREFIX}{{{name}}}:setback"


def _bound(name: str, serial: str) -> str:
    return f"{name}:{serial}"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
