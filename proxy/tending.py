"""What is done every second, and now and then, for as long as the proxy runs."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import count

from proxy.allocator import give_back
from proxy.clock import Clock
from proxy.journal.pulse import Pulse
from proxy.tokens.cache import TokenCache

_SWEEP_SECONDS = 10


class Tending:
    def __init__(self, pulse: Pulse, tokens: TokenCache, clock: Clock) -> None:
        self._pulse = pulse
        self._tokens = tokens
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._tend(), name="authproxy tending")

    async def aclose(self) -> None:
        """Do no more of it. Does nothing if it was not started."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _tend(self) -> None:
        for seconds in count(1):
            await asyncio.sleep(1)
            self._pulse.beat(self._clock.wall())
            if seconds % _SWEEP_SECONDS == 0:
                self._tokens.sweep()
                give_back()
