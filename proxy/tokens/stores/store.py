"""Where tokens are kept beyond one login, and who may log in; and the plainest such store, this process's memory.

Whoever wants a new token takes a turn. A turn shows what is stored, and its owner alone may log in and write. Where
several processes share a store, waiting for a turn ends early when somebody else has stored a newer token.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from proxy.tokens.stores.entry import Entry


class StoreTrouble(Exception):
    """Base of all. `cause` is in our own words: nothing that is stored, and no exception's text."""

    def __init__(self, cause: str, retry_after: float | None = None) -> None:
        super().__init__(cause)
        self.cause = cause
        self.retry_after = retry_after


class StoreUnavailable(StoreTrouble):
    """It cannot be read or written at the moment. What was to be written may have been, or not."""


class StoreRefused(StoreTrouble):
    """It cannot be used at all until a person has mended something."""


class TurnLost(StoreTrouble):
    """Another process has taken over: what this one wanted to write was not written."""


# In seconds: the hour of the login budget, and the longest pause after it.
SETBACK_KEPT = 4500.0


@dataclass(frozen=True, slots=True)
class Setback:
    """That the last login failed, in words that the store does not read, and the seconds since it was noted."""

    text: str
    age: float


async def _nowhere(what: object) -> None:
    """There is nowhere to write it to."""


@dataclass(frozen=True, slots=True)
class Turn:
    """`write` replaces the entry; raises StoreUnavailable or TurnLost. Only an owner may call it.

    While the serial stays the same the token does too, and its age goes on from where it was. An owner may also
    `note` a setback, for whoever has the next turn; it raises the same, and an entry with a higher serial ends it.
    """

    entry: Entry | None
    is_owner: bool
    write: Callable[[Entry], Awaitable[None]]
    setback: Setback | None = None
    note: Callable[[str], Awaitable[None]] = _nowhere


class TokenStore(Protocol):
    @property
    def kind(self) -> str:
        """`memory`, `file` or `redis`."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes use it at the same time."""

    @property
    def trouble(self) -> str | None:
        """What the last attempt to use it failed of; None if it works."""

    def turn(self, key: str, after: int) -> AbstractAsyncContextManager[Turn]:
        """Wait for the turn of this credential, or for an entry with a serial above `after`.

        Raises StoreUnavailable, or LoginUnavailable if another process has been at it for too long.
        """

    def retire(self, key: str) -> None:
        """No configuration of this process has this credential any more; what outlives the process stays."""

    def tend(self) -> None:
        """Do what was left undone; to be called now and then, in a running event loop."""

    async def aclose(self) -> None:
        """Write what is unwritten, and let go of it."""


class MemoryStore:
    """Ends with the process. Access tokens are not its business: the cache has them, and sweeps them."""

    kind = "memory"
    is_shared = False
    trouble = None

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    @asynccontextmanager
    async def turn(self, key: str, after: int) -> AsyncIterator[Turn]:
        async def write(entry: Entry) -> None:
            self._entries[key] = replace(entry, token=None)

        yield Turn(self._entries.get(key), True, write)

    def retire(self, key: str) -> None:
        """Nobody will ask for it again."""
        self._entries.pop(key, None)

    def tend(self) -> None:
        """Nothing is ever left undone."""

    async def aclose(self) -> None:
        self._entries.clear()


# What is left when the store is away: one knows of nothing, and may log in.
ALONE = Turn(None, True, _nowhere)
