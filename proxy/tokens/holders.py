"""Who is under way with which token, for vendors where a new token kills the one before it."""

from __future__ import annotations

import asyncio
from collections import Counter


class Holders:
    """Counts the requests that go with each generation of a token, from before they are sent until they are judged."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._awaited: tuple[int, asyncio.Event] | None = None

    def add(self, generation: int) -> None:
        self._counts[generation] += 1

    def remove(self, generation: int) -> None:
        if self._counts[generation] > 1:
            self._counts[generation] -= 1
            return
        del self._counts[generation]
        if self._awaited is not None and self._awaited[0] == generation:
            self._awaited[1].set()

    def dismiss(self) -> None:
        """The token is dead: whoever waits need not wait any longer."""
        if self._awaited is not None:
            self._awaited[1].set()

    def __getitem__(self, generation: int) -> int:
        return self._counts.get(generation, 0)

    async def gone(self, generation: int, seconds: float) -> None:
        """Wait until no request goes with this generation, so many seconds at the most. For one waiter at a time."""
        if not self[generation]:
            return
        event = asyncio.Event()
        self._awaited = (generation, event)
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            pass  # They will meet a dead token, and be sent once more with its successor.
        finally:
            self._awaited = None
