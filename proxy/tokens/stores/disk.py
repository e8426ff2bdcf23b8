"""Work on a disk, one piece after the other, and bounded in how long anybody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Lock

from proxy.background import in_background


class Disk:
    """What takes longer than `seconds` goes on by itself, and until it has ended no more is taken on."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._turn = Lock()
        self._last: asyncio.Task[None] | None = None
        self._is_slow = False

    @property
    def is_stuck(self) -> bool:
        return self._is_slow and self._last is not None and not self._last.done()

    async def run(self, work: Callable[[], None]) -> None:
        """Do it, off the event loop. Raises OSError, or TimeoutError."""
        if self.is_stuck:
            raise TimeoutError

        def in_turn() -> None:
            with self._turn:
                work()

        task = self._last = asyncio.create_task(in_background(in_turn))
        await asyncio.wait((task,), timeout=self._seconds)
        self._is_slow = not task.done()
        if self._is_slow:
            task.add_done_callback(_told)
            raise TimeoutError
        task.result()


def _told(task: asyncio.Task[None]) -> None:
    """Nobody waits for its outcome any more, and an error that nobody takes note of would be logged."""
    if not task.cancelled():
        task.exception()
