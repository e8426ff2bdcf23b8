"""All ways to authenticate, by the names that they have in configuration. A new one is one line here."""

from __future__ import annotations

from proxy.schemes.base import AuthScheme
from proxy.schemes.hmac_signature import HmacSignature
from proxy.schemes.jwt import Jwt
from proxy.schemes.oauth2_client_credentials import OAuth2ClientCredentials
from proxy.schemes.oauth2_refresh_token import OAuth2RefreshToken
from proxy.schemes.static import Static
from proxy.schemes.token_exchange import TokenExchange

SCHEMES: dict[str, type[AuthScheme]] = {
    "static": Static,
    "jwt": Jwt,
    "hmac_signature": HmacSignature,
    "token_exchange": TokenExchange,
    "oauth2_client_credentials": OAuth2ClientCredentials,
    "oauth2_refresh_token": OAuth2RefreshToken,
}


def scheme_name(scheme: AuthScheme) -> str:
    """The name that a scheme has in configuration."""
    return next(name for name, kind in SCHEMES.items() if type(scheme) is kind)
