"""Load at a rate that does not wait for answers, and latency as callers feel it.

Callers do not wait for each other: requests are due at times drawn beforehand (a Poisson process, the same one for
every contender), are sent then on any connection that is free, on a new one if none is, and their latency counts
from when they were due. A proxy that stalls is charged for every request that was due meanwhile, so nothing is left
out by coordination between load and server. wrk and hey have one request under way per connection and measure from
when it was sent; h2load's --rps holds requests back as well.
"""

from __future__ import annotations

import gc
import random
import select
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from bench.answers import Answer
from bench.figures import percentile

# select() takes no descriptor beyond 1023.
_MOST_CONNECTIONS = 600
KEPT_AT_FIRST = 32
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class RateReport:
    """Latencies in milliseconds. `asked` counts the warm-up too.

    `lateness_ms` is the p99 of how late the load itself was, which the latencies include.
    """

    asked: int
    requests: int
    failures: int
    p50_ms: float
    p99_ms: float
    worst_ms: float
    lateness_ms: float


def run(
    port: int, head: bytes, rate: float, seconds: float, warm_up: float = 0.3, patience: float = _PATIENCE_SECONDS
) -> RateReport:
    """Ask so often for so long; what was due in the first `warm_up` seconds is not counted.

    What has no answer `patience` seconds after the last request was due has failed.
    """
    with ExitStack() as opened:
        load = _Load(port, head, opened)
        was_collecting = gc.isenabled()
        gc.disable()
        schedule = list(due_times(rate, seconds + warm_up))
        try:
            load.run(schedule, patience)
        finally:
            if was_collecting:
                gc.enable()
    counted = [latency for due, latency in load.latencies if due >= warm_up]
    return RateReport(
        len(schedule),
        len(counted),
        load.failures,
        percentile(counted or [patience], 50) * 1e3,
        percentile(counted or [patience], 99) * 1e3,
        max(counted, default=patience) * 1e3,
        percentile(load.lateness, 99) * 1e3,
    )


def due_times(rate: float, seconds: float) -> Iterator[float]:
    arrivals = random.Random(1)  # noqa: S311
    due = arrivals.expovariate(rate)
    while due < seconds:
        yield due
        due += arrivals.expovariate(rate)


class _Load:
    def __init__(self, port: int, head: bytes, opened: ExitStack) -> None:
        self._port = port
        self._head = head
        self._opened = opened
        self._idle: deque[socket.socket] = deque()
        self._busy: dict[socket.socket, tuple[float, Answer]] = {}
        self._count = 0
        self.latencies: list[tuple[float, float]] = []
        self.lateness: list[float] = []
        self.failures = 0
        for _ in range(KEPT_AT_FIRST):
            self._idle.append(self._connect())

    def run(self, schedule: list[float], patience: float) -> None:
        waiting = deque(schedule)
        self._begin = time.perf_counter()
        end = schedule[-1] + patience
        while (waiting or self._busy) and (now := self._now()) < end:
            while waiting and waiting[0] <= now and (self._idle or self._count < _MOST_CONNECTIONS):
                self._send(waiting.popleft())
                now = self._now()
            pause = waiting[0] - now if waiting else end - now
            # With all connections busy only an answer can help.
            is_full = not self._idle and self._count >= _MOST_CONNECTIONS
            readable, _, _ = select.select(list(self._busy), [], [], 1.0 if is_full else max(pause, 0))
            for connection in readable:
                self._receive(connection)
        # What was never answered, or never even sent, failed.
        self.failures += len(waiting) + len(self._busy)

    def _now(self) -> float:
        return time.perf_counter() - self._begin

    def _connect(self) -> socket.socket:
        connection = self._opened.enter_context(socket.create_connection(("127.0.0.1", self._port), 10))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._count += 1
        return connection

    def _send(self, due: float) -> None:
        if self._idle:
            # The one that rested longest, so that all of them are in use.
            connection = self._idle.popleft()
            self.lateness.append(self._now() - due)
        else:
            connection = self._connect()
        connection.sendall(self._head)
        self._busy[connection] = due, Answer()

    def _receive(self, connection: socket.socket) -> None:
        due, answer = self._busy[connection]
        try:
            received = connection.recv(65536)
        except ConnectionResetError:
            received = b""
        if received and not answer.feed(received):
            return
        del self._busy[connection]
        if not received or answer.status != 200:
            self.failures += 1
        if received and answer.is_kept:
            self._idle.append(connection)
        else:
            self._count -= 1
            connection.close()
        self.latencies.append((due, self._now() - due))
