"""What an operator may have done, beside looking; and what is said of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """What became of a reload. With `errors` the old configuration stays, and the other figures are its own.

    Errors and warnings have `file`, `line`, `column`, `path` and `message`, and no value.
    """

    errors: tuple[dict[str, str | int], ...] = ()
    warnings: tuple[dict[str, str | int], ...] = ()
    routes: int = 0
    providers: int = 0


Reload = Callable[[], Awaitable[ReloadReport]]
