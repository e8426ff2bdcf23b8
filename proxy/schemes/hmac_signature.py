"""Each request carries an HMAC (RFC 2104) over parts of itself.

What is signed is what is sent: `{{url}}` is the request's origin and its target, as raw text, with the injected
query parameters behind it, built by the same function that builds the target on the wire. `{{body}}` is the raw
body. Every call makes a new timestamp and nonce, so that a replay is a new request to the vendor.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pydantic import ConfigDict

from proxy.duration import Seconds
from proxy.schemes.base import (
    AnswerHead,
    AtHand,
    AuthScheme,
    Injection,
    OutboundRequest,
    ProviderContext,
    masked,
    unquoted_mask,
)
from proxy.schemes.dating import REFUSALS, was_misdated
from proxy.schemes.derived_key import KeyEncoding, decoded_key, derived
from proxy.schemes.keyed_hash import keyed_hash
from proxy.schemes.requirements import require_known_places
from proxy.schemes.signer import Signer
from proxy.schemes.signing_heads import early_and_late
from proxy.schemes.signing_scope import (
    BODY_PLACES,
    DIGEST_PLACES,
    ENCODINGS,
    MOMENT_PLACES,
    REQUEST_PLACES,
    TARGET_PLACES,
    values_of_request,
    values_of_target,
)
from proxy.schemes.string_to_sign import string_to_sign
from proxy.schemes.token_bearing import TOKEN_SHOWN, take
from proxy.secret import Secret
from proxy.template import Template, Value
from proxy.tokens.credential import Credential
from proxy.tokens.credential_key import credential_key
from proxy.tokens.grant import TokenFields
from proxy.tokens.login import log_in
from proxy.tokens.login_request import LOGIN_PLACES, LoginRequest, login_scope
from proxy.tokens.token import Grant


@dataclass(kw_only=True, eq=False)
class SigningToken:
    """A login, done once, whose answer gives `{{token}}`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    login: LoginRequest
    response: TokenFields = field(default_factory=TokenFields)


@dataclass(kw_only=True, eq=False)
class HmacSignature(AuthScheme):
    """`message` is what is signed. Headers and query may use `{{signature}}` beside most of its places.

    Query parameters are signed with the rest of the URL, but for those that hold the signature. `{{hmac.NAME}}` is
    the variable NAME, signed alone with the same key; `{{expires}}` is the moment and `valid_for`.
    """

    needs_body: ClassVar[bool] = True
    writes_time: ClassVar[bool] = True
    places: ClassVar[frozenset[str]] = (
        REQUEST_PLACES | TARGET_PLACES | MOMENT_PLACES | DIGEST_PLACES | {"signature", "token", "hmac.<variable>"}
    )

    key: Secret
    key_encoding: KeyEncoding = "utf8"
    algorithm: Literal["sha256", "sha384", "sha512"] = "sha256"
    encoding: Literal["hex", "base64", "base64url"] = "hex"
    message: Template
    valid_for: Seconds = 60.0
    token: SigningToken | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        variables = self.variables.keys()
        message_places = (self.places - {"signature"}) | BODY_PLACES | variables
        require_known_places("message", self.message.names, message_places)
        for name, template in self.query.items():
            require_known_places(f"query.{name}", template.names, (self.places - TARGET_PLACES) | variables)
        if self.token is not None:
            require_known_places("token.login", self.token.login.names, LOGIN_PLACES | variables)
        elif "token" in self._used_names():
            raise ValueError("token: {{token}} is used, but no login is given that would give one")
        self._names = self._used_names()
        signed_alone = [name.removeprefix("hmac.") for name in self._names if name.startswith("hmac.")]
        require_known_places("hmac", signed_alone, variables)
        self._signer = Signer(
            message=self.message,
            headers=self.headers,
            query=self.query,
            known=self._scope,
            signed_alone={name: self.variables[name] for name in signed_alone},
            valid_for=self.valid_for,
            digest=self._digest(),
        )
        self._credential: Credential | None = None
        self._last_shown: tuple[OutboundRequest, dict[str, Value]] | None = None

    def bind(self, provider: ProviderContext) -> None:
        self._provider = provider
        if self.token is None:
            return
        identity = self.token.login.identity(provider.base_url, self._scope)
        key = credential_key("hmac_signature", identity, json.dumps(self.token.response.token))
        self._credential = provider.tokens.credential(key, provider.name, provider.policy, login=self._log_in)

    @property
    def credential(self) -> Credential | None:
        return self._credential

    @property
    def judged_statuses(self) -> frozenset[int] | None:
        return REFUSALS

    async def authorize(self, request: OutboundRequest) -> Injection:
        assert request.body is not None, "the body is held for schemes that need it"
        sign = self._signer.prepare(request, self._provider.clock)
        if self._credential is None:
            return sign(request.body)
        token, _ = await take(self._credential)
        return sign(request.body, token.value.reveal(), token.generation)

    def prepare(self, request: OutboundRequest) -> AtHand:
        sign, credential = self._signer.prepare(request, self._provider.clock), self._credential
        if credential is None:
            return sign  # type: ignore[return-value]  # Never None: the body is held for schemes that need it.

        def sign_with_token(body: bytes | None) -> Injection | None:
            token = credential.ready()
            return None if token is None else sign(body or b"", token.value.reveal(), token.generation)

        return sign_with_token

    def rejected(self, answer: AnswerHead, injection: Injection) -> bool:
        return was_misdated(self._provider, answer, injection)

    async def preview(self, request: OutboundRequest) -> Injection:
        scope = self._shown(request)
        early, late = early_and_late(self.query)
        return Injection(masked(self.headers, scope), masked(early, scope) + masked(late, scope), use="signed")

    def explanation(self, request: OutboundRequest) -> tuple[tuple[str, str], ...]:
        lines = string_to_sign(self.message, early_and_late(self.query)[0], self._shown(request))
        key = f"key from {self.key.where}, {self.key_encoding}"
        return (*lines, ("algorithm", f"HMAC-{self.algorithm.upper()}, {self.encoding}; {key}"))

    def _shown(self, request: OutboundRequest) -> dict[str, Value]:
        """A scope fit to be shown: no token, and a URL in which secrets are masked. One request has one scope."""
        if self._last_shown is None or self._last_shown[0] is not request:
            values = self._signer.shown(request, self._provider.clock, TOKEN_SHOWN)
            scope: dict[str, Value] = {
                **{name: Secret("", "signed") if name.startswith("hmac.") else text for name, text in values.items()},
                **values_of_request(self._names, request),
                **self._scope,
            }
            texts = values_of_target(self._names, request, masked(early_and_late(self.query)[0], scope))
            self._last_shown = request, scope | {name: unquoted_mask(text) for name, text in texts.items()}
        return self._last_shown[1]

    def _digest(self) -> Callable[[bytes], bytes]:
        """What makes the signature of a message, as text."""
        encoded = ENCODINGS[self.encoding]
        return derived(self.key, lambda text: keyed_hash(decoded_key(text, self.key_encoding), self.algorithm, encoded))

    def _used_names(self) -> frozenset[str]:
        templates = (self.message, *self.headers.values(), *self.query.values())
        return frozenset(name for template in templates for name in template.names)

    async def _log_in(self) -> Grant:
        assert self.token is not None
        provider = self._provider
        call = self.token.login.call(provider.base_url, {**self._scope, **login_scope(provider.clock)})
        return await log_in(provider.login_client, call, self.token.response, provider.policy, provider.clock)
