"""A vendor for the gateway's tests: a real server that keeps every byte it receives and answers bytes that a test chose."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"

# More than any limit of the proxy's.
_LONGEST_HEAD = 1024 * 1024


@dataclass
class Received:
    """One request as it came over the wire; `body` without its chunked framing. `is_whole` when that has come."""

    head: bytes
    body: bytes = b""
    connection: int = 0
    is_whole: bool = False

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    @property
    def fields(self) -> list[tuple[str, str]]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return [(name, value) for name, _, value in (line.partition(": ") for line in lines if line)]

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name.lower()]


Respond = Callable[[Received, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawUpstream:
    """`answers` are sent in turn, the last one for ever; `respond` replaces them by code. `path` is of a socket file."""

    answers: list[bytes] = field(default_factory=lambda: [OK])
    respond: Respond | None = None
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    path: str | None = None
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> RawUpstream:
        if self.path is not None:
            self._server = await asyncio.start_unix_server(self._accept, self.path, limit=_LONGEST_HEAD)
            return self
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_LONGEST_HEAD)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            while True:
                received = Received((await reader.readuntil(b"\r\n\r\n"))[:-4], connection=number)
                self.requests.append(received)
                if self.respond is not None:
                    await self.respond(received, reader, writer)
                else:
                    received.body = await read_body(received, reader)
                    received.is_whole = True
                    writer.write(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass
        finally:
            writer.close()


async def read_body(received: Received, reader: asyncio.StreamReader) -> bytes:
    if received.values("transfer-encoding") == ["chunked"]:
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            assert await reader.readexactly(2) == b"\r\n"
        assert await reader.readline() == b"\r\n"
        return body
    return await reader.readexactly(int((received.values("content-length") or ["0"])[0]))
