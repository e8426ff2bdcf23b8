"""What a login gives, and what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from proxy.secret import Secret


@dataclass(frozen=True, slots=True)
class Grant:
    """The outcome of one login or refresh. `lifetime` is in seconds from before the request was sent; inf is for ever.

    `is_dated` says that our own wall clock is written into the token, so that a jump of that clock spoils it.
    """

    token: Secret
    lifetime: float
    refresh_token: Secret | None = None
    is_dated: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """A credential in use. `generation` counts up by one per fetch.

    Times are readings of `Clock.now()`, but for `obtained_wall`, which is one of `Clock.wall()` at `obtained_at`.
    """

    value: Secret
    generation: int
    obtained_at: float
    refresh_at: float
    expires_at: float = inf
    obtained_wall: float = inf
    is_dated: bool = False


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """What the provider's configuration says of its tokens; seconds.

    `lifetime` holds for tokens that do not tell their own. `refresh_margin` is how long before expiry a
    refresh begins, a fifth of the lifetime at the most; None means a minute. With `single_live` a new token
    kills the one before it.
    """

    lifetime: float | None = None
    refresh_margin: float | None = None
    single_live: bool = False
