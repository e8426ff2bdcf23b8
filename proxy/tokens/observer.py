"""Who wants to know what happens to tokens: metrics, in a running proxy; nobody, by default."""

from __future__ import annotations

from typing import Protocol

from proxy.tokens.failure import Outcome


class Observer(Protocol):
    """Calls are made from the event loop and must return at once. `provider` is a name from the configuration."""

    def fetched(self, provider: str, outcome: Outcome, seconds: float) -> None:
        """One request to a login endpoint, or one minting, ended."""

    def hit(self, provider: str) -> None:
        """A token was at hand."""

    def missed(self, provider: str) -> None:
        """A caller has to wait for a token."""

    def waiting(self, provider: str, delta: int) -> None:
        """So many callers more (or fewer) wait for a token."""

    def retried(self, provider: str, reason: str) -> None:
        """A replay is worth while: the token was `superseded` by a newer one or `dropped`, or the time was `skewed`."""

    def adopted(self, provider: str) -> None:
        """A token was taken over from the store, without a login."""


class StoreObserver(Protocol):
    """Who wants to know how a store does. `store` is its kind, `operation` is open, read, write or lease."""

    def begin(self, store: str) -> None:
        """There is a store of this kind."""

    def failed(self, store: str, operation: str) -> None:
        """It could not be used."""

    def worked(self, store: str) -> None:
        """It can be used again."""


class SilentObserver:
    """Takes no notice."""

    def fetched(self, provider: str, outcome: Outcome, seconds: float) -> None: ...
    def hit(self, provider: str) -> None: ...
    def missed(self, provider: str) -> None: ...
    def waiting(self, provider: str, delta: int) -> None: ...
    def retried(self, provider: str, reason: str) -> None: ...
    def adopted(self, provider: str) -> None: ...


class SilentStoreObserver:
    """Takes no notice."""

    def begin(self, store: str) -> None: ...
    def failed(self, store: str, operation: str) -> None: ...
    def worked(self, store: str) -> None: ...
