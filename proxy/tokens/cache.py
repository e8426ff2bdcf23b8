"""All credentials of a running proxy, and the access tokens that are live.

Access tokens are in an expiry-aware cache, out of which they are swept when their time is over. What must not
be lost (refresh tokens, back-offs, the record of rejections) is in the Credential, which nothing evicts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from math import inf
from random import Random

from cachetools import TLRUCache

from proxy.clock import Clock
from proxy.secret import Secret
from proxy.tokens.credential import Credential, Surroundings
from proxy.tokens.observer import Observer, SilentObserver
from proxy.tokens.renewal import Login, Refresh, Source
from proxy.tokens.token import Token, TokenPolicy


class TokenCache:
    """Owns every Credential, and through it every fetch that is under way."""

    def __init__(self, clock: Clock, observer: Observer | None = None, random: Random | None = None) -> None:
        # There is one entry a credential, so that nothing is ever evicted to make room.
        self._live: TLRUCache[str, Token] = TLRUCache(
            maxsize=inf, ttu=lambda key, token, now: token.expires_at, timer=clock.now
        )
        self._around = Surroundings(clock, observer or SilentObserver(), (random or Random()).random, self._live)
        self._credentials: dict[str, Credential] = {}

    def credential(
        self,
        key: str,
        provider: str,
        policy: TokenPolicy,
        login: Login | None = None,
        refresh: Refresh | None = None,
        initial_refresh_token: Secret | None = None,
    ) -> Credential:
        """The credential of this key; made if there is none, shared if there is.

        Who comes later brings the newer configuration: its policy and its ways to log in replace the older
        ones, while the tokens stay.
        """
        source = Source(login, refresh, initial_refresh_token)
        credential = self._credentials.get(key)
        if credential is None:
            credential = self._credentials[key] = Credential(key, provider, policy, source, self._around)
            return credential
        credential.reconfigure(provider, policy, source)
        return credential

    @property
    def credentials(self) -> Collection[Credential]:
        return self._credentials.values()

    def sweep(self) -> None:
        """Let go of tokens whose time is over; to be called now and then."""
        self._live.expire()

    async def aclose(self) -> None:
        """Give up all fetches."""
        await asyncio.gather(*(credential.aclose() for credential in self._credentials.values()))
