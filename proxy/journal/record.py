"""One request that is over, as the journal keeps it."""

from __future__ import annotations

from typing import NamedTuple

from proxy.errors import ProxyError


class Record(NamedTuple):
    """`number` counts those that ended, `id` is the request's in the log.

    Times are readings of time.monotonic, 0 for what was not reached; sizes are those of the bodies, in bytes.

    The way goes from `started` over `begun` (of the attempt that counted, where a body had to be waited for or another
    attempt went before), `authorized`, `sent` (there was a connection), and `answered` (the vendor's head was there) to
    `ended`. `route`, `provider` and `client` are names from the configuration. `target` is the caller's, unmasked, and
    for `shown_target` only. `removed` is what was not sent on, as (kind, name, why); None if nobody looked.
    """

    number: int
    id: str
    started: float
    begun: float
    authorized: float
    sent: float
    answered: float
    ended: float
    route: str | None
    provider: str | None
    method: str
    target: str | None
    status: int
    request_bytes: int
    response_bytes: int
    credential: str
    repeats: int
    error: type[ProxyError] | None
    client: str | None
    removed: tuple[tuple[str, str, str], ...] | None
