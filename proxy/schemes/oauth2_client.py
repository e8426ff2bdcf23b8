"""What the OAuth 2.0 grants have in common: how a client names itself at the token endpoint (RFC 6749, 7523)."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote_plus
from uuid import uuid4

from proxy.schemes.base import OutboundRequest, ProviderContext
from proxy.schemes.dating import dated
from proxy.schemes.jws import Algorithm, Signer
from proxy.schemes.requirements import require_known_places
from proxy.schemes.token_bearing import RenewableTokenScheme
from proxy.secret import Secret
from proxy.template import Template
from proxy.tokens.credential_key import credential_key
from proxy.tokens.grant import TokenFields
from proxy.tokens.login import LoginCall, log_in
from proxy.tokens.login_request import form_body, login_headers, require_login_url
from proxy.tokens.token import Grant

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFETIME = 60

Fields = list[tuple[str, str]]


@dataclass(kw_only=True, eq=False)
class OAuth2Scheme(RenewableTokenScheme):
    """`client_authentication` is basic or post with `client_secret`, or private_key_jwt with `private_key`.

    A public client has no secret: it uses post and sends its `client_id` alone.
    """

    token_url: str
    client_id: Template
    client_secret: Secret | None = None
    client_authentication: Literal["basic", "post", "private_key_jwt"] = "basic"
    private_key: Secret | None = None
    private_key_algorithm: Algorithm = "RS256"
    key_id: str | None = None
    scope: str | None = None
    audience: str | None = None
    resource: str | None = None
    parameters: dict[str, Template] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_login_url("token_url", self.token_url)
        for where, template in (("client_id", self.client_id), *self.parameters.items()):
            require_known_places(where, template.names, self.variables.keys())
        self._signer = self._assertion_signer()
        if self.client_authentication == "basic" and self.client_secret is None:
            raise ValueError("client_secret: basic client authentication needs it")

    def _assertion_signer(self) -> Signer | None:
        if self.client_authentication != "private_key_jwt":
            if self.private_key is not None:
                raise ValueError("private_key: is used by client_authentication: private_key_jwt only")
            return None
        if self.private_key is None:
            raise ValueError("private_key: private_key_jwt client authentication needs it")
        if self.private_key_algorithm.startswith("HS"):
            raise ValueError("private_key_algorithm: expected an RS, PS, ES or EdDSA algorithm")
        return Signer(self.private_key, self.private_key_algorithm, self.key_id)

    def explanation(self, request: OutboundRequest) -> tuple[tuple[str, str], ...]:
        return (("token from", f"POST {self.token_url.partition('?')[0]}"),)

    async def _ask(self, provider: ProviderContext, grant_fields: Fields, response: TokenFields) -> Grant:
        async def ask() -> Grant:
            call = self._call(provider, grant_fields)
            return await log_in(provider.login_client, call, response, provider.policy, provider.clock)

        return await (ask() if self._signer is None else dated(provider, ask))

    def _call(self, provider: ProviderContext, grant_fields: Fields) -> LoginCall:
        """The request of RFC 6749 section 4.4.2 or 6, authenticated as section 2.3.1 or RFC 7523 section 2.2 say."""
        fields = grant_fields + self._request_fields()
        headers: Fields = []
        if self.client_authentication == "basic":
            headers.append(("Authorization", self._basic()))
        else:
            fields.append(("client_id", self._client_id()))
        if self.client_authentication == "post" and self.client_secret is not None:
            fields.append(("client_secret", self.client_secret.reveal()))
        if self._signer is not None:
            fields += [
                ("client_assertion_type", ASSERTION_TYPE),
                ("client_assertion", self._assertion(self._signer, int(provider.clock.wall()))),
            ]
        body, media_type = form_body(fields)
        return LoginCall("POST", self.token_url, login_headers(headers, body, media_type), body)

    def _request_fields(self) -> Fields:
        named = (("scope", self.scope), ("audience", self.audience), ("resource", self.resource))
        fields = [(name, value) for name, value in named if value is not None]
        return fields + [(name, template.render(self._scope)) for name, template in self.parameters.items()]

    def _client_id(self) -> str:
        return self.client_id.render(self._scope)

    def _basic(self) -> str:
        assert self.client_secret is not None
        # Both are form-encoded first, so that a colon or a non-ASCII letter in them is no trouble.
        pair = f"{quote_plus(self._client_id())}:{quote_plus(self.client_secret.reveal())}"
        return f"Basic {b64encode(pair.encode()).decode()}"

    def _assertion(self, signer: Signer, now: int) -> str:
        claims: Mapping[str, str | int] = {
            "iss": self._client_id(),
            "sub": self._client_id(),
            "aud": self.token_url,
            "jti": str(uuid4()),
            "iat": now,
            "exp": now + ASSERTION_LIFETIME,
        }
        return signer.sign(claims)

    def _identity(self, grant_type: str, *more: str) -> str:
        """The credential's key: where it is asked for, who asks, how, and for what."""
        secrets = [secret.reveal() if secret else "" for secret in (self.client_secret, self.private_key)]
        return credential_key(
            grant_type,
            self.token_url,
            self._client_id(),
            self.client_authentication,
            json.dumps(self._request_fields()),
            *secrets,
            *more,
        )
