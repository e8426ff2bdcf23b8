"""What a person may have done to a provider's token: a new one now, or none until the next request."""

from __future__ import annotations

import logging
from collections.abc import Callable

from proxy.admin.actions import TokenOutcome, TokenReport
from proxy.assembly import Assembly
from proxy.tokens.credential import Credential

log = logging.getLogger("authproxy.app")

# A login may take longer, and where a new token kills the old one, requests that go with that are waited for.
_WAITING_SECONDS = 8.0


class TokenControl:
    """`current` gives what is in use. Both methods answer None where no provider of this name has a token."""

    def __init__(self, current: Callable[[], Assembly]) -> None:
        self._current = current

    async def refresh(self, provider: str) -> TokenReport | None:
        """Have a new token obtained, and wait for it for a while. The old one serves until it is there."""
        credential = self._credential(provider)
        if credential is None:
            return None
        log.info("provider %s: a new token was asked for by hand", provider)
        return _report(provider, credential, await credential.renew(_WAITING_SECONDS))

    async def drop(self, provider: str) -> TokenReport | None:
        """Forget the token. The vendor is not told; the next request obtains another."""
        credential = self._credential(provider)
        if credential is None:
            return None
        credential.discard()
        log.info("provider %s: the token was dropped by hand", provider)
        return _report(provider, credential, "dropped")

    def _credential(self, provider: str) -> Credential | None:
        found = self._current().providers.get(provider)
        return None if found is None else found.scheme.credential


def _report(provider: str, credential: Credential, outcome: TokenOutcome) -> TokenReport:
    return TokenReport(provider, outcome, credential.last_error, credential.next_attempt_in)
