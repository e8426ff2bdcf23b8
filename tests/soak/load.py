"""Requests at a steady rate over kept connections, each answer looked at; light enough to share a core with a vendor."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

TICK = 0.005
# Sooner than the proxy closes a connection that nothing comes on.
LONGEST_IDLE = 5.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_ERROR = re.compile(rb"\r\nx-authproxy-error: *([a-z_]+)\r\n", re.IGNORECASE)
_RETRY_AFTER = re.compile(rb"\r\nretry-after: *(\d+)\r\n", re.IGNORECASE)

Make = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """`at` and `seconds` count from the moment at which the request was due; `error` is the proxy's own code."""

    at: float
    seconds: float
    status: int
    error: str = ""
    retry_after: int | None = None


BROKEN = 0


@dataclass
class Tally:
    """All answers of one load, in the order in which they came."""

    answers: list[Answer] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def kinds(self) -> Counter[str]:
        """How many there were of each status; with the code behind it where the proxy spoke."""
        return Counter(f"{answer.status} {answer.error}".strip() for answer in self.answers)

    @property
    def rate(self) -> float:
        return len(self.answers) / self.seconds

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share of the answers came."""
        ordered = sorted(answer.seconds for answer in self.answers)
        return 1000 * ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class Load:
    """`port` is the proxy's. `make` gives the bytes of the request of a number."""

    def __init__(self, port: int, make: Make) -> None:
        self.tally = Tally()
        self._port = port
        self._make = make
        self._idle: list[_Connection] = []
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._connections = 0
        self._under_way = 0
        self._sent = 0

    async def at_once(self, count: int) -> Tally:
        """So many requests in one moment, each on a connection of its own."""
        await self._connect(count)
        began = perf_counter()
        for _ in range(count):
            self._send(began)
        await self._end(began)
        return self.tally

    async def at_rate(self, rate: float, seconds: float, connections: int = 64) -> Tally:
        """A steady rate, whatever becomes of the requests: those that find no free connection wait for one."""
        await self._connect(connections)
        began = perf_counter()
        while (now := perf_counter()) - began < seconds:
            while self._sent < (now - began) * rate:
                self._send(began + self._sent / rate)
            await asyncio.sleep(TICK)
        await self._end(began)
        return self.tally

    async def _connect(self, count: int) -> None:
        loop = asyncio.get_running_loop()
        self._connections = max(self._connections, count)
        for _ in range(count):
            _, connection = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)
            self._idle.append(connection)

    async def _end(self, began: float) -> None:
        async with asyncio.timeout(60):
            while self._under_way:
                await asyncio.sleep(TICK)
        self.tally.seconds = perf_counter() - began
        for connection in self._idle:
            connection.close()

    def _send(self, due: float) -> None:
        self._waiting.append((due, self._make(self._sent)))
        self._sent += 1
        self._under_way += 1
        # The one that was used last: the others may age.
        while self._idle:
            connection = self._idle.pop()
            if due - connection.idle_since < LONGEST_IDLE:
                return connection.ask(*self._waiting.popleft())
            connection.close()
        if self._under_way > self._connections:
            return None
        return self._replace()

    def answered(self, connection: _Connection, answer: Answer) -> None:
        self._under_way -= 1
        self.tally.answers.append(answer)
        if not connection.is_open:
            self._replace()
        elif self._waiting:
            connection.ask(*self._waiting.popleft())
        else:
            self._idle.append(connection)

    def lost(self, connection: _Connection) -> None:
        """The proxy closed one that nothing was asked on."""
        if connection in self._idle:
            self._idle.remove(connection)

    def _replace(self) -> None:
        task = asyncio.get_running_loop().create_task(self._connect_for_waiting())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect_for_waiting(self) -> None:
        await self._connect(1)
        if self._waiting:
            self._idle.pop().ask(*self._waiting.popleft())


class _Connection(asyncio.Protocol):
    """Asks, and hands the answer over when it is whole; one that breaks off counts with status 0."""

    def __init__(self, load: Load) -> None:
        self.is_open = True
        self.idle_since = perf_counter()
        self._load = load
        self._due: float | None = None
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, due: float, octets: bytes) -> None:
        self._due = due
        self._transport.write(octets)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head = self._seen.find(b"\r\n\r\n")
        if head < 0 or (length := _LENGTH.search(self._seen, 0, head + 2)) is None:
            return
        if len(self._seen) < head + 4 + int(length[1]):
            return
        error = _ERROR.search(self._seen, 0, head + 2)
        wish = _RETRY_AFTER.search(self._seen, 0, head + 2)
        self.is_open = b"\r\nconnection: close\r\n" not in self._seen[: head + 2].lower()
        self._hand_over(int(self._seen[9:12]), error[1].decode() if error else "", int(wish[1]) if wish else None)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        if self._due is not None:
            self._hand_over(BROKEN)
        else:
            self._load.lost(self)

    def _hand_over(self, status: int, error: str = "", retry_after: int | None = None) -> None:
        assert self._due is not None, "an answer without a request"
        now = perf_counter()
        answer = Answer(now, now - self._due, status, error, retry_after)
        self._due, self._seen, self.idle_since = None, b"", now
        self._load.answered(self, answer)
