"""How one process holds back after failed logins, together with all that share its store.

Each failed login is noted in the store, under the turn in which it failed, so that the next one to have a turn knows of
it: however many processes there are, their logins follow one back-off and one budget. While the store is away each
follows its own. A process that holds back asks a shared store now and then all the same: another one may have a token.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from proxy.clock import Clock
from proxy.tokens.backoff import Backoff, after_failure, combined, from_text, to_text
from proxy.tokens.failure import LoginFailure
from proxy.tokens.stores.store import Setback

SECONDS_BETWEEN_LOOKS = 5.0


class Restraint:
    """`backoff` is what is known of the last attempts. `random` gives numbers in [0, 1)."""

    def __init__(self, clock: Clock, random: Callable[[], float], *, is_shared: bool) -> None:
        self.backoff = Backoff()
        self._clock = clock
        self._random = random
        self._is_shared = is_shared
        self._forgiven_at = -inf
        self._looked_at = -inf
        self._has_heard = is_shared

    @property
    def forbids_login(self) -> bool:
        return self.backoff.holds(self._clock.now())

    @property
    def allows_turn(self) -> bool:
        """Whether it is worth while to take a turn: to log in, or to see what others have."""
        now = self._clock.now()
        return not self.backoff.holds(now) or (self._is_shared and now >= self._looked_at + SECONDS_BETWEEN_LOOKS)

    def hear(self, setback: Setback | None) -> None:
        """Take note of what is in the store, in a turn that may lead to a login."""
        now = self._looked_at = self._clock.now()
        is_first, self._has_heard = not self._has_heard, True
        if setback is None:
            return
        try:
            heard = from_text(setback.text, now - setback.age)
        except ValueError:
            return
        if heard.outcome == "refused" and now - setback.age <= self._forgiven_at:
            return
        # A process that starts on a store of its own was started by somebody: what remains is the budget.
        self.backoff = combined(self.backoff, heard.within_budget if is_first else heard)

    def failed(self, failure: LoginFailure) -> str:
        """After a failed attempt: what is to be noted in the store."""
        now = self._looked_at = self._clock.now()
        self.backoff = after_failure(self.backoff, failure, now, self._random())
        return to_text(self.backoff, now)

    def succeeded(self) -> None:
        self.backoff = Backoff()

    def forgive(self) -> None:
        """Let the next login after a refusal not wait: what was refused before this moment counts no more."""
        if self.backoff.outcome == "refused":
            self.backoff = Backoff()
        self._forgiven_at = self._clock.now()
