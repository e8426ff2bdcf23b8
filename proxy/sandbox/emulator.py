"""The machinery under every emulator: a loopback server, a journal, faults on request, a clock.

An emulator promises to judge the bytes that arrived, to journal every request with its verdict, and to answer in its
vendor's own shape. It knows nothing of the proxy that may stand before it.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Protocol

from proxy.sandbox.server import RawServer
from proxy.sandbox.wire import CUT_SHORT, Answer, Received, Refused, Where

TryIt = tuple[str, str, dict[str, str], bytes]


class WallClock(Protocol):
    def wall(self) -> float:
        """Seconds since the epoch."""


class SystemTime:
    def wall(self) -> float:
        return time.time()


@dataclass
class Fault:
    """An answer that stands in for the emulator's own; `after`: its work is done first, and its answer is lost."""

    answer: Answer
    where: Where
    after: bool
    remaining: int


class Emulator(ABC):
    """One vendor on one port. Subclasses say what a login is, and answer or raise `Refused`.

    `hold` and `hold_logins` are events: while one is clear, requests (all of them; only logins) wait unanswered.
    """

    name: ClassVar[str]
    # The path under which the demo offers it.
    route: ClassVar[str]
    try_it: ClassVar[TryIt]
    # Where it speaks GraphQL over WebSocket, if it does.
    subscriptions_path: ClassVar[str | None] = None

    def __init__(
        self,
        *,
        clock: WallClock | None = None,
        token_lifetime: float = 30.0,
        host: str = "127.0.0.1",
        port: int = 0,
        credentials: Mapping[str, str] | None = None,
    ) -> None:
        self.clock = clock or SystemTime()
        self.token_lifetime = token_lifetime
        self.credentials = {**self.generate_credentials(), **(credentials or {})}
        self.requests: list[Received] = []
        self.breaches: list[str] = []
        self.logins = 0
        self.hold = asyncio.Event()
        self.hold_logins = asyncio.Event()
        self.hold.set()
        self.hold_logins.set()
        self._faults: deque[Fault] = deque()
        self._server = RawServer(self._receive, host, port)

    @staticmethod
    @abstractmethod
    def generate_credentials() -> dict[str, str]:
        """New demo secrets; the constructor's `credentials` go over them."""

    @abstractmethod
    def is_login(self, received: Received) -> bool:
        """Is this request for a token, rather than for the API?"""

    @abstractmethod
    def answer(self, received: Received) -> Answer:
        """Judge the request and answer it; raises `Refused`."""

    @abstractmethod
    def refusal(self, refused: Refused) -> Answer:
        """The vendor's own answer for a refusal; it tells less than the reason."""

    @abstractmethod
    def revoke_tokens(self) -> None:
        """All live access tokens die at once."""

    @abstractmethod
    def provider_config(self) -> dict[str, Any]:
        """The configuration entry of a provider that reaches this emulator."""

    @property
    def authority(self) -> str:
        return self._server.authority

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end; complete once started."""
        return f"http://{self.authority}"

    @property
    def login_requests(self) -> list[Received]:
        """Every attempt at a token, refused and faulted ones too."""
        return [received for received in self.requests if received.where == "login"]

    @property
    def api_requests(self) -> list[Received]:
        return [received for received in self.requests if received.where == "api"]

    def fail_next(
        self,
        count: int = 1,
        *,
        status: int | None = 500,
        where: Where = "api",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        after: bool = False,
    ) -> None:
        """Let the next `count` requests get this answer instead; status None cuts the connection without one.

        `after` lets the emulator do its work first, so that only its answer is lost.
        """
        answer = Answer(cut=True) if status is None else Answer(status, body, dict(headers or {}))
        self._faults.append(Fault(answer, where, after, count))

    async def start(self) -> None:
        """Listen; the port stays the same over a stop and another start."""
        await self._server.start()

    async def stop(self) -> None:
        """Close the port and every connection."""
        await self._server.stop()

    async def __aenter__(self) -> Any:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _receive(self, received: Received) -> Answer:
        received.where = "login" if self.is_login(received) else "api"
        self.requests.append(received)
        if received.verdict == CUT_SHORT:
            return Answer(cut=True)
        await self.hold.wait()
        if received.where == "login":
            await self.hold_logins.wait()
        return self._decide(received)

    def _decide(self, received: Received) -> Answer:
        for name in ("Proxy-Authorization", "X-AuthProxy-Token"):
            if received.values(name):
                self.breaches.append(f"{name} reached the vendor")
        fault = self._next_fault(received.where)
        answer = self._judge(received) if fault is None or fault.after else fault.answer
        if fault is not None:
            answer, received.verdict = fault.answer, "fault"
        received.status = 0 if answer.cut else answer.status
        return answer

    def _judge(self, received: Received) -> Answer:
        try:
            answer = self.answer(received)
        except Refused as refused:
            received.verdict = refused.reason
            if refused.breach:
                self.breaches.append(refused.reason)
            return self.refusal(refused)
        received.verdict = "ok"
        return answer

    def _next_fault(self, where: Where) -> Fault | None:
        fault = next((each for each in self._faults if each.where == where), None)
        if fault is not None:
            fault.remaining -= 1
            if fault.remaining <= 0:
                self._faults.remove(fault)
        return fault
