"""WebSockets: a guarded handshake with the credential in it, then the bytes of both sides as they are."""

from __future__ import annotations

import asyncio
import json
import os
import tracemalloc
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from hashlib import sha1
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket

from proxy.gateway.route import Provider, Route
from proxy.schemes.base import Injection, OutboundRequest
from proxy.upstream.dialing import Dialer
from proxy.upstream.origin import split_url
from proxy.upstream.pool import UpstreamPool
from proxy.wire.frames import FrameBounds, client_text, frame_head, masked
from tests.raw_upstream import OK, RawUpstream, Received
from tests.served import CANARY, Fixed, Served, provider, serve, status

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
WISH = ("Connection: Upgrade", "Upgrade: websocket", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13")
Talk = Callable[[Received, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def switching(received: Received, *fields: str, accept: str | None = None) -> bytes:
    key = received.values("sec-websocket-key")[0].encode()
    right = b64encode(sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    lines = ["HTTP/1.1 101 Whatever", "Upgrade: WebSocket", "Connection: keep-alive, upgrade"]
    return "\r\n".join([*lines, f"Sec-WebSocket-Accept: {accept or right}", *fields, "", ""]).encode()


def vendor_that(talk: Talk, *fields: str) -> RawUpstream:
    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(received, *fields))
        await talk(received, reader, writer)
        writer.close()

    return RawUpstream(respond=respond)


async def echo(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()


def head_of(proxy: Served, *fields: str, target: str = "/a/x") -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", f"Host: 127.0.0.1:{proxy.port}", *fields, "", ""]).encode()


@asynccontextmanager
async def shaken(port: int, request: bytes) -> AsyncIterator[tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]]:
    """The answer's head, and the connection behind it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(20):
            writer.write(request)
            yield await reader.readuntil(b"\r\n\r\n"), reader, writer
    finally:
        writer.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


# --- The handshake ----------------------------------------------------------------------------------------


async def test_the_credential_goes_into_the_handshake_and_the_callers_own_does_not() -> None:
    async with (
        vendor_that(echo, "Sec-WebSocket-Protocol: b") as vendor,
        serve(Route.to(provider(vendor.url), "/a")) as proxy,
    ):
        wish = head_of(
            proxy,
            *WISH,
            "Authorization: mine",
            "Sec-WebSocket-Protocol: a, b",
            "Sec-WebSocket-Extensions: x",
            target="/a/x?y=1",
        )
        async with shaken(proxy.port, wish) as (head, _, _):
            assert status(head) == 101
    (received,) = vendor.requests
    assert received.line == "GET /x?y=1 HTTP/1.1"
    assert received.values("authorization") == [f"Bearer {CANARY}"]
    assert (received.values("connection"), received.values("upgrade")) == (["Upgrade"], ["websocket"])
    assert (received.values("sec-websocket-key"), received.values("sec-websocket-version")) == ([KEY], ["13"])
    assert received.values("sec-websocket-protocol") == ["a, b"]
    assert received.values("sec-websocket-extensions") == ["x"]
    assert b"\r\nSec-WebSocket-Protocol: b\r\n" in head and head.lower().count(b"\r\nupgrade: websocket\r\n") == 1
    assert head.count(b"\r\nConnection: Upgrade\r\n") == 1


async def test_a_foreign_page_gets_403_and_the_vendor_no_handshake() -> None:
    async with vendor_that(echo) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        assert status(await proxy.send(head_of(proxy, *WISH, "Origin: https://evil.test"))) == 403
    assert vendor.connections == 0


async def test_a_page_of_a_listed_origin_may() -> None:
    async with vendor_that(echo) as vendor:
        route = Route.to(provider(vendor.url), "/a", allowed_origins=frozenset({"http://localhost:3000"}))
        async with serve(route) as proxy:
            async with shaken(proxy.port, head_of(proxy, *WISH, "Origin: http://localhost:3000")) as (head, _, _):
                assert status(head) == 101


@pytest.mark.parametrize(
    "answer",
    [
        lambda received: switching(received, accept="AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        lambda received: switching(received).replace(b"Upgrade: WebSocket", b"Upgrade: h2c"),
        lambda received: switching(received).replace(b"keep-alive, upgrade", b"keep-alive"),
        lambda received: switching(received, "Content-Length: 2"),
        lambda received: switching(received, "Transfer-Encoding: chunked"),
        lambda received: switching(received, "Sec-WebSocket-Accept: x"),
    ],
    ids=["wrong accept", "another protocol", "no upgrade", "a length", "a coding", "two accepts"],
)
async def test_a_101_that_is_no_right_one_is_a_502(answer: Callable[[Received], bytes]) -> None:
    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(received))
        assert await reader.read() == b""

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        assert status(await proxy.ask("GET /a/x", *WISH[1:], "Connection: Upgrade")) == 502
    assert proxy.passages[0].error is not None


@pytest.mark.parametrize("key", ["x", KEY + "=", ""])
async def test_a_handshake_that_nobody_could_grant_is_a_400(key: str) -> None:
    async with vendor_that(echo) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        wish = head_of(proxy, "Connection: Upgrade", "Upgrade: websocket", f"Sec-WebSocket-Key: {key}")
        assert status(await proxy.send(wish)) == 400
    assert vendor.requests == []


async def test_any_other_answer_is_relayed_and_the_callers_connection_goes_on() -> None:
    """The vendor's connection does not: it had asked to be switched."""
    raw = b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 2\r\n\r\nno"
    async with RawUpstream([raw]) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        async with shaken(proxy.port, head_of(proxy, *WISH)) as (head, reader, writer):
            assert (status(head), await reader.readexactly(2)) == (426, b"no")
            writer.write(head_of(proxy))
            assert status(await reader.readuntil(b"\r\n\r\n")) == 426
    assert [received.connection for received in vendor.requests] == [1, 2]


async def test_a_handshake_never_takes_a_kept_connection() -> None:
    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if received.values("upgrade"):
            writer.write(switching(received))
            await echo(received, reader, writer)
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        for wish in ((), WISH, ()):
            async with shaken(proxy.port, head_of(proxy, *wish)):
                pass
    assert [received.connection for received in vendor.requests] == [1, 2, 1]


async def test_a_token_that_died_costs_one_more_handshake() -> None:
    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if received.values("authorization") == ["old"]:
            writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
            return
        writer.write(switching(received))
        await echo(received, reader, writer)

    scheme = Fixed(injections=[Injection((("Authorization", text),)) for text in ("old", "new")], dead_status=401)
    async with RawUpstream(respond=respond) as vendor:
        acme = provider(vendor.url, scheme)
        async with serve(Route.to(acme, "/a")) as proxy:
            async with shaken(proxy.port, head_of(proxy, *WISH)) as (head, reader, writer):
                writer.write(b"hello")
                assert (status(head), await reader.readexactly(5)) == (101, b"hello")
                assert acme.pool.tunnels == 1, "the refused handshake's connection is given up"
    assert [received.values("authorization") for received in vendor.requests] == [["old"], ["new"]]
    assert proxy.passages[0].repeats == 1


@pytest.mark.parametrize(
    ("first", "asked"),
    [(None, 1), (b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n", 1), (b"HTTP/1.1 401 X\r\n\r\n", 2), (b"", 1)],
)
@pytest.mark.parametrize("is_websocket", [False, True])
async def test_a_scheme_is_told_once_of_each_injection_that_its_request_is_over(
    first: bytes | None, asked: int, is_websocket: bool
) -> None:
    """Also of a first attempt before there is a second, of a vendor who hangs up, and of a tunnel that has begun."""
    ended: list[int] = []

    class Counting(Fixed):
        @property
        def counts_requests(self) -> bool:
            return True

        async def authorize(self, request: OutboundRequest) -> Injection:
            assert len(ended) == len(self.asked), "nothing is waited for by whom it waits for"
            await super().authorize(request)
            return Injection(generation=len(self.asked))

        def returned(self, injection: Injection) -> None:
            assert injection.generation is not None
            ended.append(injection.generation)

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if first is not None and len(vendor.requests) == 1:
            writer.write(first)
        else:
            writer.write(switching(received) if is_websocket else OK)
        writer.close()

    scheme = Counting(dead_status=401)
    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url, scheme), "/a")) as proxy:
        await proxy.ask("POST /a/x" if not is_websocket else "GET /a/x", *(WISH if is_websocket else ()))
    assert ended == list(range(1, asked + 1))


async def test_a_vendor_that_does_not_answer_a_handshake_is_a_504() -> None:
    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with (
        RawUpstream(respond=respond) as vendor,
        serve(Route.to(provider(vendor.url), "/a", timeout=0.05)) as proxy,
    ):
        assert status(await proxy.ask("GET /a/x", *WISH)) == 504


# --- Frames -----------------------------------------------------------------------------------------------

MASK = b"\x01\x02\x03\x04"


def frame(first: int, payload: bytes = b"", mask: bytes = MASK) -> bytes:
    size = len(payload)
    length = (
        bytes((size,))
        if size < 126
        else b"\x7e" + size.to_bytes(2, "big")
        if size < 65536
        else b"\x7f" + size.to_bytes(8, "big")
    )
    return (
        bytes((first, length[0] | (0x80 if mask else 0)))
        + length[1:]
        + (mask + masked(mask, payload) if mask else payload)
    )


SCRIPTS = {
    "fragments with control frames between": [frame(0x01, b"one "), frame(0x89, b"ping"), frame(0x00, b"two "), frame(0x8A, b"pong"), frame(0x80, b"three")],
    "not UTF-8": [frame(0x81, b"\xff\xfe\xfd")],
    "a close that is too short": [frame(0x88, b"\x03")],
    "close 1002": [frame(0x88, b"\x03\xea")],
    "close 1007 with a reason": [frame(0x88, b"\x03\xefbad")],
    "close 1009": [frame(0x88, b"\x03\xf1")],
    "reserved bits and an unknown opcode": [frame(0xF3, b"???")],
    "without a mask": [frame(0x81, b"plain", b"")],
    "large": [frame(0x82, bytes(range(256)) * 1200)],
    "lengths": [frame(0x82, bytes(size)) for size in (0, 1, 125, 126, 127, 65535, 65536)],
    "no frames at all": [b"\x00GET / HTTP/1.1\r\n\r\n"],
}  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS)
async def test_what_one_side_writes_the_other_reads_byte_for_byte(script: str) -> None:
    """The same script direct and by the proxy: what is wrong is for the two ends to judge."""
    told = []

    async def talk(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        read = await reader.readexactly(len(b"".join(SCRIPTS[script])))
        told.append(read)
        for piece in SCRIPTS[script]:
            writer.write(piece)

    async with vendor_that(talk) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        heard = []
        for port in (vendor.port, proxy.port):
            async with shaken(port, head_of(proxy, *WISH)) as (_, reader, writer):
                for piece in SCRIPTS[script]:
                    writer.write(piece)
                    await writer.drain()
                heard.append(await reader.read())
    assert heard[0] == heard[1] == b"".join(SCRIPTS[script])
    assert told[0] == told[1] == heard[0]


async def test_what_comes_with_the_handshake_on_either_side_is_not_lost() -> None:
    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(received) + b"first")
        assert await reader.readexactly(5) == b"eager"
        writer.write(b"second")

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        async with shaken(proxy.port, head_of(proxy, *WISH) + b"eager") as (_, reader, _):
            assert await reader.readexactly(11) == b"firstsecond"


async def test_a_real_client_and_a_real_server_with_compression_and_a_subprotocol() -> None:
    async def answer(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve_websocket(answer, "127.0.0.1", 0, subprotocols=["b"], max_size=None) as server:  # type: ignore[list-item]
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with serve(Route.to(provider(url), "/a")) as proxy:
            async with connect(
                f"ws://127.0.0.1:{proxy.port}/a/x", subprotocols=["a", "b"], max_size=None, proxy=None
            ) as client:  # type: ignore[list-item]
                assert client.subprotocol == "b"
                assert [extension.name for extension in client.protocol.extensions] == ["permessage-deflate"]
                for message in ("", "text" * 10_000, os.urandom(300_000)):
                    await client.send(message)
                    assert await client.recv() == message
                await client.close(4001, "done")
            await until(lambda: proxy.passages)
    assert (client.close_code, client.close_reason) == (4001, "done")
    passage = proxy.passages[0]
    assert (passage.status, passage.error) == (101, None)
    assert passage.body.bytes_read > 300_000 and passage.response_bytes > 300_000


async def test_large_messages_do_not_collect_in_memory() -> None:
    size = 32_000_000

    async def talk(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"\x82\x7f" + (size - 10).to_bytes(8, "big") + bytes(64_000 - 10))
        for _ in range(size // 64_000 - 1):
            writer.write(bytes(64_000))
            await writer.drain()

    async with vendor_that(talk) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        async with shaken(proxy.port, head_of(proxy, *WISH)) as (_, reader, writer):
            tracemalloc.start()
            writer.write(b"!")
            left = size
            while left:
                left -= len(await reader.read(1_000_000))
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize("slow", ["caller", "vendor"])
async def test_a_slow_reader_is_waited_for(slow: str) -> None:
    """The other side can write no more than buffers hold."""
    written = 0

    async def flood(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        while True:
            writer.write(bytes(65536))
            await writer.drain()
            written += 65536

    async def talk(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if slow == "caller":
            await flood(writer)
        await asyncio.Event().wait()

    async with vendor_that(talk) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        async with shaken(proxy.port, head_of(proxy, *WISH)) as (_, _, writer):
            flooding = asyncio.create_task(flood(writer)) if slow == "vendor" else None
            before = -1
            while written != before:  # Until it stands still.
                before = written
                await asyncio.sleep(0.3)
            if flooding is not None:
                flooding.cancel()
    assert 0 < written < 30_000_000


# --- Ends -------------------------------------------------------------------------------------------------


async def test_a_caller_who_hangs_up_ends_the_vendors_connection() -> None:
    ended = asyncio.Event()

    async def talk(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            assert await reader.read() == b""
        ended.set()

    async with vendor_that(talk) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        async with shaken(proxy.port, head_of(proxy, *WISH)) as (_, _, writer):
            writer.transport.abort()
            await ended.wait()
        await until(lambda: proxy.passages)
    assert (proxy.passages[0].status, proxy.passages[0].error) == (101, None)


async def test_what_a_caller_sent_before_he_hung_up_reaches_a_vendor_who_is_slow_to_read(tmp_path: Path) -> None:
    size, took = 500_000, 0

    async def slow(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal took
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: not proxy.listener.connections)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        while piece := await reader.read(65536):
            took += len(piece)

    vendor = vendor_that(slow)
    # Of a socket that is a file the kernel keeps little.
    vendor.path = str(tmp_path / "vendor")
    origin, _ = split_url("http://127.0.0.1:1")
    pool = UpstreamPool(Dialer(origin, None, 2.0, vendor.path))
    async with vendor, serve(Route.to(Provider("acme", origin, "", Fixed(), pool), "/a")) as proxy:
        async with shaken(proxy.port, head_of(proxy, *WISH)) as (_, _, writer):
            writer.write(bytes(size))
        await until(lambda: took == size)


async def test_a_vendor_who_resets_is_shown_to_the_caller_as_a_reset() -> None:
    async def talk(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        sock = writer.transport.get_extra_info("socket")
        sock.setsockopt(1, 13, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # SO_LINGER, 0 s
        writer.transport.abort()

    async with vendor_that(talk) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        async with shaken(proxy.port, head_of(proxy, *WISH)) as (_, reader, writer):
            writer.write(b"!")
            with pytest.raises(ConnectionResetError):
                await reader.read()
    assert (proxy.passages[0].status, proxy.passages[0].error.code) == (101, "upstream_disconnected")  # type: ignore[union-attr]


async def test_a_caller_who_is_done_with_sending_still_hears_the_vendor() -> None:
    async def talk(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b"all"
        writer.write(b"last words")

    async with vendor_that(talk) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        async with shaken(proxy.port, head_of(proxy, *WISH)) as (_, reader, writer):
            writer.write(b"all")
            writer.write_eof()
            assert await reader.read() == b"last words"


async def test_a_silent_tunnel_ends_after_its_time_with_going_away_and_the_vendors_end_with_it() -> None:
    ended = asyncio.Event()

    async def talk(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await echo(received, reader, writer)
        ended.set()

    async with vendor_that(talk) as vendor:
        route = Route.to(provider(vendor.url), "/a", websocket_idle_timeout=0.2)
        async with serve(route) as proxy:
            async with shaken(proxy.port, head_of(proxy, *WISH)) as (_, reader, writer):
                for _ in range(3):
                    writer.write(frame(0x81, b"x"))
                    assert await reader.readexactly(7) == frame(0x81, b"x")
                assert await reader.read() == b"\x88\x02\x03\xe9"
                await ended.wait()  # While the caller's own connection is still open.
            assert route.provider.pool._apart == set()


async def test_no_tunnel_is_begun_while_the_proxy_stops() -> None:
    """It would be cut off in a moment; ordinary requests on connections that were accepted are still answered."""
    async with vendor_that(echo) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        proxy.gateway.is_draining = True
        answer = await proxy.send(head_of(proxy, *WISH))
        assert status(answer) == 503
        assert b"\r\nRetry-After: 1\r\n" in answer and b"\r\nConnection: close\r\n" in answer
        assert b"X-AuthProxy-Error: stopping" in answer
    assert vendor.connections == 0


async def test_heads_of_handshakes_do_not_drive_those_of_requests_out_of_memory() -> None:
    """Each has another key in it and never comes again."""
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        for _ in range(2):
            await proxy.send(head_of(proxy, "Connection: close"))
        (known,) = proxy.gateway.admission.heads
        for _ in range(3):
            key = f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}"
            await proxy.send(
                head_of(proxy, "Connection: Upgrade", "Upgrade: websocket", key) + head_of(proxy, "Connection: close")
            )
        assert list(proxy.gateway.admission.heads) == [known]


@pytest.mark.parametrize(
    ("sent", "last"), [(b"", b"\x88\x02\x03\xe9"), (b"\x81\x05part", b""), (b"\x88\x02\x03\xe8", b"")]
)
async def test_when_the_proxy_stops_a_tunnel_is_told_so_between_two_frames(sent: bytes, last: bytes) -> None:
    """In the middle of a frame, or behind a Close frame, nothing may be put in."""

    async def talk(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x81\x01x" + sent)
        await reader.read()

    async with vendor_that(talk) as vendor:
        async with serve(Route.to(provider(vendor.url), "/a")) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(head_of(proxy, *WISH))
            await reader.readuntil(b"\r\n\r\n\x81\x01x" + sent)
        assert await reader.read() == last
        writer.close()
    assert proxy.passages[0].status == 101


async def test_tunnels_leave_nothing_behind() -> None:
    async with vendor_that(echo) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        before = asyncio.all_tasks()
        for number in range(20):
            async with shaken(proxy.port, head_of(proxy, *WISH)) as (_, reader, writer):
                writer.write(b"hello")
                await reader.readexactly(5)
                if number % 2:
                    writer.transport.abort()
        await until(lambda: len(proxy.passages) == 20)
        await until(lambda: not asyncio.all_tasks() - before)
        assert proxy.gateway.admission.routes.find("/a").provider.pool._apart == set()  # type: ignore[union-attr]


async def test_what_is_no_websocket_is_passed_on_without_its_wish() -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        for method, wish in (("GET", "h2c"), ("GET", "h2c, websocket"), ("POST", "websocket")):
            fields = ("Connection: Upgrade", f"Upgrade: {wish}", f"Sec-WebSocket-Key: {KEY}")
            assert (
                status(
                    await proxy.send(
                        head_of(proxy, *fields).replace(b"GET", method.encode()) + head_of(proxy, "Connection: close")
                    )
                )
                == 200
            )
    assert [received.values("upgrade") for received in vendor.requests] == [[]] * 6


# --- GraphQL ----------------------------------------------------------------------------------------------


def graphql_route(url: str, **rest: object) -> Route:
    made = provider(url, graphql_subscriptions=True, drop_headers=("cookie", "x-acme-*"))
    return Route.to(made, "/a", **rest)


def message_of(octets: bytes) -> dict[str, object]:
    head = frame_head(octets)
    assert head is not None and head.mask and len(octets) == head.size + head.length
    return json.loads(masked(head.mask, octets[head.size :]))  # type: ignore[no-any-return]


async def first_message(*pieces: bytes, protocol: str = "graphql-transport-ws") -> tuple[bytes, bytes, bytes]:
    """What the vendor got of these bytes, what the caller got, and the handshake's head."""
    told = bytearray()

    async def talk(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            told.extend(piece)

    fields = (f"Sec-WebSocket-Protocol: {protocol}",) if protocol else ()
    async with vendor_that(talk, *fields) as vendor, serve(graphql_route(vendor.url)) as proxy:
        wish = head_of(proxy, *WISH, *fields, "Sec-WebSocket-Extensions: permessage-deflate")
        async with shaken(proxy.port, wish) as (_, reader, writer):
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0.01)
            writer.write_eof()
            heard = await reader.read()
    return bytes(told), heard, vendor.requests[0].head


@pytest.mark.parametrize("protocol", ["graphql-transport-ws", "graphql-ws", ""])
@pytest.mark.parametrize("payload", [{}, {"payload": None}, {"payload": {}}, {"payload": {"headers": None}}])
async def test_the_credential_goes_into_connection_init(protocol: str, payload: dict[str, object]) -> None:
    told, _, handshake = await first_message(
        client_text(json.dumps({"type": "connection_init", **payload}).encode()), protocol=protocol
    )
    assert message_of(told) == {
        "type": "connection_init",
        "payload": {"headers": {"Authorization": f"Bearer {CANARY}"}},
    }
    assert b"extensions" not in handshake.lower()


async def test_what_the_caller_says_there_is_filtered_as_its_headers_are() -> None:
    own = {
        "authorization": "x",
        "AUTHORIZATION ": "x",
        "Cookie": "x",
        "X_Acme_Role": "x",
        "x-acme-b": "x",
        "Host": "x",
        "X-Own": "kept",
        "é": "x",
    }
    text = json.dumps({"type": "connection_init", "payload": {"headers": own, "lang": "de"}, "id": "1"}).encode()
    told, _, _ = await first_message(client_text(text))
    assert message_of(told) == {
        "type": "connection_init", "id": "1", "payload": {"lang": "de", "headers": {"X-Own": "kept", "Authorization": f"Bearer {CANARY}"}},
    }  # fmt: skip


async def test_it_is_found_in_fragments_behind_pings_and_what_follows_is_as_it_was() -> None:
    text = json.dumps({"type": "connection_init"}).encode()
    before = [frame(0x89, b"hi"), client_text(b'{"type":"ping"}')]
    parts = b"".join([frame(0x01, text[:5]), frame(0x89, b"between"), frame(0x00, text[5:9]), frame(0x80, text[9:])])
    after = frame(0x81, b"\xff not looked at \xff") + b"nor this"
    stream = b"".join(before) + parts + after
    for pieces in ([stream], [stream[at : at + 1] for at in range(len(stream))]):
        told, _, _ = await first_message(*pieces)
        assert told.startswith(frame(0x89, b"hi"))
        assert told.endswith(after)
        assert told.count(frame(0x89, b"between")) == 1 and CANARY.encode() not in told  # It is masked.
        rest = told[len(frame(0x89, b"hi")) :]
        ping = frame_head(rest)
        assert ping is not None and message_of(rest[: ping.size + ping.length]) == {"type": "ping"}


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (client_text(b'{"type":"subscribe"}'), 1008),
        (client_text(b'{"type":"start","payload":{}}'), 1008),
        (client_text(b'{"type":"connection_init","type":"ping"}'), 1008),
        (client_text(b'{"type":"connection_init","payload":[]}'), 1008),
        (client_text(b'{"type":"connection_init","payload":{"headers":"x"}}'), 1008),
        (client_text(b"[" * 60_000), 1008),
        (client_text(b"\xff"), 1008),
        (client_text(b"[]"), 1008),
        (client_text(b'{"type":["connection_init"]}'), 1008),
        (frame(0x82, b"{}"), 1008),
        (frame(0x81, b"{}", b""), 1002),
        (frame(0xC1, b"{}"), 1002),
        (frame(0x80, b"{}"), 1002),
        (frame(0x01, b"{") + frame(0x81, b"}"), 1002),
        (frame(0x09, b"x"), 1002),
        (client_text(bytes(65_537)), 1009),
        (frame(0x01, bytes(40_000)) + frame(0x80, bytes(40_000)), 1009),
    ],
)  # fmt: skip
async def test_whoever_begins_otherwise_is_hung_up_on(sent: bytes, code: int) -> None:
    """It could be a second way to say who one is, past the filter."""
    told, heard, _ = await first_message(sent)
    assert told == b""
    assert heard == b"\x88\x02" + code.to_bytes(2, "big")


async def test_whoever_does_not_begin_at_all_is_hung_up_on_in_time() -> None:
    async with vendor_that(echo, "Sec-WebSocket-Protocol: graphql-ws") as vendor:
        async with serve(graphql_route(vendor.url, timeout=0.1)) as proxy:
            async with shaken(proxy.port, head_of(proxy, *WISH)) as (_, reader, _):
                assert await reader.read() == b"\x88\x02\x03\xf0"


INIT = client_text(b'{"type":"connection_init"}')
START = b'{"id":"1","type":"start","payload":{"query":"subscription { a }","variables":{"n":1.0,"s":"\\u00e9"}}}'


@pytest.mark.parametrize("protocol", ["graphql-ws", ""])
@pytest.mark.parametrize(
    "again",
    [b'{"type":"connection_init","payload":{"headers":{"x-acme-role":"admin"}}}', b'{"type":"connection\\u005finit"}'],
)
async def test_nobody_says_a_second_time_who_he_is(again: bytes, protocol: str) -> None:
    """Servers of the older protocol would begin anew, with what no filter has seen."""
    told, heard, _ = await first_message(
        INIT, client_text(START), frame(0x01, again[:9]) + frame(0x80, again[9:]), protocol=protocol
    )
    head = frame_head(told)
    assert head is not None and message_of(told[: head.size + head.length])["type"] == "connection_init"
    rest = told[head.size + head.length :]
    head = frame_head(rest)
    # What came between is as it was.
    assert head is not None and masked(head.mask, rest[head.size :]) == START
    assert heard == b"\x88\x02" + (4429).to_bytes(2, "big")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(0x82, START), 1008),
        (client_text(b"?"), 1008),
        (client_text(bytes(1_048_577)), 1009),
        (frame(0x81, START, b""), 1002),
    ],
)
async def test_in_the_older_protocol_what_cannot_be_read_is_not_passed_on(sent: bytes, code: int) -> None:
    told, heard, _ = await first_message(INIT, sent, protocol="graphql-ws")
    head = frame_head(told)
    assert head is not None and len(told) == head.size + head.length
    assert heard == b"\x88\x02" + code.to_bytes(2, "big")


async def test_a_large_message_of_the_older_protocol_passes_whole() -> None:
    text = json.dumps({"type": "start", "payload": {"query": "x" * 900_000}}).encode()
    pieces = [frame(0x01, text[:300_000]), frame(0x89, b"between"), frame(0x80, text[300_000:])]
    told, _, _ = await first_message(INIT, *pieces, protocol="graphql-ws")
    assert told.count(frame(0x89, b"between")) == 1
    _, _, last = told.partition(frame(0x89, b"between"))
    head = frame_head(last)
    assert head is not None and masked(head.mask, last[head.size :]) == text


SAYS_NO = b'{"type":"connection_error","payload":"Could not verify JWT: JWTExpired"}'
SAYS_YES = b'{"type":"connection_ack"}'


@pytest.mark.parametrize("protocol", ["graphql-transport-ws", "graphql-ws"])
@pytest.mark.parametrize(
    ("answers", "is_refused"),
    [
        ([frame(0x81, SAYS_NO, b"")], True),
        ([frame(0x81, b'{"type":"ka"}', b""), frame(0x89, b"", b""), frame(0x01, SAYS_NO[:5], b"") + frame(0x80, SAYS_NO[5:], b"")], True),
        ([frame(0x88, b"\x11\x30no", b"")], True),
        ([frame(0x88, b"\x11\x31", b"")], True),
        ([frame(0x88, b"\x11\x33", b"")], True),
        ([frame(0x88, b"\x11\x38", b"")], False),
        ([frame(0x88, b"\x03\xe8", b"")], False),
        ([frame(0x88, b"", b"")], False),
        ([frame(0x81, SAYS_YES, b""), frame(0x81, SAYS_NO, b"")], False),
        ([frame(0x81, SAYS_YES, b"") + frame(0x88, b"\x11\x33", b"")], False),
        ([frame(0x82, SAYS_NO, b"")], False),
        ([frame(0x81, b"[]", b""), frame(0x81, b"\xff", b""), frame(0x81, b'{"type":[]}', b"")], False),
        ([frame(0xF1, SAYS_NO, b"")], False),
        ([], False),
    ],
)  # fmt: skip
async def test_a_credential_that_connection_init_was_refused_for_is_known_as_dead(
    answers: list[bytes], is_refused: bool, protocol: str
) -> None:
    """As a 401 would make it known, once; later words are about something else. The caller hears all of it."""

    async def talk(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        for answer in answers:
            writer.write(answer)
            await asyncio.sleep(0.01)

    scheme = Fixed()
    async with vendor_that(talk, f"Sec-WebSocket-Protocol: {protocol}") as vendor:
        async with serve(Route.to(provider(vendor.url, scheme, graphql_subscriptions=True), "/a")) as proxy:
            async with shaken(proxy.port, head_of(proxy, *WISH)) as (_, reader, writer):
                writer.write(INIT)
                assert await reader.read() == b"".join(answers)
    assert [judged.status for judged in scheme.judged] == [101, *[401] * is_refused]


async def test_a_subscription_that_has_begun_may_be_silent_for_as_long_as_it_likes() -> None:
    async with vendor_that(echo, "Sec-WebSocket-Protocol: graphql-ws") as vendor:
        async with serve(graphql_route(vendor.url, timeout=0.1)) as proxy:
            async with shaken(proxy.port, head_of(proxy, *WISH)) as (_, reader, writer):
                writer.write(INIT)
                await reader.read(65536)
                await asyncio.sleep(0.3)
                writer.write(frame(0x89, b"still here"))
                assert await reader.readexactly(16) == frame(0x89, b"still here")


async def test_another_subprotocol_of_the_same_vendor_is_left_alone() -> None:
    told, _, _ = await first_message(b"\x81\x03abc", protocol="chat")
    assert told == b"\x81\x03abc"


async def test_an_extension_that_was_not_asked_for_is_a_502() -> None:
    async with vendor_that(echo, "Sec-WebSocket-Extensions: permessage-deflate") as vendor:
        async with serve(graphql_route(vendor.url)) as proxy:
            assert status(await proxy.ask("GET /a/x", *WISH)) == 502


def test_the_bounds_of_frames_are_found_however_the_stream_is_cut() -> None:
    stream = b"".join(frame(0x82, bytes(size), mask) for size in (0, 5, 126, 300, 70_000) for mask in (b"", MASK))
    ends, at = set(), 0
    while at < len(stream):
        head = frame_head(stream[at:])
        assert head is not None
        at += head.size + head.length
        ends.add(at)
    for step in (1, 2, 3, 7, 11, 4096):
        bounds = FrameBounds()
        for at in range(0, len(stream), step):
            bounds.follow(stream[at : at + step])
            assert bounds.is_between == (min(at + step, len(stream)) in ends)
        assert not bounds.has_closed


def test_a_flood_of_empty_frames_is_not_counted() -> None:
    """It would take the event loop's time from everybody; all that is lost is the Close frame at the end."""
    bounds = FrameBounds()
    bounds.follow(bytes(2 * 4000))
    assert bounds.is_between
    bounds.follow(bytes(512 * 1024))
    assert not bounds.is_between
    bounds.follow(b"\x82\x00")
    assert not bounds.is_between
