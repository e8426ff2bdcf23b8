"""The OAuth 2.0 refresh token grant: RFC 6749 section 6."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.schemes.base import ProviderContext
from proxy.schemes.oauth2_client import OAuth2Scheme
from proxy.secret import Secret
from proxy.tokens.credential import Credential
from proxy.tokens.grant import TokenFields
from proxy.tokens.token import Grant

_RESPONSE = TokenFields(token="access_token", lifetime="expires_in", refresh_token="refresh_token")


@dataclass(kw_only=True, eq=False)
class OAuth2RefreshToken(OAuth2Scheme):
    """`refresh_token` is the first one; where the server rotates them, the credential keeps the newest."""

    refresh_token: Secret

    def obtain_credential(self, provider: ProviderContext) -> Credential:
        async def refresh(token: Secret) -> Grant:
            fields = [("grant_type", "refresh_token"), ("refresh_token", token.reveal())]
            return await self._ask(provider, fields, _RESPONSE)

        return provider.tokens.credential(
            self._identity("refresh_token", self.refresh_token.reveal()),
            provider.name,
            provider.policy,
            refresh=refresh,
            initial_refresh_token=self.refresh_token,
        )
