"""When to try a failed login again; decided without I/O.

| outcome | pause |
|---|---|
| refused | 60, 120, 300, then 900 s, and never more than five refusals within an hour |
| 429 with Retry-After | what it says, 1 s to 15 min |
| all else | full jitter: anything up to 0.5 s, doubling to 30 s |

Each refused login may count towards a lock-out of the account, which is why they have a budget. A login that
succeeds shows the credential to be good and ends the count, as it does at the vendor. Processes that share a store
share one such record, in the form of `to_text`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import Any

from proxy.tokens.failure import LoginFailure, Outcome

REFUSALS_AN_HOUR = 5
HOUR = 3600.0
REFUSED_PAUSES = (60.0, 120.0, 300.0, 900.0)
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
SHORTEST_WISH = 1.0
LONGEST_WISH = 900.0
# Two processes that tell of one refusal differ by its way through their store. Two in a row are a minute apart.
SAME_REFUSAL = 10.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """`outcome` is the last attempt's. No attempt is made before `until`, a reading of `Clock.now()`.

    `refused_at` are the readings at the latest refusals, as many as the budget has.
    """

    outcome: Outcome = "ok"
    cause: str | None = None
    until: float = -inf
    refusals: int = 0
    troubles: int = 0
    refused_at: tuple[float, ...] = ()

    def holds(self, now: float) -> bool:
        return now < self.until

    def refusals_left(self, now: float) -> int:
        """What is left of this hour's budget."""
        return REFUSALS_AN_HOUR - sum(at + HOUR > now for at in self.refused_at)

    def retry_after(self, now: float) -> int:
        """Whole seconds until the next attempt, one at the least."""
        return max(1, ceil(self.until - now)) if self.until > now else 1

    @property
    def within_budget(self) -> Backoff:
        """What is left of it for whoever begins anew: no pause but the one that the budget asks for."""
        return replace(self, until=_budget_allows_from(self.refused_at), refusals=0, troubles=0)


def combined(one: Backoff, other: Backoff) -> Backoff:
    """What two processes know of the same credential: in each respect what asks for more patience counts.

    Refusals of which one of them alone knows count as well, however many older ones the other remembers.
    """
    later = max(one, other, key=lambda record: record.until)
    refused_at = _known_to_either(one.refused_at, other.refused_at)
    return replace(
        later,
        until=max(later.until, _budget_allows_from(refused_at)),
        refusals=max(one.refusals, other.refusals),
        troubles=max(one.troubles, other.troubles),
        refused_at=refused_at,
    )


def to_text(backoff: Backoff, now: float) -> str:
    """JSON, its times in seconds from now on, which mean something to a process with another clock."""
    return json.dumps(
        {
            "outcome": backoff.outcome,
            "cause": backoff.cause,
            "until": max(backoff.until - now, 0.0),
            "refusals": backoff.refusals,
            "troubles": backoff.troubles,
            "refused_at": [moment - now for moment in backoff.refused_at],
        }
    )


def from_text(text: str, noted_at: float) -> Backoff:
    """The reverse, for a text made at this reading of the clock. Raises ValueError for what `to_text` has not made."""
    document: Any = json.loads(text)
    try:
        return Backoff(
            outcome=document["outcome"],
            cause=document["cause"],
            until=noted_at + document["until"],
            refusals=int(document["refusals"]),
            troubles=int(document["troubles"]),
            refused_at=tuple(noted_at + moment for moment in document["refused_at"]),
        )
    except (KeyError, TypeError):
        raise ValueError("not the record of a failure") from None


def after_failure(before: Backoff, failure: LoginFailure, now: float, jitter: float) -> Backoff:
    """`jitter` is in [0, 1)."""
    if failure.outcome == "refused":
        return _after_refusal(before, failure, now)
    # The exponent is bounded: 2**1024 is no float any more.
    pause = jitter * min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(before.troubles, 16))
    if failure.retry_after is not None:
        pause = min(max(failure.retry_after, SHORTEST_WISH), LONGEST_WISH)
    until = max(now + pause, _budget_allows_from(before.refused_at))
    return Backoff(failure.outcome, failure.cause, until, before.refusals, before.troubles + 1, before.refused_at)


def _after_refusal(before: Backoff, failure: LoginFailure, now: float) -> Backoff:
    refused_at = (*before.refused_at, now)[-REFUSALS_AN_HOUR:]
    pause = REFUSED_PAUSES[min(before.refusals, len(REFUSED_PAUSES) - 1)]
    until = max(now + pause, _budget_allows_from(refused_at))
    return Backoff(failure.outcome, failure.cause, until, before.refusals + 1, before.troubles, refused_at)


def _budget_allows_from(refused_at: tuple[float, ...]) -> float:
    """From when on one more refusal would still be within the budget."""
    return refused_at[0] + HOUR if len(refused_at) == REFUSALS_AN_HOUR else -inf


def _known_to_either(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, ...]:
    """The latest of all, as many as the budget has. What both tell of counts once, at the later of its two moments."""
    moments: list[float] = []
    while one and other:
        if abs(one[0] - other[0]) < SAME_REFUSAL:
            moments.append(max(one[0], other[0]))
            one, other = one[1:], other[1:]
        elif one[0] < other[0]:
            moments.append(one[0])
            one = one[1:]
        else:
            moments.append(other[0])
            other = other[1:]
    return tuple(sorted((*moments, *one, *other)))[-REFUSALS_AN_HOUR:]
