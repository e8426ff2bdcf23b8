"""A JSON Web Token that the client signs itself, once in its lifetime, and sends with every request."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isinf
from typing import Any, ClassVar

from proxy.clock import Clock
from proxy.schemes.base import AnswerHead, Injection, OutboundRequest, ProviderContext
from proxy.schemes.dating import REFUSALS, was_misdated
from proxy.schemes.signed_claims import SignedClaims
from proxy.schemes.token_bearing import TokenScheme
from proxy.secret import Secret
from proxy.tokens.credential import Credential
from proxy.tokens.credential_key import credential_key
from proxy.tokens.token import Grant


@dataclass(kw_only=True, eq=False)
class Jwt(SignedClaims, TokenScheme):
    """The keys are those of SignedClaims."""

    places: ClassVar[frozenset[str]] = frozenset({"token"})

    def __post_init__(self) -> None:
        super().__post_init__()
        self._signer = self.prepare_claims(self.variables)

    def obtain_credential(self, provider: ProviderContext) -> Credential:
        self._provider, self._clock = provider, provider.clock
        self._made_from = (self._signer.key_version, provider.clock.version)
        key = credential_key("jwt", self.key.reveal(), self.claims_identity(self._scope))
        return provider.tokens.credential(key, provider.name, provider.policy, login=self._mint, is_minted=True)

    @property
    def judged_statuses(self) -> frozenset[int] | None:
        return REFUSALS

    def _at_hand(self, body: bytes | None = None) -> Injection | None:
        made_from = (self._signer.key_version, self._vendor_clock.version)
        if made_from != self._made_from and self._credential is not None:
            self._made_from = made_from
            self._credential.discard()
        return super()._at_hand(body)

    def rejected(self, answer: AnswerHead, injection: Injection) -> bool:
        return was_misdated(self._provider, answer, injection)

    def explanation(self, request: OutboundRequest) -> tuple[tuple[str, str], ...]:
        return (("algorithm", self.algorithm), ("claims", json.dumps(self.claims_shown(self._scope))))

    def claims_at(self, clock: Clock) -> dict[str, Any]:
        """The claims of a token that is signed at this moment."""
        return self.dated_claims(clock, self._scope)

    async def _mint(self) -> Grant:
        claims = self.claims_at(self._clock)
        # `exp` is in whole seconds, and the token must not outlive it by the fraction.
        lifetime = self.lifetime if isinf(self.lifetime) else claims["exp"] - self._clock.wall()
        is_dated = bool({"exp", "iat", "nbf"} & claims.keys())
        return Grant(Secret(self._signer.sign(claims), "jwt"), lifetime, is_dated=is_dated)
