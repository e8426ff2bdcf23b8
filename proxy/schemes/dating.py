"""What is written into a request is judged by somebody else's clock; here is what to do when ours was wrong.

The refusal of a wrongly dated request brings the right time with it, in its `Date`. So a request that was dated by a
clock that has been put right since is worth one more attempt, and so is a login.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from proxy.schemes.base import AnswerHead, Injection, ProviderContext
from proxy.tokens.failure import LoginRefused
from proxy.tokens.token import Grant

# Vendors call a wrong time a bad request, a bad credential or a forbidden one. None of these was carried out.
REFUSALS = frozenset({400, 401, 403})
SKEWED = "skewed"


def was_misdated(provider: ProviderContext, answer: AnswerHead, injection: Injection) -> bool:
    """Whether a refused request was dated by a clock that has been put right since. Counts those that were."""
    if injection.clock_version in (None, provider.clock.version) or answer.status not in REFUSALS:
        return False
    provider.tokens.retried(provider.name, SKEWED)
    return True


async def dated(provider: ProviderContext, login: Callable[[], Awaitable[Grant]]) -> Grant:
    """Log in, and once more at once if the refusal put the clock right by which it was dated. Raises LoginFailure."""
    version = provider.clock.version
    try:
        return await login()
    except LoginRefused as refused:
        # What is called dead is not sent again, whatever the time.
        if refused.is_final or provider.clock.version == version:
            raise
    provider.tokens.retried(provider.name, SKEWED)
    return await login()
