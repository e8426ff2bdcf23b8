"""A TCP relay on loopback that does to single exchanges what bad networks do, at the byte at which a test wants it.

It knows of HTTP only this: what a caller sends on a connection that is new, or after an answer, begins an exchange.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from typing import Literal

PIECE = 65_536


@dataclass(frozen=True)
class Fault:
    """What befalls one exchange; without any of these it passes.

    `takes_request` False: the request never arrives. `answer_bytes`: so many of the answer pass, then comes the
    `ending`: the connection is closed, reset, or stays open and silent. `segment`: the answer goes in pieces of so
    many bytes. `held`: the answer waits for this event.
    """

    takes_request: bool = True
    answer_bytes: int | None = None
    ending: Literal["close", "reset", "silence"] = "close"
    segment: int = PIECE
    held: asyncio.Event | None = None


PASS = Fault()
# Accepts, reads and closes without a word; the other side sees nothing.
TURN_AWAY = Fault(takes_request=False, answer_bytes=0)
# The work was done, and nobody learns of it.
LOSE_ANSWER = Fault(answer_bytes=0)


@dataclass
class Exchange:
    """`line` is the request's first, `passed` counts the bytes of the answer that went to the caller."""

    line: bytes
    fault: Fault = PASS
    passed: int = 0


@dataclass
class Relay:
    """`target` is the port it leads to. `befall` sets the fault of the next exchange that begins with some bytes;
    `close_port` refuses connections.

    `faults_left` have not yet befallen any.
    """

    target: int = 0
    port: int = 0
    exchanges: list[Exchange] = field(default_factory=list)
    faults_left: list[tuple[bytes, Fault]] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _sockets: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def befall(self, *faults: Fault, when: bytes = b"") -> None:
        """The next exchanges that begin with `when` meet these, one each."""
        self.faults_left += [(when, fault) for fault in faults]

    async def open_port(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close_port(self) -> None:
        """Refuse new connections and reset those that are there."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._sockets):
            _reset(writer)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Relay:
        await self.open_port()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close_port()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._relay(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _relay(self, caller: asyncio.StreamReader, to_caller: asyncio.StreamWriter) -> None:
        self._sockets.add(to_caller)
        try:
            vendor, to_vendor = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _reset(to_caller)
            return
        self._sockets.add(to_vendor)
        way = _Way(self, to_caller, to_vendor)
        both = [asyncio.create_task(way.there(caller)), asyncio.create_task(way.back(vendor))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            for writer in (to_caller, to_vendor):
                writer.close()
                self._sockets.discard(writer)

    def begin(self, first: bytes) -> Exchange:
        """An exchange begins with these bytes."""
        entry = next((entry for entry in self.faults_left if first.startswith(entry[0])), None)
        if entry is not None:
            self.faults_left.remove(entry)
        exchange = Exchange(first.split(b"\r\n", 1)[0], entry[1] if entry else PASS)
        self.exchanges.append(exchange)
        return exchange


@dataclass
class _Way:
    """One connection on both sides, and what befalls the exchange that is under way on it. Over when either half is."""

    relay: Relay
    to_caller: asyncio.StreamWriter
    to_vendor: asyncio.StreamWriter
    exchange: Exchange = field(default_factory=lambda: Exchange(b""))
    is_answered: bool = True

    async def there(self, caller: asyncio.StreamReader) -> None:
        while octets := await _read(caller):
            if self.is_answered:
                self.is_answered, self.exchange = False, self.relay.begin(octets)
            if self.exchange.fault.takes_request:
                self.to_vendor.write(octets)
            elif self.exchange.fault.ending != "silence":
                return self.end()
        return None

    async def back(self, vendor: asyncio.StreamReader) -> None:
        while octets := await _read(vendor):
            self.is_answered = True
            fault = self.exchange.fault
            if fault.held is not None:
                await fault.held.wait()
            limit = fault.answer_bytes
            await self.send(octets if limit is None else octets[: limit - self.exchange.passed], fault.segment)
            if limit is not None and self.exchange.passed >= limit:
                if fault.ending == "silence":
                    await asyncio.Event().wait()
                return self.end()
        return None

    async def send(self, octets: bytes, segment: int) -> None:
        self.exchange.passed += len(octets)
        for at in range(0, len(octets), segment):
            self.to_caller.write(octets[at : at + segment])
            if segment < PIECE:
                # Lets the other side read it, so that the next piece does not join this one.
                await asyncio.sleep(0.001)

    def end(self) -> None:
        if self.exchange.fault.ending == "reset":
            _reset(self.to_caller)


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(PIECE)
    except ConnectionError:
        return b""


def _reset(writer: asyncio.StreamWriter) -> None:
    sock: socket.socket | None = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
