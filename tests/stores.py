"""Token stores for tests: an observer, and a life of the proxy's token cache upon a store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.secret import Secret
from proxy.tokens.cache import TokenCache
from proxy.tokens.credential import Credential
from proxy.tokens.failure import LoginFailure, LoginRefused, LoginUnavailable
from proxy.tokens.stores.file_store import FileStore
from proxy.tokens.stores.sealing import Seal
from proxy.tokens.stores.store import TokenStore
from proxy.tokens.token import Grant, TokenPolicy
from tests.clock import FakeClock
from tests.login_endpoint import SteadyRandom
from tests.vendors import canary

KEY_TEXT = canary("store key")
# Deriving it takes its time, on purpose.
SEAL = Seal(KEY_TEXT)
OTHER_SEAL = Seal(canary("another store key"))


@dataclass
class StoreWitness:
    """An observer that writes down what failed."""

    failures: list[str] = field(default_factory=list)
    works: bool = True

    def begin(self, store: str) -> None:
        self.works = True

    def failed(self, store: str, operation: str) -> None:
        self.works = False
        self.failures.append(operation)

    def worked(self, store: str) -> None:
        self.works = True


def file_store(
    path: Path, clock: FakeClock, *, seal: Seal = SEAL, witness: StoreWitness | None = None, **rest: Any
) -> FileStore:
    return FileStore(path, seal, clock, witness or StoreWitness(), **rest)


@dataclass
class RotatingVendor:
    """Logs in and restores; each refresh token works once, and one that comes back is an offence.

    `before` runs when a request has arrived and is not yet judged, `after` when it was and its answer is under way.
    With a `failure` no login succeeds.
    """

    clock: FakeClock
    lifetime: float = 100.0
    rotates: bool = True
    logins: int = 0
    sent: list[str] = field(default_factory=list)
    offences: list[str] = field(default_factory=list)
    valid: set[str] = field(default_factory=lambda: {"refresh-from-outside"})
    before: Callable[[], Awaitable[None]] | None = None
    after: Callable[[], Awaitable[None]] | None = None
    failure: LoginFailure | None = None
    _numbers: int = 0
    _spent: set[str] = field(default_factory=set)

    async def login(self) -> Grant:
        self.logins += 1
        if self.failure is not None:
            raise self.failure
        return self._grant()

    async def refresh(self, token: Secret) -> Grant:
        text = token.reveal()
        self.sent.append(text)
        if self.before is not None:
            await self.before()
        if text in self._spent:
            self.offences.append(text)
        if text not in self.valid:
            raise LoginRefused("refused", status=400)
        if self.rotates:
            self.valid.discard(text)
            self._spent.add(text)
        grant = self._grant() if self.rotates else Grant(Secret(f"access-{len(self.sent)}"), self.lifetime)
        if self.after is not None:
            await self.after()
        return grant

    async def lose(self) -> None:
        raise LoginUnavailable("timeout", is_lost=True)

    def _grant(self) -> Grant:
        self._numbers += 1
        self.valid.add(f"refresh-{self._numbers}")
        return Grant(Secret(f"access-{self._numbers}"), self.lifetime, Secret(f"refresh-{self._numbers}"))


@dataclass
class Life:
    """One process's credential upon a store."""

    cache: TokenCache
    credential: Credential

    async def value(self) -> str:
        return (await self.credential.token()).value.reveal()


def life(
    vendor: RotatingVendor,
    store: TokenStore,
    *,
    key: str = "key",
    can_log_in: bool = True,
    initial: str | None = None,
    single_live: bool = False,
) -> Life:
    cache = TokenCache(vendor.clock, random=SteadyRandom(), store=store)
    login = vendor.login if can_log_in else None
    first = None if initial is None else Secret(initial)
    policy = TokenPolicy(single_live=single_live)
    return Life(cache, cache.credential(key, "acme", policy, login, vendor.refresh, first))
