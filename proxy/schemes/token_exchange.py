"""A login request gives a token, and perhaps a refresh token; both requests are templates of the configuration."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import ConfigDict

from proxy.duration import Lifetime
from proxy.schemes.base import AtHand, Injection, OutboundRequest, ProviderContext
from proxy.schemes.dating import dated
from proxy.schemes.guest import is_guest_query
from proxy.schemes.jws import Algorithm, Signer
from proxy.schemes.requirements import require_known_places
from proxy.schemes.signed_claims import SignedClaims
from proxy.schemes.siwe import PLACES as SIWE_PLACES
from proxy.schemes.siwe import SiweSettings, sign_in
from proxy.schemes.token_bearing import RenewableTokenScheme
from proxy.secret import Secret
from proxy.template import Value
from proxy.tokens.credential import Credential
from proxy.tokens.credential_key import credential_key
from proxy.tokens.failure import LoginRefused
from proxy.tokens.grant import TokenFields
from proxy.tokens.login import log_in
from proxy.tokens.login_request import LOGIN_PLACES, LoginRequest, login_scope
from proxy.tokens.token import Grant

_GUEST = Injection(use="none")
# Those that have the time in them.
DATED_PLACES = SIWE_PLACES | {"timestamp", "timestamp_ms", "assertion"}


@dataclass(kw_only=True, eq=False)
class GuestQueries:
    """GraphQL queries to this path, below the base URL, go without the token; everything else has it."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    path: str

    def __post_init__(self) -> None:
        if not self.path.startswith("/"):
            raise ValueError("path: expected a path such as /v1/graphql")


@dataclass(kw_only=True, eq=False)
class LoginAssertion(SignedClaims):
    """A JWT that is signed for one login request, and spent with it (RFC 7523)."""

    algorithm: Algorithm = "RS256"
    lifetime: Lifetime = 60.0
    issued_at: bool = True


@dataclass(kw_only=True, eq=False)
class TokenExchange(RenewableTokenScheme):
    """`login`, or `refresh` with an `initial_refresh_token`, or both.

    The places of `login` are the variables, the moment (timestamp, timestamp_ms, nonce, uuid), with `assertion` its
    freshly signed JWT and, with `siwe`, siwe.message, siwe.signature and siwe.address of one freshly signed message.
    `refresh` has `refresh_token` too.
    """

    login: LoginRequest | None = None
    refresh: LoginRequest | None = None
    response: TokenFields = field(default_factory=TokenFields)
    refresh_response: TokenFields | None = None
    initial_refresh_token: Secret | None = None
    assertion: LoginAssertion | None = None
    siwe: SiweSettings | None = None
    guest_queries: GuestQueries | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        known = LOGIN_PLACES | self.variables.keys() | (SIWE_PLACES if self.siwe else frozenset())
        if self.assertion is not None:
            known |= {"assertion"}
            self._signer = self._assertion_signer(self.assertion)
        if self.login is not None:
            require_known_places("login", self.login.names, known)
        if self.refresh is not None:
            require_known_places("refresh", self.refresh.names, known | {"refresh_token"})
            if self.refresh.names & SIWE_PLACES and self._key() is None:
                raise ValueError("siwe.private_key: the refresh request needs it")
        if self.initial_refresh_token is not None and self.refresh is None:
            raise ValueError("initial_refresh_token: it needs a refresh request to be used in")
        if self.initial_refresh_token is None and not self._can_log_in():
            raise ValueError(self._missing())

    def obtain_credential(self, provider: ProviderContext) -> Credential:
        self._provider = provider
        self._guest_path = None
        if self.guest_queries is not None:
            self._guest_path = urlsplit(provider.base_url).path + self.guest_queries.path
        return provider.tokens.credential(
            self._identity(provider.base_url),
            provider.name,
            provider.policy,
            login=self._log_in if self._can_log_in() else None,
            refresh=self._refresh if self.refresh is not None else None,
            initial_refresh_token=self.initial_refresh_token,
        )

    def prepare(self, request: OutboundRequest) -> AtHand:
        with_token = super().prepare(request)
        if self._guest_path is None or request.target.partition("?")[0] != self._guest_path:
            return with_token
        return lambda body: _GUEST if self._is_guest(replace(request, body=body)) else with_token(body)

    async def preview(self, request: OutboundRequest) -> Injection:
        if self._is_guest(request):
            return _GUEST
        return await super().preview(request)

    def explanation(self, request: OutboundRequest) -> tuple[tuple[str, str], ...]:
        lines = []
        if self._guest_path is not None:
            lines.append(("operation", "a query: goes as guest" if self._is_guest(request) else "needs the token"))
        for name, login in (("login", self.login), ("refresh", self.refresh)):
            if login is not None:
                where = (login.url or self._provider.base_url + (login.path or "")).partition("?")[0]
                lines.append((name, f"{login.method} {where}"))
                if body := login.shown(self._scope):
                    lines.append((f"{name} body", body))
        if self.assertion is not None:
            lines.append(("assertion", json.dumps(self.assertion.claims_shown(self._scope))))
        return tuple(lines)

    def _assertion_signer(self, assertion: LoginAssertion) -> Signer:
        try:
            return assertion.prepare_claims(self.variables)
        except ValueError as error:
            raise ValueError(f"assertion.{error}") from None

    def _is_guest(self, request: OutboundRequest) -> bool:
        return self._guest_path is not None and is_guest_query(request, self._guest_path)

    def _can_log_in(self) -> bool:
        return self.login is not None and not (self._signs_in() and self._key() is None)

    def _signs_in(self) -> bool:
        return self.login is not None and bool(self.login.names & SIWE_PLACES)

    def _key(self) -> Secret | None:
        return self.siwe.private_key if self.siwe is not None else None

    def _missing(self) -> str:
        if self.login is None:
            return "login: give a login request, or refresh with an initial_refresh_token"
        return "siwe.private_key: give it, or an initial_refresh_token"

    def _identity(self, base_url: str) -> str:
        requests = [request for request in (self.login, self.refresh) if request is not None]
        signing = self.assertion.key if self.assertion is not None else None
        secrets = [secret.reveal() if secret else "" for secret in (self.initial_refresh_token, self._key(), signing)]
        parts = [request.identity(base_url, self._scope) for request in requests]
        parts.append(json.dumps(self.response.token))
        if self.assertion is not None:
            parts.append(self.assertion.claims_identity(self._scope))
        if self.siwe is not None:
            parts += [self.siwe.domain, self.siwe.uri, str(self.siwe.chain_id), self.siwe.statement or ""]
        return credential_key("token_exchange", *secrets, *parts)

    async def _log_in(self) -> Grant:
        login = self.login
        assert login is not None
        if not login.names & DATED_PLACES:
            return await self._ask(login, self.response, {})
        return await dated(self._provider, lambda: self._ask(login, self.response, {}))

    async def _refresh(self, token: Secret) -> Grant:
        assert self.refresh is not None
        return await self._ask(self.refresh, self.refresh_response or self.response, {"refresh_token": token})

    async def _ask(self, request: LoginRequest, response: TokenFields, more: dict[str, Value]) -> Grant:
        provider = self._provider
        scope = {**self._scope, **login_scope(provider.clock), **more}
        if self.assertion is not None and "assertion" in request.names:
            claims = self.assertion.dated_claims(provider.clock, self._scope)
            scope["assertion"] = Secret(self._signer.sign(claims), "assertion")
        if self.siwe is not None and request.names & SIWE_PLACES:
            scope |= _signed_in(self.siwe, provider)
        call = request.call(provider.base_url, scope)
        return await log_in(provider.login_client, call, response, provider.policy, provider.clock)


def _signed_in(siwe: SiweSettings, provider: ProviderContext) -> dict[str, Value]:
    try:
        signed = sign_in(siwe, provider.clock)
    except ValueError:
        # It was a good key when the configuration was read; its file has changed.
        raise LoginRefused("the Ethereum key is unusable") from None
    return {"siwe.message": signed.message, "siwe.signature": signed.signature, "siwe.address": signed.address}
