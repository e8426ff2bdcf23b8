"""/events: what happens, to the status pages that are open, as server-sent events.

The page asks with `fetch`, since an EventSource could not send the header that a session needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from proxy.admin.answers import TOO_MANY_PAGES, refusal, stream
from proxy.admin.asked import Asked, Resource
from proxy.admin.news import News
from proxy.admin.status import StatusSnapshot
from proxy.journal.pulse import Pulse
from proxy.wire.aiohttp_parts import StreamResponse

MOST_PAGES = 8
_LOOK_SECONDS = 0.25
# A page that takes nothing for so long is gone.
_STALLED_SECONDS = 30.0
# A comment now and then shows to both sides that the other is there.
_QUIET_LOOKS = 40


class Events:
    def __init__(self, status: Callable[[], StatusSnapshot], pulse: Pulse, wall: Callable[[], float]) -> None:
        self._status = status
        self._pulse = pulse
        self._wall = wall
        self._pages: set[asyncio.Transport] = set()
        self._ended = asyncio.Event()

    @property
    def resources(self) -> dict[str, Resource]:
        return {"/events": Resource(self._events, ("GET",), needs_token=True)}

    async def _events(self, asked: Asked) -> StreamResponse:
        """`?after=` is the number of the last request that the page knows of."""
        transport = asked.request.transport
        if len(self._pages) >= MOST_PAGES or transport is None:
            return refusal(TOO_MANY_PAGES)
        after = asked.parameter("after")
        news = News(self._status, self._pulse, self._wall, int(after) if after.isdecimal() and len(after) < 18 else 0)
        response = stream("text/event-stream")
        self._pages.add(transport)
        try:
            await response.prepare(asked.request)
            await self._tell(news, response)
        except (ConnectionError, TimeoutError):
            pass  # The page was closed, or stalls.
        finally:
            self._pages.discard(transport)
        transport.abort()
        return response

    def end(self) -> None:
        """Hang up on every page, at once."""
        self._ended.set()
        for transport in self._pages:
            transport.abort()

    async def _tell(self, news: News, response: StreamResponse) -> None:
        quiet = 0
        while not self._ended.is_set():
            told = "".join([f"event: {name}\ndata: {text}\n\n" for name, text in news.look()])
            quiet = 0 if told else quiet + 1
            if quiet == _QUIET_LOOKS:
                told, quiet = ": nothing new\n\n", 0
            if told:
                async with asyncio.timeout(_STALLED_SECONDS):
                    await response.write(told.encode())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _LOOK_SECONDS)
