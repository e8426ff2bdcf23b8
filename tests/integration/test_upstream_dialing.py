"""How a connection to a vendor comes about: its name, its addresses, and whose connection it is."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from proxy.errors import UpstreamConnectTimeout, UpstreamNotFound, UpstreamUnreachable
from proxy.gateway.route import Provider, Route
from proxy.schemes.base import Injection
from proxy.upstream.dialing import Dialer
from proxy.upstream.origin import Origin, split_url
from proxy.upstream.pool import UpstreamPool
from tests.raw_upstream import RawUpstream
from tests.served import Fixed, serve, status


class Names(asyncio.SelectorEventLoop):
    """A loop whose resolver says what a test wants: in turn, the last for ever. `leap` is added to its time."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[list[str]] = []
        self.asked = 0
        self.leap = 0.0
        self.servers: list[asyncio.Server] = []

    def time(self) -> float:
        return super().time() + self.leap

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        self.asked += 1
        await asyncio.sleep(0)
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "of no matter")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]


def in_names(test: Callable[[Names], Awaitable[None]]) -> None:
    async def whole(loop: Names) -> None:
        try:
            await test(loop)
        finally:
            for server in loop.servers:
                server.close()
            await asyncio.sleep(0.01)  # For what both ends have just closed.

    with asyncio.Runner(loop_factory=Names) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, Names)
        runner.run(whole(loop))


def dialer(port: int, seconds: float = 5.0) -> Dialer:
    return Dialer(Origin("http", "vendor.test", port), None, seconds)


async def reached(dialer: Dialer) -> str:
    """The address at the other end of a new connection."""
    connected: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    class Caller(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            connected.set_result(transport.get_extra_info("peername")[0])
            transport.close()

    await dialer.dial(Caller())
    return await connected


async def listening(loop: Names, *addresses: str) -> int:
    """One port on which all these addresses answer."""
    port = 0
    for address in addresses:
        server = await asyncio.start_server(lambda _, writer: writer.close(), address, port)
        port = server.sockets[0].getsockname()[1]
        loop.servers.append(server)
    return port


def test_whoever_connects_while_the_name_is_asked_for_waits_for_the_same_answer() -> None:
    async def test(loop: Names) -> None:
        loop.answers = [["127.0.0.1"]]
        one = dialer(await listening(loop, "127.0.0.1"))
        assert await asyncio.gather(*(reached(one) for _ in range(20))) == ["127.0.0.1"] * 20
        assert loop.asked == 1

    in_names(test)


def test_a_vendor_that_moves_is_followed_within_seconds() -> None:
    async def test(loop: Names) -> None:
        loop.answers = [["127.0.0.1"], ["127.0.0.2"]]
        one = dialer(await listening(loop, "127.0.0.1", "127.0.0.2"))
        assert [await reached(one), await reached(one)] == ["127.0.0.1"] * 2
        loop.leap += 4
        assert await reached(one) == "127.0.0.1"
        loop.leap += 2
        assert [await reached(one), await reached(one)] == ["127.0.0.2"] * 2
        assert loop.asked == 2

    in_names(test)


def test_a_name_that_is_unknown_is_asked_for_again_at_once() -> None:
    async def test(loop: Names) -> None:
        loop.answers = [[], ["127.0.0.1"]]
        one = dialer(await listening(loop, "127.0.0.1"))
        with pytest.raises(UpstreamNotFound):
            await reached(one)
        assert await reached(one) == "127.0.0.1"

    in_names(test)


def test_an_address_that_refuses_or_says_nothing_leaves_the_turn_to_the_next() -> None:
    async def test(loop: Names) -> None:
        port = await listening(loop, "127.0.0.3")
        # On a full queue the kernel answers no more.
        with socket.socket() as silent, socket.socket() as queued, socket.socket() as beyond:
            silent.bind(("127.0.0.2", port))
            silent.listen(0)
            for sock in (queued, beyond):
                sock.setblocking(False)
                sock.connect_ex(("127.0.0.2", port))
            loop.answers = [["127.0.0.1", "127.0.0.2", "127.0.0.3"]]
            assert await reached(dialer(port)) == "127.0.0.3"
            loop.answers = [["127.0.0.2"]]
            with pytest.raises(UpstreamConnectTimeout):
                await reached(dialer(port, 0.1))
            loop.answers = [["127.0.0.1"]]
            with pytest.raises(UpstreamUnreachable):
                await reached(dialer(port))

    in_names(test)


async def test_a_connection_that_was_made_with_one_credential_never_carries_another() -> None:
    """Some vendors tie what was proved to the connection."""
    async with RawUpstream() as vendor:
        routes = []
        for name in ("first", "second"):
            origin, _ = split_url(vendor.url)
            scheme = Fixed(injections=[Injection((("Authorization", name),))])
            pool = UpstreamPool(Dialer(origin, None, 2.0))
            routes.append(Route.to(Provider(name, origin, "", scheme, pool), f"/{name}"))
        async with serve(*routes) as proxy:
            for _ in range(3):
                for name in ("first", "second"):
                    assert status(await proxy.ask(f"GET /{name}/x")) == 200
    carried = {(received.connection, *received.values("authorization")) for received in vendor.requests}
    assert carried == {(1, "first"), (2, "second")}


async def test_a_tls_handshake_that_hangs_is_a_504_and_nothing_of_the_request_was_sent() -> None:
    received = b""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        with suppress(ConnectionError):
            while piece := await reader.read(65536):
                received += piece
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    origin, _ = split_url(f"https://localhost:{server.sockets[0].getsockname()[1]}")
    pool = UpstreamPool(Dialer(origin, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), 0.2))
    async with server, serve(Route.to(Provider("acme", origin, "", Fixed(), pool), "/a")) as proxy:
        answer = await proxy.ask("GET /a/secret-path")
    assert (status(answer), b"upstream_connect_timeout" in answer) == (504, True)
    assert received and b"secret-path" not in received and b"CANARY" not in received
