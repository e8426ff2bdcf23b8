"""One request over one connection, until its answer begins."""

from __future__ import annotations

import asyncio
from typing import Protocol

from proxy.errors import UpstreamTimeout
from proxy.upstream.answer import Answer, is_sent
from proxy.upstream.connection import UpstreamConnection
from proxy.upstream.pool import UpstreamPool
from proxy.wire.incoming import Sink

# What the kernel takes at once; of a longer body it shows whether the vendor goes on taking it.
_PIECE = 64 * 1024
# How often it is looked whether the kernel still has some of a long body.
_LOOK_SECONDS = 0.1

# What RFC 9110 §9.2.1 calls safe: to send one again changes nothing at the vendor.
REPEATABLE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Upload(Protocol):
    """A request's body that is not here yet."""

    async def pour(self, sink: Sink) -> bool:
        """Hand on what comes until the sink has enough for now; whether that was all."""
        ...


async def exchange(
    connection: UpstreamConnection,
    pool: UpstreamPool,
    method: str,
    head: bytes,
    body: bytes | Upload,
    timeout: float,
) -> Answer:
    """Send a request and return as soon as the final answer's head is there.

    `head` ends with the empty line and names the framing of `body`, which is the whole body, or one that comes framed
    as `head` says. `timeout` is in seconds: between two parts of the request's body that the vendor takes, from the end
    of the request to the answer's head, and between two reads of the answer's body, not before the end of the request
    either. Raises an UpstreamError; StaleConnection where the request may be sent once more, on a new connection.
    """
    upload: asyncio.Task[None] | None = None
    leaving: _Leaving | None = None
    try:
        answered = connection.begin(expects_body=method != "HEAD")
        if isinstance(body, bytes) and len(body) <= _PIECE:
            connection.write(head + body)
        else:
            connection.write(head)
            connection.hear_last_words()
            sending = _send_held if isinstance(body, bytes) else _send
            upload = asyncio.create_task(sending(connection, body, timeout))  # type: ignore[arg-type]
            upload.add_done_callback(is_sent)
            await asyncio.wait((answered, upload), return_when=asyncio.FIRST_COMPLETED)
            if upload.done() and not answered.done():
                upload.result()
        connection.deadline.set(timeout)
        if upload is not None and not answered.done():
            leaving = _Leaving(connection, timeout)
        answer = await answered
        connection.deadline.clear()
    except BaseException:
        connection.close()
        if upload is not None:
            upload.cancel()
            upload = None  # What is raised may be its error: both would be kept by this frame.
        raise
    finally:
        if leaving is not None:
            leaving.end()
    return Answer(answer, connection, pool, upload, timeout)


class _Leaving:
    """Puts the time-out for the answer off while the end of a long body is still with the kernel, and gets less.

    Over a slow line that may be megabytes, which take longer than the vendor has for the answer.
    """

    __slots__ = ("_connection", "_left", "_loop", "_timeout", "_timer")

    def __init__(self, connection: UpstreamConnection, timeout: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._timeout = timeout
        self._left = connection.unsent()
        self._timer: asyncio.TimerHandle | None = None
        self._look_later()

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_later(self) -> None:
        if self._left:
            self._timer = self._loop.call_later(min(_LOOK_SECONDS, self._timeout / 4), self._look)

    def _look(self) -> None:
        self._timer = None
        before, self._left = self._left, self._connection.unsent()
        if self._left < before:
            self._connection.deadline.set(self._timeout)
        self._look_later()


async def _send(connection: UpstreamConnection, body: Upload, timeout: float) -> None:
    while not await body.pour(connection.offer):
        await _drained(connection, timeout)


async def _send_held(connection: UpstreamConnection, body: bytes, timeout: float) -> None:
    for at in range(0, len(body), _PIECE):
        if not connection.offer(body[at : at + _PIECE]):
            await _drained(connection, timeout)


async def _drained(connection: UpstreamConnection, timeout: float) -> None:
    """Wait until the vendor took most of what was written, as long as it takes some of it in each time-out."""
    while True:
        left = connection.unsent()
        try:
            async with asyncio.timeout(timeout):
                return await connection.drain()
        except TimeoutError:
            if connection.unsent() >= left:
                raise UpstreamTimeout from None
