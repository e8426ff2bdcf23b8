"""What an operator may have done, beside looking; and what is said of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

# renewed: there is a new token. under_way: it takes its time. failed: no new token. held_back: the last attempt failed
# a moment ago, or the login endpoint asked for time. dropped: forgotten here; the vendor was not told.
TokenOutcome = Literal["renewed", "under_way", "failed", "held_back", "dropped"]


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """What became of a reload. With `errors` the old configuration stays, and the other figures are its own.

    Errors and warnings have `file`, `line`, `column`, `path` and `message`, and no value.
    """

    errors: tuple[dict[str, str | int], ...] = ()
    warnings: tuple[dict[str, str | int], ...] = ()
    routes: int = 0
    providers: int = 0


@dataclass(frozen=True, slots=True)
class TokenReport:
    """What became of a provider's token; `error` is one of our own texts."""

    provider: str
    outcome: TokenOutcome
    error: str | None = None
    next_attempt_in: float | None = None


Reload = Callable[[], Awaitable[ReloadReport]]
# For the provider of a name; None if there is none, or it has no token.
TokenAction = Callable[[str], Awaitable[TokenReport | None]]


@dataclass(frozen=True, slots=True)
class Actions:
    """Those that are possible."""

    reload: Reload | None = None
    refresh: TokenAction | None = None
    drop: TokenAction | None = None
