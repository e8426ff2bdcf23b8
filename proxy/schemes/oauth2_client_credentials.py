"""The OAuth 2.0 client credentials grant: RFC 6749 section 4.4."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.schemes.base import ProviderContext
from proxy.schemes.oauth2_client import OAuth2Scheme
from proxy.tokens.credential import Credential
from proxy.tokens.grant import TokenFields
from proxy.tokens.token import Grant

# A refresh token "SHOULD NOT be included" (section 4.4.3), and asking again is no more work than refreshing.
_RESPONSE = TokenFields(token="access_token", lifetime="expires_in")


@dataclass(kw_only=True, eq=False)
class OAuth2ClientCredentials(OAuth2Scheme):
    """The token is the client's own; it is asked for again when it is due."""

    def obtain_credential(self, provider: ProviderContext) -> Credential:
        async def log_in() -> Grant:
            return await self._ask(provider, [("grant_type", "client_credentials")], _RESPONSE)

        key = self._identity("client_credentials")
        return provider.tokens.credential(key, provider.name, provider.policy, login=log_in)
