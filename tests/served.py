"""A gateway on a free port, for tests that need no configuration file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from proxy.gateway.caller import CallerConnection
from proxy.gateway.gateway import Gateway
from proxy.gateway.guard import Guard
from proxy.gateway.passage import Passage
from proxy.gateway.route import Provider, Route, RouteTable
from proxy.gateway.server import Listener
from proxy.listening import bind, bound_port
from proxy.schemes.base import AnswerHead, AuthScheme, Injection, OutboundRequest
from proxy.upstream.dialing import Dialer
from proxy.upstream.origin import split_url
from proxy.upstream.pool import UpstreamPool
from tests.canaries import leaks

CANARY = "CANARY-7f3a-9c0e-51d2"


@dataclass(kw_only=True, eq=False)
class Fixed(AuthScheme):
    """A scheme whose injections a test chose, taken in turn, the last one for ever; keeps what it was asked."""

    injections: list[Injection] = field(
        default_factory=lambda: [Injection((("Authorization", f"Bearer {CANARY}"),), use="static")]
    )
    dead_status: int | None = None
    asked: list[OutboundRequest] = field(default_factory=list)
    judged: list[AnswerHead] = field(default_factory=list)

    async def authorize(self, request: OutboundRequest) -> Injection:
        self.asked.append(request)
        return self.injections.pop(0) if len(self.injections) > 1 else self.injections[0]

    def rejected(self, answer: AnswerHead, injection: Injection) -> bool:
        self.judged.append(answer)
        return answer.status == self.dead_status

    @property
    def injected_headers(self) -> frozenset[str]:
        return frozenset({"authorization"})


class Holding(Fixed):
    needs_body = True


class Inspecting(Fixed):
    @property
    def inspects_answer(self) -> bool:
        return True


@dataclass
class Witness:
    passages: list[Passage]

    def ended(self, passage: Passage, now: float) -> None:
        self.passages.append(passage)


@dataclass
class Served:
    port: int
    gateway: Gateway
    passages: list[Passage]
    listener: Listener

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def send(self, *octets: bytes) -> bytes:
        """Send raw bytes on a fresh connection, in as many segments, and read until the proxy closes it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for segment in octets:
                writer.write(segment)
                await writer.drain()
            async with asyncio.timeout(10):
                answer = await reader.read()
        finally:
            writer.close()
        assert not leaks([CANARY], answer), "the credential showed"
        return answer

    async def ask(self, line: str, *fields: str, body: bytes = b"", host: str | None = None) -> bytes:
        """One request with `Connection: close`; the raw answer."""
        lines = [f"{line} HTTP/1.1", f"Host: {host or f'127.0.0.1:{self.port}'}", *fields, "Connection: close", "", ""]
        return await self.send("\r\n".join(lines).encode("latin-1") + body)


def provider(base_url: str, scheme: AuthScheme | None = None, **rest: object) -> Provider:
    origin, base_path = split_url(base_url)
    pool = UpstreamPool(Dialer(origin, None, 2.0))
    return Provider("acme", origin, base_path, scheme or Fixed(), pool, **rest)  # type: ignore[arg-type]


@asynccontextmanager
async def serve(*routes: Route, guard: Guard | None = None) -> AsyncIterator[Served]:
    passages: list[Passage] = []
    sock = bind("127.0.0.1:0")
    port = bound_port(sock)
    gateway = Gateway(guard or Guard(port), RouteTable(routes), Witness(passages))
    listener = Listener(gateway)
    await listener.listen(sock)
    assert port is not None
    try:
        yield Served(port, gateway, passages, listener)
    finally:
        await listener.close()
        for route in routes:
            route.provider.pool.close()


def callers(proxy: Served) -> list[CallerConnection]:
    return [one for one in proxy.listener.connections if isinstance(one, CallerConnection)]


async def stays(condition: Callable[[], object]) -> bool:
    for _ in range(20):
        if not condition():
            return False
        await asyncio.sleep(0.01)
    return True


async def fill(proxy: Served, ask: Callable[[], Awaitable[None]]) -> int:
    """Ask for one answer after the other, until the kernel takes no more of them, and not only for a moment; how many."""
    asked = 0
    while not await stays(lambda: any(one.is_delivering for one in callers(proxy))):
        await ask()
        asked += 1
        while len(proxy.passages) < asked:
            await asyncio.sleep(0)
    return asked


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])
