"""Where a body comes from."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Source(Protocol):
    """The connection that a body comes from."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    @property
    def transport(self) -> asyncio.Transport | None: ...


class _Ended:
    transport = None

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


# Stands in for a connection that is no more.
ENDED = _Ended()
