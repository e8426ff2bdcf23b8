"""What the vendor's answers say of a token, and what follows from it; decided without I/O.

Rules:
- A rejection of an older token than the current one costs a replay with the current one, and no fetch.
- The first rejection of a token drops it; so does the rejection of one that the vendor had accepted.
- A token fetched because of a rejection and rejected itself, before it was ever accepted, starts a cool-down:
  the vendor's answer goes to the caller and the token stays in use, since fetching again does not help.
- So do a few such tokens in a row that were accepted by one caller and rejected to another within seconds: some
  part of the API answers as if the token were dead, whatever token it sees.
- A token that the vendor had accepted and that dies when its time is almost over has died of age: nothing follows.
- Cool-downs double. A token that served for long, or that was accepted and then renewed because of its age, ends
  the series. One that was only rejected, and lately, does not: its successor cools down at its first rejection.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

FIRST_COOL_DOWN = 30.0
LONGEST_COOL_DOWN = 900.0
QUICK_DEATH = 30.0
QUICK_DEATHS_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """`generation` is the current token's, 0 before the first. Times are readings of `Clock.now()`."""

    generation: int = 0
    since: float = -inf
    was_accepted: bool = False
    follows_rejection: bool = False
    was_dropped: bool = False
    died_of_age: bool = False
    has_cooled: bool = False
    cool_downs: int = 0
    cool_until: float = -inf
    quick_deaths: int = 0

    def is_cooling(self, now: float) -> bool:
        return now < self.cool_until


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the request may be replayed, and whether the current token is to be forgotten."""

    replay: bool
    drop: bool = False


def follows_rejection(standing: Standing, now: float) -> bool:
    """Whether the next token is fetched because of rejections. A fetch while cooling down does not clear the record."""
    was_rejected = standing.was_dropped and not standing.died_of_age
    return was_rejected or standing.is_cooling(now) or _only_met_rejections(standing, now)


def renewed(standing: Standing, now: float) -> Standing:
    """After a fetch."""
    if follows_rejection(standing, now):
        return _next(standing, now, follows_rejection=True)
    return Standing(generation=standing.generation + 1, since=now)


def adopted(standing: Standing, now: float, *, follows_rejection: bool) -> Standing:
    """After another process's newer token was found in the store, which explains the rejection of the older one.

    So it is as good as any, and its first rejection drops it, unless that process had fetched it because of the same
    rejections (`follows_rejection`); and the record of cool-downs stands.
    """
    return _next(standing, now, follows_rejection=follows_rejection)


def _next(standing: Standing, now: float, *, follows_rejection: bool) -> Standing:
    """A token of which nothing is known yet, behind what is known of those before it."""
    return replace(
        standing,
        generation=standing.generation + 1,
        since=now,
        was_accepted=False,
        follows_rejection=follows_rejection,
        was_dropped=False,
        died_of_age=False,
        has_cooled=False,
    )


def accepted(standing: Standing, generation: int) -> Standing:
    """After an answer that shows the token alive."""
    if generation != standing.generation or standing.was_accepted:
        return standing
    return replace(standing, was_accepted=True)


def rejected(
    standing: Standing, generation: int, now: float, *, is_at_its_end: bool = False
) -> tuple[Verdict, Standing]:
    """After an answer that says the token died; `is_at_its_end` if it had not long to live anyway."""
    if generation < standing.generation or standing.was_dropped:
        return Verdict(replay=True), standing
    if standing.is_cooling(now):
        return Verdict(replay=False), standing
    if is_at_its_end and standing.was_accepted:
        return _drop(replace(standing, died_of_age=True))
    if not standing.follows_rejection or standing.has_cooled:
        return _drop(standing)
    if not standing.was_accepted:
        return _cool_down(standing, now)
    if now - standing.since > LONGEST_COOL_DOWN:
        return _drop(replace(standing, cool_downs=0, quick_deaths=0))
    if now - standing.since > QUICK_DEATH:
        return _drop(replace(standing, quick_deaths=0))
    if standing.quick_deaths + 1 >= QUICK_DEATHS_IN_A_ROW:
        return _cool_down(standing, now)
    return _drop(replace(standing, quick_deaths=standing.quick_deaths + 1))


def _only_met_rejections(standing: Standing, now: float) -> bool:
    is_recent = now - standing.cool_until <= LONGEST_COOL_DOWN
    return standing.has_cooled and not standing.was_accepted and is_recent


def _drop(standing: Standing) -> tuple[Verdict, Standing]:
    return Verdict(replay=True, drop=True), replace(standing, was_dropped=True)


def _cool_down(standing: Standing, now: float) -> tuple[Verdict, Standing]:
    length = min(FIRST_COOL_DOWN * 2**standing.cool_downs, LONGEST_COOL_DOWN)
    return Verdict(replay=False), replace(
        standing, cool_downs=standing.cool_downs + 1, cool_until=now + length, has_cooled=True, quick_deaths=0
    )
