"""The life of a token, decided without I/O: when it is due for renewal, and when it is over.

    fresh  -- refresh_at -->  due  -- expires_at -->  expired

A fresh token is used. A due one is used while another is being fetched. An expired one is never used. Two
clocks are asked. Lifetimes run on the one that nobody can set; but where that clock stands still while the
machine sleeps, the wall clock has moved on, and the later of the two counts.
"""

from __future__ import annotations

from enum import Enum
from math import inf

from proxy.tokens.token import Grant, Token, TokenPolicy

DEFAULT_MARGIN = 60.0
LARGEST_MARGIN_SHARE = 0.2
JITTER_SHARE = 0.25
# A fifth of five seconds is one login in five for nothing: below this the share shrinks with the life.
SHORT_LIFE = 30.0
# Servers that count in whole seconds end a token up to one second early.
WHOLE_SECOND = 1.0
# A request takes its time to arrive. Where no replay can be hidden behind a spare token, stop a little early.
SINGLE_LIVE_MARGIN = 2.0
SINGLE_LIVE_MARGIN_SHARE = 0.02
# Wall clocks are slewed by milliseconds all the time; only a jump spoils a token that has the time written in it.
TOLERATED_DRIFT = 5.0


class Phase(Enum):
    FRESH = "fresh"
    DUE = "due"
    EXPIRED = "expired"


def token_from(
    grant: Grant, generation: int, policy: TokenPolicy, *, obtained_at: float, obtained_wall: float, jitter: float
) -> Token:
    """The token as it will be kept. `jitter` is in [0, 1): it spreads the renewals of many proxies."""
    expires_at = obtained_at + grant.lifetime
    return Token(
        value=grant.token,
        generation=generation,
        obtained_at=obtained_at,
        refresh_at=expires_at - _margin(grant.lifetime, policy, jitter),
        expires_at=expires_at,
        obtained_wall=obtained_wall,
        is_dated=grant.is_dated,
    )


def phase(token: Token, now: float, wall: float) -> Phase:
    """Where in its life the token is at this moment."""
    drift = (wall - token.obtained_wall) - (now - token.obtained_at)
    if token.is_dated and abs(drift) > TOLERATED_DRIFT:
        return Phase.EXPIRED
    moment = now + max(drift, 0.0)
    if moment >= token.expires_at:
        return Phase.EXPIRED
    return Phase.DUE if moment >= token.refresh_at else Phase.FRESH


def is_surely_fresh(token: Token, now: float, wall: float) -> bool:
    """Whether the token is fresh by a quick look; where this says no, `phase` may still say so."""
    drift = (wall - token.obtained_wall) - (now - token.obtained_at)
    return -TOLERATED_DRIFT < drift < TOLERATED_DRIFT and now + TOLERATED_DRIFT < token.refresh_at


def is_at_its_end(token: Token, now: float) -> bool:
    """Whether a token that dies now dies of age, though a little early."""
    lifetime, rest = token.expires_at - token.obtained_at, token.expires_at - now
    return lifetime < inf and rest <= min(max(lifetime * LARGEST_MARGIN_SHARE, WHOLE_SECOND), lifetime / 2)


def _margin(lifetime: float, policy: TokenPolicy, jitter: float) -> float:
    if policy.single_live:
        return min(SINGLE_LIVE_MARGIN, lifetime * SINGLE_LIVE_MARGIN_SHARE)
    largest = lifetime * LARGEST_MARGIN_SHARE
    if policy.refresh_margin is None:
        margin = min(DEFAULT_MARGIN, largest * min(1.0, lifetime / SHORT_LIFE))
    else:
        margin = min(policy.refresh_margin, largest)
    return margin * (1 - JITTER_SHARE * jitter)
