"""A vendor that answers by script, and callers who ask by it.

Nobody here waits for time to pass: what is called a yield is a turn of the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from tests.scripts import Script


async def written(writer: asyncio.StreamWriter, octets: bytes, cuts: Iterable[tuple[int, int]]) -> None:
    last = 0
    for place, yields in cuts:
        writer.write(octets[last:place])
        last = max(place, last)
        for _ in range(yields):
            await asyncio.sleep(0)
    writer.write(octets[last:])
    await writer.drain()


async def body_of(head: bytes, reader: asyncio.StreamReader, most: int = 1 << 20) -> AsyncIterator[bytes]:
    """The pieces of a body as they come. Raises IncompleteReadError for one that breaks off."""
    fields = head.lower()
    if b"\r\ntransfer-encoding: chunked\r\n" in fields:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            async for piece in _counted(reader, size, most):
                yield piece
            assert await reader.readexactly(2) == b"\r\n"
        assert await reader.readexactly(2) == b"\r\n"
    elif b"\r\ncontent-length: " in fields:
        length = int(fields.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0])
        async for piece in _counted(reader, length, most):
            yield piece
    elif head.startswith(b"HTTP/"):
        while piece := await reader.read(most):
            yield piece


async def _counted(reader: asyncio.StreamReader, left: int, most: int) -> AsyncIterator[bytes]:
    while left:
        piece = await reader.read(min(left, most))
        if not piece:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(piece)
        yield piece


@dataclass
class ScriptedVendor:
    """`requests` are the bodies that came under each number, attempt by attempt, as far as they came."""

    scripts: dict[int, Script] = field(default_factory=dict)
    requests: dict[int, list[bytearray]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._talk(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._serve(reader, writer):
                pass
        except (asyncio.IncompleteReadError, OSError, RuntimeError):  # The last is uvloop's for what is closed.
            pass
        except (ValueError, KeyError, IndexError, AssertionError) as error:
            self.wrong.append(repr(error))
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        number = int(head.split(b" ", 2)[1].strip(b"/"))
        plan, attempts = self.scripts[number], self.requests.setdefault(number, [])
        body = bytearray()
        attempts.append(body)
        answer, pieces = plan.answered(is_first=len(attempts) == 1), body_of(head, reader)
        if plan.timing in ("whole", "begun"):
            await _read(body, pieces, plan.read_before)
        if plan.timing == "both":
            await asyncio.gather(_read(body, pieces), written(writer, answer, plan.answer_cuts))
        elif plan.timing == "begun":
            middle = plan.read_before % len(answer)
            await written(writer, answer[:middle], [cut for cut in plan.answer_cuts if cut[0] < middle])
            await _read(body, pieces)
            await written(writer, answer[middle:], ())
        elif plan.timing == "whole":
            await written(writer, answer, plan.answer_cuts)
            if plan.answer == "end":
                writer.write_eof()
            await _read(body, pieces)
        else:
            await _read(body, pieces)
            await written(writer, answer, plan.answer_cuts)
        return plan.ending == "keep" and plan.answer != "end"


async def _read(body: bytearray, pieces: AsyncIterator[bytes], enough: int | None = None) -> None:
    while enough is None or len(body) < enough:
        try:
            body += await anext(pieces)
        except StopAsyncIteration:
            return


@dataclass
class Reply:
    status: int
    head: bytes
    body: bytes

    @property
    def ends_connection(self) -> bool:
        return b"\r\nConnection: close\r\n" in self.head


class ScriptedCaller:
    """Asks its scripts in order, up to `depth` of them ahead of the answers, on as many connections as it takes."""

    def __init__(self, scripts: Sequence[Script], port: int, draw: Random) -> None:
        self._left = list(scripts)
        self._port = port
        self._depth = 1 if any(one.leaves_at is not None for one in scripts) else draw.choice([1, 1, 2, 5])
        self._half_closes = draw.random() < 0.2
        self.replies: dict[int, Reply] = {}
        self.left_behind: set[int] = set()

    async def run(self) -> None:
        while self._left:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            self._may_send = asyncio.Event()
            self._ahead = asyncio.Semaphore(self._depth)
            sending = asyncio.create_task(self._send(writer, tuple(self._left)))
            try:
                while self._left and await self._hear(self._left[0], reader, writer):
                    pass
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
                writer.close()

    async def _send(self, writer: asyncio.StreamWriter, scripts: Iterable[Script]) -> None:
        with suppress(OSError):
            for one in scripts:
                await self._ahead.acquire()
                head, body = one.asked(self._port)
                if one.expects:
                    self._may_send.clear()
                    writer.write(head)
                    await self._may_send.wait()
                    head = b""
                await written(writer, head + body, one.request_cuts)
                if one.is_last:
                    break
            if self._half_closes:
                writer.write_eof()

    async def _hear(self, one: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read one answer; whether another may follow on this connection."""
        status = 0
        while status < 200:
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1])
            self._may_send.set()
        body = bytearray()
        if one.method != "HEAD" and status != 204:
            async for piece in body_of(head, reader, one.reads):
                body += piece
                if one.leaves_at is not None and len(body) >= one.leaves_at:
                    self._left.pop(0)
                    self.left_behind.add(one.number)
                    writer.transport.abort()
                    return False
                await asyncio.sleep(0)
        self._left.pop(0)
        self.replies[one.number] = reply = Reply(status, head, bytes(body))
        self._ahead.release()
        if reply.ends_connection or one.is_last or not self._left:
            if reply.ends_connection or one.is_last or self._half_closes:
                assert await reader.read() == b"", "bytes behind the last answer"
            return False
        return True
