"""What schemes have in common whose requests carry a token.

Two bases: one for a token that is obtained once in its lifetime, and one that also understands when the vendor
says that it died. Subclasses say where the token comes from.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from proxy.schemes.base import (
    AnswerHead,
    AtHand,
    AuthScheme,
    Injection,
    OutboundRequest,
    ProviderContext,
    masked,
    rendered,
    rendered_fields,
)
from proxy.template import Template, Value
from proxy.tokens.answer_document import first_value, parse_document
from proxy.tokens.credential import Credential
from proxy.tokens.token import Token

TOKEN_SHOWN = "<token>"

_USUAL_HEADERS: Mapping[str, Template] = {"Authorization": Template.parse("Bearer {{token}}")}


async def take(credential: Credential) -> tuple[Token, Literal["cached", "fetched"]]:
    """A live token, and whether it was at hand. Raises CredentialUnavailable or CredentialRejected."""
    token = credential.ready()
    if token is not None:
        return token, "cached"
    return await credential.token(), "fetched"


@dataclass(kw_only=True, eq=False)
class TokenScheme(AuthScheme):
    """`{{token}}` may be used in headers and query. Without either it goes as `Authorization: Bearer`."""

    places: ClassVar[frozenset[str]] = frozenset({"token"})
    # Of a token that has it, and of a login's proof.
    writes_time: ClassVar[bool] = True

    headers: Mapping[str, Template] = field(default_factory=lambda: dict(_USUAL_HEADERS))

    def __post_init__(self) -> None:
        self._credential: Credential | None = None
        self._made: Injection | None = None
        self._made_for: Token | None = None
        in_query = any("token" in template.names for template in self.query.values())
        if in_query and self.headers == _USUAL_HEADERS:
            self.headers = {}
        super().__post_init__()
        self._is_changeable = self._may_change

    def bind(self, provider: ProviderContext) -> None:
        self._vendor_clock = provider.clock
        self._credential = self.obtain_credential(provider)

    @abstractmethod
    def obtain_credential(self, provider: ProviderContext) -> Credential:
        """Register with the provider's token cache how a token is obtained."""

    @property
    def credential(self) -> Credential | None:
        return self._credential

    def prepare(self, request: OutboundRequest) -> AtHand:
        return self._at_hand

    def _at_hand(self, body: bytes | None = None) -> Injection | None:
        credential = self._credential
        assert credential is not None, "bind() comes first"
        token = credential.ready()
        if token is None:
            return None
        injection = self._made
        if token is not self._made_for or injection is None or injection.clock_version != self._vendor_clock.version:
            injection = self._injection(token, "cached")
            if not self._is_changeable:
                self._made, self._made_for = injection, token
        if self.counts_requests:
            credential.lent(token.generation)
        return injection

    async def authorize(self, request: OutboundRequest) -> Injection:
        injection = self.prepare(request)(request.body)
        if injection is None:
            assert self._credential is not None
            token = await self._credential.token()
            injection = self._injection(token, "fetched")
            if self.counts_requests:
                self._credential.lent(token.generation)
        return injection

    def _injection(self, token: Token, use: Literal["cached", "fetched"]) -> Injection:
        scope: dict[str, Value] = {**self._scope, "token": token.value}
        fields, query = rendered_fields(self.headers, scope), rendered(self.query, scope)
        version, awaits_verdict = self._vendor_clock.version, self._awaits_verdict(token)
        return Injection(fields, query, token.generation, use, version, awaits_verdict=awaits_verdict)

    def _awaits_verdict(self, token: Token) -> bool:
        """Whether it is still to be learned from the next answer if the token is good."""
        return False

    @cached_property
    def counts_requests(self) -> bool:
        """As the credential says once all are bound that share it, and from then on: what is lent is returned."""
        return self._credential is not None and self._credential.policy.single_live

    def returned(self, injection: Injection) -> None:
        if injection.generation is not None and self._credential is not None:
            self._credential.returned(injection.generation)

    async def preview(self, request: OutboundRequest) -> Injection:
        scope: dict[str, Value] = {**self._scope, "token": TOKEN_SHOWN}
        return Injection(masked(self.headers, scope), masked(self.query, scope), use="cached")


@dataclass(kw_only=True, eq=False)
class Rejection:
    """By what an answer says that the token died: its status, or a GraphQL error code in a small JSON body."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    statuses: list[int] = field(default_factory=lambda: [401])
    graphql_codes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if any(not 400 <= status <= 599 for status in self.statuses):
            raise ValueError("statuses: expected error statuses, such as 401")

    def applies_to(self, answer: AnswerHead) -> bool:
        if answer.status in self.statuses:
            return True
        if answer.body is None or not any(code.encode() in answer.body for code in self.graphql_codes):
            return False
        try:
            document = parse_document(answer.body)
        except ValueError:
            return False
        return any(self._names_a_code(part) for part in (document if isinstance(document, list) else [document]))

    def _names_a_code(self, document: Any) -> bool:
        if first_value(document, "code") in self.graphql_codes:
            return True
        errors = first_value(document, "errors")
        return isinstance(errors, list) and any(
            first_value(error, "extensions.code") in self.graphql_codes for error in errors
        )


@dataclass(kw_only=True, eq=False)
class RenewableTokenScheme(TokenScheme):
    """A token that the vendor may call dead before its time. The configuration's key is `rejected`."""

    rejection: Annotated[Rejection, Field(alias="rejected")] = field(default_factory=Rejection)

    @property
    def judged_statuses(self) -> frozenset[int] | None:
        return None if self.rejection.graphql_codes else frozenset(self.rejection.statuses)

    @property
    def inspects_answer(self) -> bool:
        return bool(self.rejection.graphql_codes)

    def _awaits_verdict(self, token: Token) -> bool:
        return self._credential is not None and not self._credential.was_accepted(token.generation)

    def rejected(self, answer: AnswerHead, injection: Injection) -> bool:
        if injection.generation is None or self._credential is None:
            return False
        if self.rejection.applies_to(answer):
            return self._credential.rejected(injection.generation)
        if answer.status < 400 and injection.awaits_verdict:
            self._credential.accepted(injection.generation)
            self._made = None
        return False
