"""Sessions with rotating refresh tokens: each token works once, and a second use kills its whole family.

The vendor documents that a restore gives a new refresh token, and nothing on re-use; this is the strict reading.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from proxy.sandbox.grants import AccessTokens
from proxy.sandbox.wire import Refused


@dataclass
class Family:
    """All that came from one sign-in."""

    claims: dict[str, object]
    access_tokens: list[str] = field(default_factory=list)
    refresh_tokens: list[str] = field(default_factory=list)
    dead: bool = False


@dataclass
class Sessions:
    """`reuses` counts the refresh tokens that came back after they were spent."""

    tokens: AccessTokens
    reuses: int = 0
    _families: dict[str, Family] = field(default_factory=dict, repr=False)

    def begin(self, claims: dict[str, object]) -> tuple[str, str]:
        """A new family; gives (access token, refresh token)."""
        return self._next(Family(claims))

    def restore(self, refresh_token: str) -> tuple[str, str]:
        """The next pair of a family; refuses with 401 a token that is unknown, spent, or of a dead family."""
        family = self._families.get(refresh_token)
        if family is None or family.dead:
            raise Refused(401, "an unknown or revoked refresh token")
        if refresh_token != family.refresh_tokens[-1]:
            self.reuses += 1
            self._kill(family)
            raise Refused(401, "a spent refresh token: its family is dead")
        return self._next(family)

    def revoke_all(self) -> None:
        """Refresh tokens die, and the access tokens that came with them."""
        for family in self._families.values():
            self._kill(family)

    def _next(self, family: Family) -> tuple[str, str]:
        access_token, refresh_token = self.tokens.issue_jwt(family.claims), str(uuid.uuid4())
        family.access_tokens.append(access_token)
        family.refresh_tokens.append(refresh_token)
        self._families[refresh_token] = family
        return access_token, refresh_token

    def _kill(self, family: Family) -> None:
        family.dead = True
        for token in family.access_tokens:
            self.tokens.revoke(token)
