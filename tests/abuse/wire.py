"""Octets to a proxy in one piece or many, and what comes back read as strictly as HTTP/1.1 is written."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Only what gets no answer takes so long; on a machine that is busy an answer may take some.
_SECONDS = 8.0
_GAP = 0.0002
_FINE = 400

Cut = Callable[[bytes], list[bytes]]


def whole(octets: bytes) -> list[bytes]:
    return [octets]


def byte_by_byte(octets: bytes) -> list[bytes]:
    """One by one at both ends; what is long in between goes in larger pieces."""
    if len(octets) <= 2 * _FINE:
        return [octets[at : at + 1] for at in range(len(octets))]
    middle = octets[_FINE:-_FINE]
    pieces = [middle[at : at + 1000] for at in range(0, len(middle), 1000)]
    return [*byte_by_byte(octets[:_FINE]), *pieces, *byte_by_byte(octets[-_FINE:])]


def at_line_ends(octets: bytes) -> list[bytes]:
    lines = octets.split(b"\r\n")
    return [line for line in [*(line + b"\r\n" for line in lines[:-1]), lines[-1]] if line]


CUTS: dict[str, Cut] = {"whole": whole, "byte by byte": byte_by_byte, "at line ends": at_line_ends}


@dataclass(frozen=True)
class Answer:
    """`is_whole` says whether its own framing is satisfied; a body up to the connection's end is, by an orderly one."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes
    is_whole: bool
    octets: bytes

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def has(self, name: str) -> bool:
        return bool(self.values(name))


@dataclass
class Exchanged:
    """`answers` without interim ones; `is_closed` if the proxy hung up, `was_reset` if it did so with a reset."""

    octets: bytes = b""
    answers: tuple[Answer, ...] = ()
    is_closed: bool = False
    was_reset: bool = False
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None


async def exchange(port: int, pieces: list[bytes], method: str, count: int = 1) -> Exchanged:
    """Send the pieces on a new connection and read until so many answers are whole, or nothing more comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    done = Exchanged(reader=reader, writer=writer)
    sending = asyncio.create_task(_send(reader, writer, pieces))
    try:
        await read_on(done, method, count)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    return done


async def read_on(done: Exchanged, method: str, count: int) -> None:
    """Read until so many answers are whole, the proxy hangs up, or nothing comes for a while."""
    assert done.reader is not None
    while True:
        done.answers = tuple(answers(done.octets, method, is_over=done.is_closed and not done.was_reset))
        if done.is_closed or (len(done.answers) >= count and all(answer.is_whole for answer in done.answers)):
            return
        try:
            async with asyncio.timeout(_SECONDS):
                piece = await done.reader.read(65536)
        except TimeoutError:
            return
        except ConnectionError:
            done.is_closed = done.was_reset = True
            continue
        done.octets += piece
        done.is_closed = not piece


async def _send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pieces: list[bytes]) -> None:
    try:
        for number, piece in enumerate(pieces):
            if number:
                await asyncio.sleep(_GAP)  # Or the kernel would join them.
            if reader.at_eof() or writer.transport.is_closing():
                return
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        return


def answers(octets: bytes, method: str, *, is_over: bool) -> Iterator[Answer]:
    """The final answers in the octets, the last one perhaps not whole; `is_over` if the sender ended in order."""
    while octets:
        head, end, rest = octets.partition(b"\r\n\r\n")
        if not end or not head.startswith(b"HTTP/1."):
            yield Answer(0, (), b"", False, octets)
            return
        status, fields = _head(head)
        if 100 <= status < 200 and status != 101:
            octets = rest
            continue
        body, is_whole, rest = _body(status, fields, rest, method, is_over)
        yield Answer(status, fields, body, is_whole, octets[: len(octets) - len(rest)])
        octets = rest


def _head(head: bytes) -> tuple[int, tuple[tuple[str, str], ...]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    code = [*first.split(" "), ""][1]
    return int(code) if code.isdigit() else 0, fields


def _body(
    status: int, fields: tuple[tuple[str, str], ...], rest: bytes, method: str, is_over: bool
) -> tuple[bytes, bool, bytes]:
    known = {name.lower(): value for name, value in fields}
    if method == "HEAD" or status in (204, 304):
        return b"", True, rest
    if known.get("transfer-encoding", "").lower() == "chunked":
        return _chunked(rest)
    if known.get("content-length", "").isdigit():
        length = int(known["content-length"])
        return rest[:length], len(rest) >= length, rest[length:]
    return rest, is_over, b""


def _chunked(rest: bytes) -> tuple[bytes, bool, bytes]:
    body = b""
    while True:
        size, end, following = rest.partition(b"\r\n")
        try:
            length = int(size.partition(b";")[0], 16)
        except ValueError:
            return body, False, b""
        if not end or len(following) < length + 2:
            return body + following[:length], False, b""
        if length == 0:
            return body, following.startswith(b"\r\n"), following[2:]
        body, rest = body + following[:length], following[length + 2 :]
