"""Whether a store works: every failure is counted, and only a change is worth a line in the log."""

from __future__ import annotations

import logging

from proxy.tokens.observer import StoreObserver

log = logging.getLogger("authproxy.tokens.store")


class StoreHealth:
    """`trouble` is what the last use failed of; None while it works."""

    def __init__(self, kind: str, observer: StoreObserver) -> None:
        self.trouble: str | None = None
        self._kind = kind
        self._observer = observer
        observer.begin(kind)

    def failed(self, operation: str, cause: str) -> None:
        """`cause` in our own words."""
        self._observer.failed(self._kind, operation)
        if self.trouble is None:
            log.warning("the token store (%s) fails: %s", self._kind, cause, extra={"operation": operation})
        self.trouble = cause

    def worked(self) -> None:
        if self.trouble is not None:
            self.trouble = None
            self._observer.worked(self._kind)
            log.info("the token store (%s) works again", self._kind)
