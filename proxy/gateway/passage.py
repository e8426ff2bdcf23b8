"""The story of one request, and who is told of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from aiohttp.web import BaseRequest

from proxy.errors import ProxyError
from proxy.gateway.body import CallerBody
from proxy.gateway.route import Route
from proxy.schemes.base import CredentialUse


@dataclass(slots=True)
class Passage:
    """What became of one request, for the log and the metrics; filled in on the way."""

    method: str
    started: float
    client: str | None = None
    route: Route | None = None
    status: int = 0
    error: ProxyError | None = None
    credential: CredentialUse = "none"
    repeats: int = 0
    repeat_reason: str = ""
    answered: float = 0.0
    request_bytes: int = 0
    response_bytes: int = 0
    body: CallerBody | None = field(default=None, repr=False)


class Witness(Protocol):
    """Told of every request; `now` is a reading of time.monotonic (uvloop's own clock stands still within a turn)."""

    def began(self, route: Route) -> None:
        """A request was found to belong to this route; `ended` follows, whatever becomes of it."""

    def ended(self, passage: Passage, now: float) -> None:
        """It is over; also for those that belonged to no route."""


@dataclass(frozen=True, slots=True)
class Done:
    """Tells aiohttp's connection that the answer is written already."""

    keep_alive: bool

    async def prepare(self, request: BaseRequest) -> None:
        pass

    async def write_eof(self) -> None:
        pass
