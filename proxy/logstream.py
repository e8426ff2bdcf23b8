"""Where the log's lines go: one stream, written to by a thread of its own, so that nobody ever waits for its reader.

Standard error is often a pipe, and whoever reads it may be slow, stopped or stuck. Lines wait for it in a bounded
queue; what comes when that is full is dropped and counted, and the log says how many lines it lacks. The descriptor is
written to directly: a thread that is stuck in Python's own buffered stream would hold the lock that everybody else who
uses that stream, and the interpreter at its end, waits for.
"""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event, Thread
from typing import Protocol, TextIO

# Some 5 MB of lines of requests.
MOST_LINES = 16 * 1024
# What comes within such a time is written at once, so that the thread wakes up fifty times a second at the most.
_GATHERING_SECONDS = 0.02
# How long the end of the process is held up by a reader who does not read.
_FLUSHING_SECONDS = 1.0


class LogStream(Protocol):
    """`dropped` counts the lines that were not written."""

    dropped: int

    def write(self, lines: Sequence[bytes]) -> None:
        """Take lines in ASCII, each with its end. Never waits, and never raises."""
        ...

    def flush(self) -> bool:
        """Wait, for a second at the most, until all lines are written; whether they are."""
        ...

    def close(self) -> None: ...


def log_stream(stream: TextIO, tell_lost: Callable[[int], bytes]) -> LogStream:
    """`tell_lost` is the line that says how many lines are missing where it stands."""
    try:
        descriptor = os.dup(stream.fileno())  # Ours: were it closed by others, its number might become a connection's.
    except (OSError, ValueError):
        return _InMemory(stream)
    return _Queued(descriptor, tell_lost)


class _InMemory:
    """A stream that is no file and cannot block; it may be closed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.dropped = 0

    def write(self, lines: Sequence[bytes]) -> None:
        try:
            self._stream.write(b"".join(lines).decode("ascii"))
        except (OSError, ValueError):
            self.dropped += len(lines)

    def flush(self) -> bool:
        return True

    def close(self) -> None: ...


class _Queued:
    """A file, a pipe, a socket or a terminal."""

    def __init__(self, descriptor: int, tell_lost: Callable[[int], bytes]) -> None:
        self.dropped = 0
        self._told = 0
        self._descriptor = descriptor
        self._tell_lost = tell_lost
        self._waiting: deque[bytes | Event] = deque()  # An Event is set when all before it is written.
        self._is_asleep = False
        self._woken, self._hurried = Event(), Event()
        self._is_closed = False
        Thread(target=self._run, name="authproxy log", daemon=True).start()

    def write(self, lines: Sequence[bytes]) -> None:
        waiting = self._waiting
        room = MOST_LINES - len(waiting)
        if room < len(lines):
            self.dropped += len(lines) - max(room, 0)
            lines = lines[: max(room, 0)]
        waiting.extend(lines)
        # In this order, since the thread first says that it sleeps and then looks: one of us sees the other.
        if self._is_asleep:
            self._woken.set()

    def flush(self) -> bool:
        if self._is_closed:
            return not self._waiting
        written = Event()
        self._waiting.append(written)
        self._hurried.set()
        self._woken.set()
        return written.wait(_FLUSHING_SECONDS)

    def close(self) -> None:
        """What waits is still written, if the process lives on."""
        self._is_closed = True
        self._woken.set()

    def _run(self) -> None:
        while not self._is_closed or self._waiting:
            self._is_asleep = True
            if not self._waiting and not self._is_closed:
                self._woken.wait()
            self._is_asleep = False
            self._woken.clear()
            self._hurried.wait(_GATHERING_SECONDS)
            self._hurried.clear()
            self._empty()
        os.close(self._descriptor)

    def _empty(self) -> None:
        lines: list[bytes] = []
        while self._waiting:
            line = self._waiting.popleft()
            if isinstance(line, bytes):
                lines.append(line)
            else:
                self._deliver(lines)
                lines = []
                line.set()
        self._deliver(lines)

    def _deliver(self, lines: list[bytes]) -> None:
        lost = self.dropped - self._told if lines else 0
        try:
            self._write(b"".join([*lines, self._tell_lost(lost)] if lost else lines))
        except OSError:  # Nobody reads any more, or the disk is full.
            self.dropped += len(lines)
        else:
            self._told += lost

    def _write(self, octets: bytes) -> None:
        left = memoryview(octets)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # Whoever we have it from made it so.
                with suppress(InterruptedError):
                    _writable(self._descriptor)


def _writable(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll()
