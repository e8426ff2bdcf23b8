"""What one status page has not been told yet.

A page looks for news; nothing waits for it here. So one that is slow misses requests, is told how many, and costs no
more memory than any other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

from proxy.admin.documents import status_document
from proxy.admin.status import StatusSnapshot
from proxy.journal.entry import entry
from proxy.journal.journal import CLOSE_LOOKS
from proxy.journal.pulse import Pulse

# Of what went before, so much is shown to begin with.
_FIRST_REQUESTS = 200
# The state is told when it changes, and after so many looks, so that nobody counts down from what is long over.
_LOOKS_AT_MOST = 20


class News:
    """`after` is the number of the last request that the page knows of; 0 for none."""

    def __init__(
        self, status: Callable[[], StatusSnapshot], pulse: Pulse, wall: Callable[[], float], after: int
    ) -> None:
        self._status = status
        self._pulse = pulse
        self._wall = wall
        self._after = after
        self._is_first = True
        self._beat = 0
        self._state: object = None
        self._looks = 0

    def look(self) -> Iterator[tuple[str, str]]:
        """Events, each with its name and its JSON."""
        snapshot = self._status()
        state = _lasting(snapshot)
        self._looks += 1
        if state != self._state or self._looks >= _LOOKS_AT_MOST:
            self._state, self._looks = state, 0
            yield "status", status_document(snapshot)
        beats = self._pulse.since(self._beat)
        if beats or self._is_first:
            self._beat = beats[-1].at if beats else 0
            yield "beats", json.dumps({"beats": beats, "in_flight": snapshot.in_flight})
        requests = self._requests()
        if requests["entries"] or self._is_first:
            yield "requests", json.dumps(requests)
        self._is_first = False

    def _requests(self) -> dict[str, Any]:
        most = _FIRST_REQUESTS if self._is_first else CLOSE_LOOKS
        records, missed = self._pulse.journal.look(self._after, most)
        if records:
            self._after = records[-1].number
        wall, now = self._wall(), monotonic()
        return {"entries": [entry(record, wall, now) for record in records], "missed": missed}


def _lasting(snapshot: StatusSnapshot) -> object:
    """The state without what changes with every second."""
    return (
        [(one.name, one.state, one.generation, one.logins, one.last_error) for one in snapshot.providers],
        snapshot.routes,
        snapshot.store,
        (snapshot.started, snapshot.draining, snapshot.listen),
        snapshot.configuration.errors,
    )
