"""The injection for one request, within the route's time-out.

Nearly always a scheme has it at hand. So it is asked without a timer, which would cost more than the answer, and
only where it has to wait is it made to end in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any

from proxy.errors import CredentialUnavailable
from proxy.gateway.route import Route
from proxy.schemes.base import Injection, OutboundRequest

# In seconds; a login that is under way when a caller gives up may end at any moment.
_RETRY_AFTER = 1


async def authorized(route: Route, request: OutboundRequest) -> Injection:
    """Raises what the scheme raises, and CredentialUnavailable when no credential comes in time."""
    asking = route.provider.scheme.authorize(request)
    try:
        waits_for = asking.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    try:
        async with asyncio.timeout(route.timeout):
            return await _rest_of(asking, waits_for)
    except TimeoutError:
        raise CredentialUnavailable(retry_after=_RETRY_AFTER) from None


@coroutine
def _rest_of(begun: Coroutine[Any, Any, Injection], waits_for: Any) -> Generator[Any, Any, Injection]:
    """A coroutine that has begun already, from where it waits."""
    try:
        while True:
            try:
                sent = yield waits_for
            except BaseException as error:  # noqa: BLE001 - as the event loop throws it in, so it is passed on
                waits_for = begun.throw(error)
            else:
                waits_for = begun.send(sent)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    finally:
        begun.close()
