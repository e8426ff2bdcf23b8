"""All credentials of a running proxy, and the access tokens that are live.

Access tokens are in an expiry-aware cache, out of which they are swept when their time is over. What must not
be lost (refresh tokens, back-offs, the record of rejections) is in the Credential, which nothing evicts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from math import inf
from random import Random

from cachetools import TLRUCache

from proxy.clock import Clock
from proxy.secret import Secret
from proxy.tokens.credential import Credential, Surroundings
from proxy.tokens.observer import Observer, SilentObserver
from proxy.tokens.renewal import Login, Refresh, Source
from proxy.tokens.stores.store import MemoryStore, TokenStore
from proxy.tokens.token import Token, TokenPolicy


class TokenCache:
    """Owns every Credential, and through it every fetch that is under way."""

    def __init__(
        self,
        clock: Clock,
        observer: Observer | None = None,
        random: Random | None = None,
        store: TokenStore | None = None,
    ) -> None:
        # There is one entry a credential, so that nothing is ever evicted to make room.
        self._live: TLRUCache[str, Token] = TLRUCache(
            maxsize=inf, ttu=lambda key, token, now: token.expires_at, timer=clock.now
        )
        self._around = Surroundings(clock, observer or SilentObserver(), (random or Random()).random, self._live)
        self._memory = MemoryStore()
        self.store = store or self._memory
        self._credentials: dict[str, Credential] = {}
        self._last_flights: set[asyncio.Task[None]] = set()

    def credential(
        self,
        key: str,
        provider: str,
        policy: TokenPolicy,
        login: Login | None = None,
        refresh: Refresh | None = None,
        initial_refresh_token: Secret | None = None,
        is_minted: bool = False,
    ) -> Credential:
        """The credential of this key; made if there is none, shared if there is. A minted one needs no store.

        Who comes later brings the newer configuration: its policy and its ways to log in replace the older
        ones, while the tokens stay.
        """
        source = Source(login, refresh, initial_refresh_token)
        credential = self._credentials.get(key)
        if credential is None:
            store = self._memory if is_minted else self.store
            credential = self._credentials[key] = Credential(key, provider, policy, source, self._around, store)
            return credential
        credential.reconfigure(provider, policy, source)
        return credential

    def retain(self, wanted: Mapping[str, tuple[str, ...]]) -> None:
        """Keep the credentials of these keys, for the providers of these names, and let go of all others.

        Requests that still use one of the others end with what they began with.
        """
        for key, credential in list(self._credentials.items()):
            if key in wanted:
                credential.providers = wanted[key]
            else:
                del self._credentials[key]
                for store in (self._memory, self.store):
                    store.retire(key)
                flight = credential.leave()
                if flight is not None:
                    self._last_flights.add(flight)
                    flight.add_done_callback(self._last_flights.discard)

    def forgive(self) -> None:
        """Somebody says that what was refused is mended: the next logins need not wait."""
        for credential in self._credentials.values():
            credential.forgive()

    def retried(self, provider: str, reason: str) -> None:
        """A request or a login of this provider is worth one more attempt, for a reason that is not its token's."""
        self._around.observer.retried(provider, reason)

    @property
    def credentials(self) -> Collection[Credential]:
        return self._credentials.values()

    def sweep(self) -> None:
        """Let go of tokens whose time is over, and write what a store could not; to be called now and then."""
        self._live.expire()
        for credential in self._credentials.values():
            credential.let_go()
        self.store.tend()

    async def aclose(self) -> None:
        """Give up all fetches, and let go of the store."""
        for flight in self._last_flights:
            flight.cancel()
        await asyncio.gather(*self._last_flights, return_exceptions=True)
        await asyncio.gather(*(credential.aclose() for credential in self._credentials.values()))
        await self.store.aclose()
