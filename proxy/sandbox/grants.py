"""The access tokens that an emulator has issued: which live, which have expired, which were revoked."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Literal

import jwt

from proxy.sandbox.emulator import WallClock

TokenState = Literal["live", "expired", "revoked", "unknown"]


@dataclass
class AccessTokens:
    """Tokens of one emulator. A token lives until issue + lifetime by the emulator's clock, unless revoked."""

    clock: WallClock
    lifetime: float
    key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    _ends: dict[str, float] = field(default_factory=dict, repr=False)
    _revoked: set[str] = field(default_factory=set, repr=False)

    def issue_jwt(self, claims: dict[str, object]) -> str:
        """A new JWT (HS256, with iat, exp and a jti); whole seconds, as issuers do, if the lifetime is whole."""
        now = self.clock.wall()
        issued = int(now) if self.lifetime == int(self.lifetime) else now
        times = {"iat": issued, "exp": issued + self.lifetime, "jti": secrets.token_hex(8)}
        if self.lifetime == int(self.lifetime):
            times["exp"] = issued + int(self.lifetime)
        return self._remember(jwt.encode({**claims, **times}, self.key, algorithm="HS256"))

    def issue_opaque(self, prefix: str = "") -> str:
        return self._remember(prefix + secrets.token_urlsafe(32))

    def state(self, token: str) -> TokenState:
        if token not in self._ends:
            return "unknown"
        if token in self._revoked:
            return "revoked"
        return "live" if self.clock.wall() < self._ends[token] else "expired"

    def revoke(self, token: str) -> None:
        self._revoked.add(token)

    def revoke_all(self) -> None:
        self._revoked.update(self._ends)

    def _remember(self, token: str) -> str:
        self._ends[token] = self.clock.wall() + self.lifetime
        return token
