"""The signals that end this process."""

from __future__ import annotations

import asyncio
import signal

_ENDING = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """The first of them says that it is to end, another one that it is to end at once."""

    def __init__(self) -> None:
        self.is_wanted, self.is_urgent = asyncio.Event(), asyncio.Event()

    def heed(self) -> None:
        """From now on; to be called before anybody can know of this process, who may want to end it, too."""
        loop = asyncio.get_running_loop()
        for number in _ENDING:
            loop.add_signal_handler(number, self._told)

    def disregard(self) -> None:
        """At its end the loop would leave them to the system, which ends a process as if it had failed."""
        loop = asyncio.get_running_loop()
        for number in _ENDING:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)

    def _told(self) -> None:
        (self.is_urgent if self.is_wanted.is_set() else self.is_wanted).set()
