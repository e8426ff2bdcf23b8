"""When to try a failed login again; decided without I/O.

| outcome | pause |
|---|---|
| refused | 60, 120, 300, then 900 s: each attempt may count towards a lock-out |
| 429 with Retry-After | what it says, 1 s to 15 min |
| all else | full jitter: anything up to 0.5 s, doubling to 30 s |
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf

from proxy.tokens.failure import LoginFailure, Outcome

REFUSED_PAUSES = (60.0, 120.0, 300.0, 900.0)
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
SHORTEST_WISH = 1.0
LONGEST_WISH = 900.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """`outcome` is the last attempt's. No attempt is made before `until`, a reading of `Clock.now()`."""

    outcome: Outcome = "ok"
    cause: str | None = None
    until: float = -inf
    refusals: int = 0
    troubles: int = 0

    def holds(self, now: float) -> bool:
        return now < self.until

    def retry_after(self, now: float) -> int:
        """Whole seconds until the next attempt, one at the least."""
        return max(1, ceil(self.until - now)) if self.until > now else 1


def after_failure(before: Backoff, failure: LoginFailure, now: float, jitter: float) -> Backoff:
    """`jitter` is in [0, 1)."""
    refusals, troubles = before.refusals, before.troubles
    if failure.outcome == "refused":
        pause = REFUSED_PAUSES[min(refusals, len(REFUSED_PAUSES) - 1)]
        refusals += 1
    else:
        # The exponent is bounded: 2**1024 is no float any more.
        pause = jitter * min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(troubles, 16))
        troubles += 1
        if failure.retry_after is not None:
            pause = min(max(failure.retry_after, SHORTEST_WISH), LONGEST_WISH)
    return Backoff(failure.outcome, failure.cause, now + pause, refusals, troubles)
