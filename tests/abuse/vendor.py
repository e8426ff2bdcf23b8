"""The vendor behind a proxy under test, which keeps every octet, and a listener that nobody may call."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

# What the proxy's route leads to. Whatever arrives outside of it has left the base path.
BASE_PATH = "/v1"


@dataclass(frozen=True)
class Request:
    """`is_sound` if the head has one reading only: one framing, no bare line ends, no spaces where none belong."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes
    is_sound: bool

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower().replace("_", "-") == name.lower()]


@dataclass
class Vendor:
    """Answers with the target that was asked for, or once with `answer`."""

    requests: list[Request] = field(default_factory=list)
    octets: int = 0
    evil_connections: int = 0
    answer: bytes | None = None
    hangs_up: bool = True
    port: int = 0
    evil_port: int = 0
    _servers: list[asyncio.Server] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Vendor:
        for serve, name in ((self._serve, "port"), (self._serve_evil, "evil_port")):
            server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
            setattr(self, name, server.sockets[0].getsockname()[1])
            self._servers.append(server)
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def forget(self, answer: bytes | None = None, *, hangs_up: bool = True) -> None:
        """Begin anew, with this answer to the next request."""
        self.requests.clear()
        self.octets, self.answer, self.hangs_up = 0, answer, hangs_up

    def _keep_task(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve_evil(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.evil_connections += 1
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._keep_task()
        try:
            while await self._answer_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError, IndexError):
            pass
        finally:
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        octets = await reader.readuntil(b"\r\n\r\n")
        self.octets += len(octets)
        method, target, fields, is_sound = _read_head(octets[:-4])
        if is_sound and ("expect", "100-continue") in [(name.lower(), value) for name, value in fields]:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await _read_body(reader, fields)
        self.requests.append(Request(method, target, fields, body, is_sound))
        if self.answer is not None:
            answer, self.answer = self.answer, None
            writer.write(answer)
            await writer.drain()
            return not self.hangs_up
        text = target.encode("latin-1")
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(text)
        writer.write(head + (b"" if method == "HEAD" else text))
        await writer.drain()
        return True


def _read_head(head: bytes) -> tuple[str, str, tuple[tuple[str, str], ...], bool]:
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = [*first.split(" "), "", ""][:3]
    pairs = [line.partition(":") for line in lines]
    fields = tuple((name, value.strip(" \t")) for name, _, value in pairs)
    framings = [name for name, _ in fields if name.lower().replace("_", "-") in ("content-length", "transfer-encoding")]
    is_sound = (
        len(framings) <= 1
        and first.count(" ") == 2
        and all(colon and name and name == name.strip() and " " not in name for name, colon, _ in pairs)
        and not any(character in head.decode("latin-1").replace("\r\n", "") for character in "\r\n\0")
        and [name.lower() for name, _ in fields].count("host") == 1
    )
    return method, target, fields, is_sound


async def _read_body(reader: asyncio.StreamReader, fields: tuple[tuple[str, str], ...]) -> bytes:
    known = {name.lower(): value for name, value in fields}
    if "chunked" in known.get("transfer-encoding", "").lower():
        body = b""
        while size := int((await reader.readline()).partition(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        while (await reader.readline()).strip():
            pass
        return body
    return await reader.readexactly(int(known.get("content-length") or 0))
