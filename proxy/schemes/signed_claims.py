"""What a JWT that is signed here is made of: its key, its claims, and how long it holds."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from math import isinf
from typing import Any, ClassVar
from uuid import uuid4

from pydantic import ConfigDict

from proxy.clock import Clock
from proxy.duration import Lifetime, Seconds
from proxy.schemes.derived_key import KeyEncoding
from proxy.schemes.jws import Algorithm, Signer
from proxy.schemes.requirements import require_known_places
from proxy.secret import Secret
from proxy.template import JsonTemplate, Scope

CLAIM_PLACES = frozenset({"timestamp", "uuid"})


@dataclass(kw_only=True, eq=False)
class SignedClaims:
    """`claims` are any JSON object; its strings may use the variables, `{{timestamp}}` in seconds, and `{{uuid}}`.

    `exp` is added for a `lifetime` that is not `none`; `iat`, `nbf` and `kid` on request. With `backdated`, `iat` and
    `nbf` lie so many seconds in the past, for vendors that refuse a moment ahead of their own clock.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    key: Secret
    algorithm: Algorithm = "HS256"
    key_encoding: KeyEncoding = "utf8"
    key_id: str | None = None
    claims: JsonTemplate = field(default_factory=lambda: JsonTemplate({}))
    lifetime: Lifetime = 3600.0
    issued_at: bool = False
    not_before: bool = False
    backdated: Seconds | None = None

    def prepare_claims(self, variables: Collection[str]) -> Signer:
        """What signs them. Raises ValueError for a mistake in the keys; its text never holds a value."""
        if not isinstance(self.claims.document, dict):
            raise ValueError("claims: expected a mapping")  # noqa: TRY004  (pydantic reports ValueErrors)
        require_known_places("claims", self.claims.names, CLAIM_PLACES | set(variables))
        for name in self._dates():
            if name in self.claims.document:
                raise ValueError(f"claims.{name}: it would be added as well; leave it out")
        return Signer(self.key, self.algorithm, self.key_id, self.key_encoding)

    def dated_claims(self, clock: Clock, scope: Scope) -> dict[str, Any]:
        """The claims of a token that is signed at this moment."""
        now = int(clock.wall())
        begins = now - int(self.backdated or 0)
        claims: dict[str, Any] = self.claims.render({**scope, "timestamp": str(now), "uuid": str(uuid4())})
        if self.issued_at:
            claims["iat"] = begins
        if self.not_before:
            claims["nbf"] = begins
        if not isinf(self.lifetime):
            claims["exp"] = now + max(1, int(self.lifetime))
        return claims

    def claims_shown(self, scope: Scope) -> dict[str, Any]:
        """The claims with words for what changes with each token, and secrets masked."""
        words = {"timestamp": "<timestamp>", "uuid": "<uuid>"}
        claims: dict[str, Any] = self.claims.render(words | {name: str(value) for name, value in scope.items()})
        begins = f"<now - {self.backdated:g} s>" if self.backdated else "<now>"
        return claims | {name: f"<now + {self.lifetime:g} s>" if name == "exp" else begins for name in self._dates()}

    def claims_identity(self, scope: Scope) -> str:
        """What tells these claims from others, with what changes with each token left open."""
        claims = self.claims.render({name: f"{{{{{name}}}}}" for name in CLAIM_PLACES} | dict(scope))
        rest = (self.algorithm, self.key_encoding, self.key_id, self.lifetime, self._dates(), self.backdated)
        return json.dumps([claims, *rest])

    def _dates(self) -> list[str]:
        """The claims that are added."""
        added = (("iat", self.issued_at), ("nbf", self.not_before), ("exp", not isinf(self.lifetime)))
        return [name for name, is_added in added if is_added]
