"""What a login gives, and what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from proxy.secret import Secret


@dataclass(frozen=True, slots=True)
class Grant:
    """The outcome of one login or refresh. `lifetime` is in seconds from before the request was sent; inf is for ever."""

    token: Secret
    lifetime: float
    refresh_token: Secret | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A credential in use. Times are readings of `Clock.now()`; `generation` counts up by one per fetch."""

    value: Secret
    generation: int
    obtained_at: float
    refresh_at: float
    expires_at: float = inf


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """What the provider's configuration says of its tokens; seconds.

    `lifetime` holds for tokens that do not tell their own. `refresh_margin` is how long before expiry a
    refresh begins; None chooses a fifth of the lifetime, a minute at the most.
    """

    lifetime: float | None = None
    refresh_margin: float | None = None
    single_live: bool = False
