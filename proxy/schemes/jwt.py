"""A JSON Web Token that the client signs itself, once in its lifetime, and sends with every request."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from math import isinf
from typing import Any, ClassVar, Literal

from proxy.clock import Clock
from proxy.duration import Lifetime
from proxy.schemes.base import Injection, OutboundRequest, ProviderContext
from proxy.schemes.jws import Algorithm, Signer
from proxy.schemes.requirements import require_known_places
from proxy.schemes.token_bearing import TokenScheme
from proxy.secret import Secret
from proxy.template import JsonTemplate
from proxy.tokens.credential import Credential
from proxy.tokens.credential_key import credential_key
from proxy.tokens.token import Grant

CLAIM_PLACES = frozenset({"timestamp"})


@dataclass(kw_only=True, eq=False)
class Jwt(TokenScheme):
    """`claims` are any JSON object; its strings may use the variables and `{{timestamp}}`, in seconds.

    `exp` is added for a `lifetime` that is not `none`; `iat`, `nbf` and `kid` on request.
    """

    places: ClassVar[frozenset[str]] = frozenset({"token"})

    key: Secret
    algorithm: Algorithm = "HS256"
    key_encoding: Literal["utf8", "base64"] = "utf8"
    key_id: str | None = None
    claims: JsonTemplate = field(default_factory=lambda: JsonTemplate({}))
    lifetime: Lifetime = 3600.0
    issued_at: bool = False
    not_before: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.claims.document, dict):
            raise ValueError("claims: expected a mapping")  # noqa: TRY004  (pydantic reports ValueErrors)
        require_known_places("claims", self.claims.names, CLAIM_PLACES | self.variables.keys())
        for name, is_added in (("exp", not isinf(self.lifetime)), ("iat", self.issued_at), ("nbf", self.not_before)):
            if is_added and name in self.claims.document:
                raise ValueError(f"claims.{name}: it would be added as well; leave it out")
        self._signer = Signer(self.key, self.algorithm, self.key_id, self.key_encoding)

    def obtain_credential(self, provider: ProviderContext) -> Credential:
        self._clock = provider.clock
        self._made_from = (self._signer.key_version, provider.clock.version)
        open_claims = {name: f"{{{{{name}}}}}" for name in CLAIM_PLACES} | dict(self._scope)
        identity = json.dumps(
            [
                self.claims.render(open_claims),
                self.algorithm,
                self.key_encoding,
                self.key_id,
                self.lifetime,
                self.issued_at,
                self.not_before,
            ]
        )
        return provider.tokens.credential(
            credential_key("jwt", self.key.reveal(), identity), provider.name, provider.policy, login=self._mint
        )

    async def authorize(self, request: OutboundRequest) -> Injection:
        made_from = (self._signer.key_version, self._vendor_clock.version)
        if made_from != self._made_from and self._credential is not None:
            self._made_from = made_from
            self._credential.discard()
        return await super().authorize(request)

    def explanation(self, request: OutboundRequest) -> tuple[tuple[str, str], ...]:
        scope = {"timestamp": "<timestamp>"} | {name: str(value) for name, value in self._scope.items()}
        claims = self.claims.render(scope)
        claims |= {name: "<now>" for name, is_added in (("iat", self.issued_at), ("nbf", self.not_before)) if is_added}
        if not isinf(self.lifetime):
            claims["exp"] = f"<now + {self.lifetime:g} s>"
        return (("algorithm", self.algorithm), ("claims", json.dumps(claims)))

    def claims_at(self, clock: Clock) -> dict[str, Any]:
        """The claims of a token that is signed at this moment."""
        now = int(clock.wall())
        claims: dict[str, Any] = self.claims.render({**self._scope, "timestamp": str(now)})
        if self.issued_at:
            claims["iat"] = now
        if self.not_before:
            claims["nbf"] = now
        if not isinf(self.lifetime):
            claims["exp"] = now + max(1, int(self.lifetime))
        return claims

    async def _mint(self) -> Grant:
        claims = self.claims_at(self._clock)
        # `exp` is in whole seconds, and the token must not outlive it by the fraction.
        lifetime = self.lifetime if isinf(self.lifetime) else claims["exp"] - self._clock.wall()
        is_dated = bool({"exp", "iat", "nbf"} & claims.keys())
        return Grant(Secret(self._signer.sign(claims), "jwt"), lifetime, is_dated=is_dated)
