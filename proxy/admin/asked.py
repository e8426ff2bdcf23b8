"""What somebody asks of the admin listener, and what there is to be asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

from proxy.wire.aiohttp_parts import BaseRequest, StreamResponse

READ = ("GET", "HEAD")
CHANGE = ("POST",)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that may be answered. `query` is as it came; `port` is the listener's, None for a socket file."""

    request: BaseRequest
    query: str
    port: int | None

    def parameters(self, name: str) -> list[str] | None:
        """The values of a parameter; None if it is absent."""
        return parse_qs(self.query, keep_blank_values=True).get(name)

    def parameter(self, name: str) -> str:
        """Its one value, "" if there is none or several."""
        values = self.parameters(name) or [""]
        return values[0] if len(values) == 1 else ""


@dataclass(frozen=True, slots=True)
class Resource:
    """Which methods it takes, and whether it asks for the admin token, or a session that this opened."""

    answer: Callable[[Asked], Awaitable[StreamResponse]]
    methods: tuple[str, ...] = READ
    needs_token: bool = False
