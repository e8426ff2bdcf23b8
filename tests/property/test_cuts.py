"""Connections cut at any byte of request and answer, on either side: what nobody may be led to believe.

Real sockets on both sides. A caller gets the whole answer, or one of the proxy's own 5xx, or sees that it was cut; a POST
reaches the vendor once at the most; whatever happens is told once, and nothing is left behind.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from dataclasses import dataclass, field
from typing import Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.gateway.route import Provider, Route
from proxy.upstream.dialing import Dialer
from proxy.upstream.origin import split_url
from proxy.upstream.pool import UpstreamPool
from tests.served import Fixed, Served, serve

Ending = Literal["keep", "close", "reset", "hold"]
Framing = Literal["length", "chunked", "end", "none"]
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"


@dataclass(frozen=True)
class Exchange:
    """The vendor sends `sends` bytes of its answer (None: all), `is_early` before it has read the request's body, and
    does as `ending` says; the caller leaves after `leaves` bytes of its request or `stops_reading` of the answer.
    """

    method: str
    version: str
    body_size: int
    request: Framing
    answer: Framing
    content_size: int
    with_interim: bool
    segment: int
    is_early: bool
    sends: int | None
    ending: Ending
    leaves: int | None
    stops_reading: int | None

    def sent(self, number: int, port: int) -> bytes:
        head = [f"{self.method} /a/{number} HTTP/{self.version}", f"Host: 127.0.0.1:{port}"]
        if self.request == "none":
            return "\r\n".join([*head, "", ""]).encode()
        if self.request == "length":
            return "\r\n".join([*head, f"Content-Length: {len(self.body)}", "", ""]).encode() + self.body
        return "\r\n".join([*head, "Transfer-Encoding: chunked", "", ""]).encode() + chunked(self.body)

    @property
    def body(self) -> bytes:
        return b"u" * self.body_size

    @property
    def content(self) -> bytes:
        return b"d" * self.content_size

    @property
    def answered(self) -> bytes:
        head = (INTERIM if self.with_interim else b"") + b"HTTP/1.1 200 OK\r\n"
        if self.method == "HEAD" and self.answer != "none":
            return head + b"Content-Length: 60\r\n\r\n"
        match self.answer:
            case "length":
                return head + b"Content-Length: %d\r\n\r\n" % len(self.content) + self.content
            case "chunked":
                return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(self.content)
            case "end":
                return head + b"Connection: close\r\n\r\n" + self.content
            case _:
                return head.replace(b"200 OK", b"204 No Content") + b"\r\n"

    @property
    def truth(self) -> list[bytes]:
        """The bodies that may be taken for whole."""
        if self.answer != "end" or self.ending == "reset":
            return [self.content] if self.answer != "none" else [b""]
        # Where only the end of the connection ends it, nobody can tell that it came early.
        behind_head = len(self.answered) - len(self.content)
        return [self.content if self.sends is None else self.content[: max(self.sends - behind_head, 0)]]


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    method = draw(st.sampled_from(["GET", "POST", "HEAD", "PUT"]))
    version = draw(st.sampled_from(["1.1", "1.1", "1.1", "1.0"]))
    framings: list[Framing] = ["length", "none"] if version == "1.0" else ["length", "chunked", "none"]
    cut = st.none() | st.integers(0, 400)
    return Exchange(
        method=method,
        version=version,
        body_size=draw(st.sampled_from([0, 1, 50, 70_000, 1_100_000])),
        request="none" if method in ("GET", "HEAD") else draw(st.sampled_from(framings)),
        answer=draw(st.sampled_from(["length", "chunked", "end", "none"])),
        content_size=draw(st.sampled_from([0, 1, 60, 200_000, 6_000_000])),
        with_interim=draw(st.booleans()),
        segment=draw(st.sampled_from([1_000_000, 1_000_000, 31, 1])),
        is_early=draw(st.booleans()),
        sends=draw(st.none() | st.none() | st.just(0) | cut),
        ending=draw(st.sampled_from(["keep", "keep", "close", "reset", "hold"])),
        leaves=draw(st.none() | st.none() | cut),
        stops_reading=draw(st.none() | st.none() | cut),
    )


def chunked(body: bytes) -> bytes:
    middle = len(body) // 2
    pieces = [piece for piece in (body[:middle], body[middle:]) if piece]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@dataclass
class Vendor:
    plans: dict[int, Exchange] = field(default_factory=dict)
    seen: list[int] = field(default_factory=list)
    are_mixed: bool = False
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self.talk(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self.serve_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, OSError, ValueError):
            pass
        finally:
            writer.close()

    async def serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        number = int(head.split(b" ", 2)[1].strip(b"/"))
        self.seen.append(number)
        plan = self.plans[number]
        if not plan.is_early:
            await self.read_body(head, reader)
        whole = plan.answered
        answer, size = whole[: plan.sends], max(plan.segment, len(whole) // 300)
        for at in range(0, len(answer), size):
            writer.write(answer[at : at + size])
            await writer.drain()
            await asyncio.sleep(0)
        if plan.ending == "reset":
            reset(writer)
        if plan.ending == "hold":
            await reader.read()
        if plan.is_early:
            await self.read_body(head, reader)
        return plan.ending == "keep" and plan.answer != "end" and len(answer) == len(whole)

    async def read_body(self, head: bytes, reader: asyncio.StreamReader) -> None:
        body = b""
        if b"chunked" in head:
            while size := int(await reader.readline(), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readline()
        elif b"Content-Length: " in head:
            body = await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0]))
        self.are_mixed = self.are_mixed or bool(body.strip(b"u"))


def reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Cut(Exception):
    """The caller sees that the answer is not whole."""


async def answer_from(reader: asyncio.StreamReader, plan: Exchange) -> tuple[int, bytes]:
    """Status and body of what looks whole to a strict client."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1])
            if status >= 200:
                break
        if plan.method == "HEAD" or status == 204:
            return status, b""
        if b"\r\nTransfer-Encoding: chunked\r\n" in head:
            body = b""
            while size := int(await reader.readline() or b"", 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
            return status, body
        if b"\r\nContent-Length: " in head:
            return status, await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0]))
        return status, await reader.read()
    except (asyncio.IncompleteReadError, OSError, ValueError):
        raise Cut from None


async def ask(proxy: Served, number: int, plan: Exchange) -> tuple[int, bytes] | None:
    """None if the caller left or saw a cut."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    sent = plan.sent(number, proxy.port)
    try:
        writer.write(sent[: plan.leaves])
        if plan.leaves is not None and plan.leaves < len(sent):
            await asyncio.sleep(0.001)
            reset(writer)
            return None
        if plan.stops_reading is not None:
            await reader.read(plan.stops_reading)
            reset(writer)
            return None
        async with asyncio.timeout(20):
            return await answer_from(reader, plan)
    except (Cut, OSError):
        return None
    finally:
        writer.close()


async def run(plans: list[Exchange]) -> None:
    vendor = Vendor(dict(enumerate(plans)))
    server = await asyncio.start_server(vendor.accept, "127.0.0.1", 0)
    origin, _ = split_url(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    pool = UpstreamPool(Dialer(origin, None, 5.0))
    before = asyncio.all_tasks()
    async with serve(Route.to(Provider("acme", origin, "", Fixed(), pool), "/a", timeout=0.3)) as proxy:
        asked = list(enumerate(plans))
        # The second half comes when the vendor's connections of the first may be kept, or dead.
        got: list[tuple[int, bytes] | None] = []
        for some in (asked[: len(asked) // 2], asked[len(asked) // 2 :]):
            got += await asyncio.gather(*(ask(proxy, number, plan) for number, plan in some))
        async with asyncio.timeout(20):
            while proxy.listener.connections or asyncio.all_tasks() - before - vendor.tasks:
                await asyncio.sleep(0.005)
        for number, (plan, answer) in enumerate(zip(plans, got, strict=True)):
            check(plan, answer, vendor.seen.count(number))
        assert not vendor.are_mixed, "one request in the middle of another"
        begun = sum(plan.leaves is None and plan.stops_reading is None for plan in plans)
        assert begun <= len(proxy.passages) <= len(plans)
        assert len(proxy.gateway.admission.heads) <= 256 and proxy.gateway.in_flight == 0
        assert len(pool._open) == len(pool._idle) and not pool.queue and pool.queue.reserved == 0
    for task in vendor.tasks:
        task.cancel()
    await asyncio.gather(*vendor.tasks, return_exceptions=True)
    server.close()
    await server.wait_closed()


def check(plan: Exchange, answer: tuple[int, bytes] | None, times: int) -> None:
    assert times <= (1 if plan.method in ("POST", "PUT") else 2)
    if answer is None:
        return
    status, body = answer
    if status in (502, 504):
        assert b'"code": "upstream_' in body or plan.method == "HEAD"
        return
    assert status == (204 if plan.answer == "none" else 200)
    assert times >= 1
    assert plan.method == "HEAD" or body in plan.truth


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(exchanges(), min_size=1, max_size=6))
def test_whatever_is_cut_nobody_is_deceived_and_nothing_is_left_behind(plans: list[Exchange]) -> None:
    before = open_files()
    asyncio.run(run(plans))
    assert open_files() <= before
