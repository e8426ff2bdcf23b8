"""What many unit tests need."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One that does not run: for what only has to belong to one."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()
