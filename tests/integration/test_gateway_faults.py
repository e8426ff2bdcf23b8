"""Peers that break off, stall, flood or lie, on either side: nobody hangs, nothing leaks, no broken body looks whole."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Event, Thread

import pytest

from proxy.errors import CredentialRejected, CredentialUnavailable
from proxy.gateway.route import Route
from proxy.schemes.base import Injection, OutboundRequest
from tests.raw_upstream import OK, RawUpstream, Received
from tests.served import Fixed, Holding, Served, fill, provider, serve, status

UNAUTHORIZED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndead"
UNAUTHORIZED_AT_LENGTH = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 400000\r\n\r\ndead"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def request_head(proxy: Served, *fields: str, line: str = "POST /a/x", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{line} HTTP/{version}", f"Host: 127.0.0.1:{proxy.port}", *fields, "", ""]).encode()


async def until(condition: Callable[[], object], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def calling(
    proxy: Served, *, receive_buffer: int = 0
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", proxy.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=2 * receive_buffer or 2**16)
    try:
        async with asyncio.timeout(10):
            yield reader, writer
    finally:
        writer.close()


# --- The vendor -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [1, 16_384, 20_000, 40_000])
async def test_an_answer_of_very_many_small_chunks_is_relayed_whole(chunks: int) -> None:
    """More than the reader holds at a time: what is left over must not be taken for nothing."""
    async with (
        RawUpstream([CHUNKED + b"1\r\nx\r\n" * chunks + b"0\r\n\r\n"]) as vendor,
        serve(Route.to(provider(vendor.url), "/a")) as proxy,
    ):
        answer = await proxy.send(request_head(proxy, line="GET /a/x", version="1.0"))
    assert answer.partition(b"\r\n\r\n")[2] == b"x" * chunks


async def test_an_upload_ends_when_the_vendor_hangs_up() -> None:
    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(10)
        writer.close()

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        before = asyncio.all_tasks()
        async with calling(proxy) as (reader, writer):
            writer.write(request_head(proxy, "Transfer-Encoding: chunked") + b"5\r\nfirst\r\n")
            assert status(await reader.readuntil(b"\r\n\r\n")) == 502
            await until(lambda: not asyncio.all_tasks() - before)


async def test_a_vendor_that_stalls_in_the_middle_of_its_answer_is_hung_up_on() -> None:
    hung_up = asyncio.Event()

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")
        assert await reader.read(1) == b""
        hung_up.set()

    async with (
        RawUpstream(respond=respond) as vendor,
        serve(Route.to(provider(vendor.url), "/a", timeout=0.05)) as proxy,
    ):
        with pytest.raises(ConnectionResetError):
            await proxy.ask("GET /a/x")
        await asyncio.wait_for(hung_up.wait(), 5)
        assert (proxy.passages[0].status, proxy.passages[0].error.code) == (200, "upstream_timeout")  # type: ignore[union-attr]


async def test_of_a_request_that_failed_at_the_vendor_it_is_told_that_it_had_a_credential() -> None:
    """Who reads that there was none would look for the fault in the wrong place."""

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        assert status(await proxy.ask("GET /a/x")) == 502
        handshake = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
        async with calling(proxy) as (reader, writer):
            writer.write(request_head(proxy, "Connection: Upgrade", *handshake, line="GET /a/x"))
            assert status(await reader.readuntil(b"\r\n\r\n")) == 502
    assert [passage.credential for passage in proxy.passages] == ["static", "static"]


@pytest.mark.parametrize("scheme", [Fixed, Holding])
async def test_a_vendor_that_stops_reading_is_a_504(scheme: type[Fixed]) -> None:
    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with (
        RawUpstream(respond=respond) as vendor,
        serve(Route.to(provider(vendor.url, scheme()), "/a", timeout=0.1)) as proxy,
        calling(proxy) as (reader, writer),
    ):
        body = bytes(15_000_000)
        writer.write(request_head(proxy, f"Content-Length: {len(body)}") + body)
        assert status(await reader.readuntil(b"\r\n\r\n")) == 504


async def test_a_vendor_that_is_slow_to_read_a_held_body_has_time_as_long_as_it_reads() -> None:
    """The time-out for the answer begins when the request is sent, and a signed body is sent in many pieces."""
    size = 16_000_000

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = size
        while left:
            left -= len(await reader.read(1_000_000))
            # The rest may already lie in the kernel's buffers when the proxy begins to count.
            await asyncio.sleep(0.02 if left > 12_000_000 else 0)
        writer.write(OK)

    async with (
        RawUpstream(respond=respond) as vendor,
        serve(Route.to(provider(vendor.url, Holding()), "/a", timeout=0.3)) as proxy,
    ):
        answer = await proxy.ask("POST /a/x", f"Content-Length: {size}", body=bytes(size))
    assert status(answer) == 200


async def test_a_credential_that_does_not_come_is_a_503_within_the_routes_timeout() -> None:
    class Slow(Fixed):
        async def authorize(self, request: OutboundRequest) -> Injection:
            return await asyncio.get_running_loop().create_future()

    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url, Slow()), "/a", timeout=0.05)) as proxy:
        answer = await proxy.ask("GET /a/x")
    assert status(answer) == 503
    assert b"Retry-After: 1\r\n" in answer
    assert vendor.requests == []


async def test_the_head_of_an_answer_to_head_is_found_behind_interim_answers_and_across_segments() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if received.target == "/whole":
            writer.write(interim + b"body!")
            return
        for at in range(len(interim)):
            writer.write(interim[at : at + 1] + (b"body!" if at == len(interim) - 1 else b""))
            await writer.drain()
            await asyncio.sleep(0)

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/a", timeout=2)) as proxy:
        for target in ("whole", "bytewise", "whole"):
            answer = await proxy.ask(f"HEAD /a/{target}")
            assert answer == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
    assert vendor.connections == 3


@pytest.mark.parametrize("code", [204, 304])
@pytest.mark.parametrize("extra", [b"hello", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", b"\0\0\0"])
async def test_a_body_where_none_may_be_is_nobodys(code: int, extra: bytes) -> None:
    raw = b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % code
    async with RawUpstream([raw + extra, OK]) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        assert status(await proxy.ask("GET /a/x")) in (code, 502)
        assert (await proxy.ask("GET /a/x")).endswith(b"\r\n\r\nok")
    assert vendor.connections == 2


async def test_a_second_try_is_not_made_on_another_dead_connection() -> None:
    both = asyncio.Event()

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if received.target == "/2" and received.connection <= 2:
            writer.close()
            return
        if len(vendor.requests) == 2:
            both.set()
        await both.wait()
        writer.write(OK)

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        await asyncio.gather(proxy.ask("GET /a/1"), proxy.ask("GET /a/1"))
        assert status(await proxy.ask("GET /a/2")) == 200
    assert [(received.target, received.connection) for received in vendor.requests[2:]] in (
        [("/2", 1), ("/2", 3)],
        [("/2", 2), ("/2", 3)],
    )


async def test_a_vendor_that_answers_before_the_body_is_there_ends_it_and_its_connection() -> None:
    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 413 X\r\nContent-Length: 2\r\n\r\nno")
        await reader.read()

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        before = asyncio.all_tasks()
        async with calling(proxy) as (reader, writer):
            writer.write(request_head(proxy, "Content-Length: 1000000") + b"first")
            answer = await reader.read()
        await until(lambda: not asyncio.all_tasks() - before)
    assert status(answer) == 413
    assert answer.endswith(b"\r\nConnection: close\r\n\r\nno")


async def test_of_an_answer_that_is_cut_off_it_is_told_how_much_of_it_was_written() -> None:
    """An endless stream of events has no other end than its caller's."""

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + bytes(1000))
        await go_on.wait()
        writer.write(bytes(1000))
        await reader.read()

    go_on = asyncio.Event()
    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        async with calling(proxy) as (reader, writer):
            writer.write(request_head(proxy, line="GET /a/x"))
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(1000)
            go_on.set()
            await reader.readexactly(1000)
        await until(lambda: proxy.passages)
    assert (proxy.passages[0].status, proxy.passages[0].response_bytes) == (499, 2000)


async def test_a_body_that_broke_before_a_byte_was_relayed_is_a_502() -> None:
    """There is still time for a proper answer."""

    replayed = asyncio.Event()

    class Once(Fixed):
        async def authorize(self, request: OutboundRequest) -> Injection:
            if self.asked:
                await replayed.wait()
                raise CredentialRejected
            return await super().authorize(request)

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 401 X\r\nContent-Length: 10\r\n\r\nab")
        await writer.drain()
        await until(lambda: len(scheme.asked) == 1)
        writer.close()
        asyncio.get_running_loop().call_later(0.05, replayed.set)

    scheme = Once(dead_status=401)
    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url, scheme), "/a")) as proxy:
        answer = await proxy.ask("GET /a/x")
    assert status(answer) == 502
    assert b"X-AuthProxy-Error: upstream_disconnected" in answer


async def test_an_interim_answer_that_says_close_ends_the_connection_and_not_the_answer() -> None:
    """However often the final answer was seen before."""

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(OK)

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        answers = [await proxy.ask("GET /a/x") for _ in range(4)]
    assert [status(answer) for answer in answers] == [200] * 4
    assert vendor.connections == 4


# --- The caller -------------------------------------------------------------------------------------------


async def test_nothing_is_read_behind_what_was_refused() -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        async with calling(proxy) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\n\n")
            assert status(await reader.read()) == 400
            writer.write(request_head(proxy, line="GET /a/x"))
            await until(lambda: not proxy.listener.connections)
    assert vendor.requests == []


async def test_a_caller_who_ends_in_the_middle_of_a_head_is_not_waited_for() -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        async with calling(proxy) as (reader, writer):
            writer.write(request_head(proxy, line="GET /a/x") + b"GET /a/y")
            writer.write_eof()
            assert (await reader.read()).endswith(b"ok")


async def test_a_caller_who_is_refused_and_gone_leaves_no_complaint(caplog: pytest.LogCaptureFixture) -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", proxy.port)) as caller:
                caller.sendall(request_head(proxy, "Content-Length: 9", line="POST /none") + b"abc")
            while len(proxy.passages) == 0 or proxy.listener.connections:
                await asyncio.sleep(0)
    assert caplog.records == []


async def test_a_body_that_turns_out_malformed_is_a_400_at_once() -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        for begun in (b"5\r\nfirst\r\n", b""):
            sent = len(vendor.requests)
            async with calling(proxy) as (reader, writer):
                writer.write(request_head(proxy, "Transfer-Encoding: chunked") + begun)
                await until(lambda sent=sent: len(vendor.requests) > sent)
                writer.write(b"zz\r\n")
                answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert answer.count(b"X-AuthProxy-Error: ") == 1


async def test_an_expectation_of_http_1_0_gets_no_interim_answer() -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        head = request_head(proxy, "Expect: 100-continue", "Content-Length: 2", version="1.0")
        assert (await proxy.send(head + b"hi")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_caller_who_pipelines_and_never_reads_is_not_answered_on_and_on() -> None:
    body = bytes(200_000)
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with (
        RawUpstream([raw]) as vendor,
        serve(Route.to(provider(vendor.url), "/a")) as proxy,
        calling(proxy, receive_buffer=4096) as (_, writer),
    ):
        writer.transport.pause_reading()
        writer.write(request_head(proxy, line="GET /a/x") * 200)
        seen = -1
        while len(vendor.requests) != seen:  # Until it stands still.
            seen = len(vendor.requests)
            await asyncio.sleep(0.3)
        assert 0 < seen < 60


async def test_an_upgrade_is_not_passed_on_and_what_follows_is_the_next_request() -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        first = request_head(
            proxy, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: x", line="GET /a/1"
        )
        answer = await proxy.send(first + request_head(proxy, "Connection: close", line="GET /a/2"))
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert [received.target for received in vendor.requests] == ["/1", "/2"]
    assert not vendor.requests[0].values("upgrade") + vendor.requests[0].values("connection")


# --- The end ----------------------------------------------------------------------------------------------


async def test_an_answer_that_is_cut_off_when_the_proxy_stops_does_not_look_whole() -> None:
    """A caller of HTTP/1.0 knows the end of a body by the end of the connection alone."""

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nsome of it")
        await reader.read()

    async with RawUpstream(respond=respond) as vendor:
        async with serve(Route.to(provider(vendor.url), "/a")) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(request_head(proxy, line="GET /a/x", version="1.0"))
            assert await reader.readuntil(b"some of it")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()


def test_whole_answers_reach_a_slow_caller_though_the_process_ends() -> None:
    """What the event loop still holds when it ends is lost. Whoever is still being answered is cut off instead."""
    body, caller, is_full, has_ended = os.urandom(60_000), socket.socket(), Event(), Event()
    raw, asked = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body, 0

    async def served() -> None:
        nonlocal asked
        loop = asyncio.get_running_loop()
        async with RawUpstream([raw]) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
            caller.setblocking(False)
            await loop.sock_connect(caller, ("127.0.0.1", proxy.port))
            asked = await fill(proxy, lambda: loop.sock_sendall(caller, request_head(proxy, line="GET /a/x")))
            is_full.set()
        has_ended.set()

    process = Thread(target=asyncio.run, args=(served(),))
    process.start()
    assert is_full.wait(20)
    assert not has_ended.wait(0.5), "it did not wait"
    with caller:
        caller.settimeout(20)
        answer = b"".join(iter(lambda: caller.recv(65536), b""))
    process.join(20)
    assert answer.count(body) == asked


async def test_five_hundred_requests_of_every_fate_leave_nothing_behind() -> None:
    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match received.target:
            case "/good":
                writer.write(OK)
            case "/broken":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
                writer.close()
            case "/nonsense":
                writer.write(b"nonsense\r\n\r\n")
            case "/streaming":
                writer.write(CHUNKED + b"1\r\nx\r\n")
                await reader.read()
            case _:
                await reader.read()

    async def abandoned(proxy: Served, target: str, *sent: bytes) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(request_head(proxy, "Transfer-Encoding: chunked", line=f"POST /a/{target}") + b"".join(sent))
        await asyncio.sleep(0.01)
        writer.close()

    async def asked(proxy: Served, target: str) -> None:
        try:
            await proxy.ask(f"GET /a/{target}")
        except ConnectionResetError:
            assert target == "broken"

    async with RawUpstream(respond=respond) as vendor:
        route = Route.to(provider(vendor.url), "/a", timeout=5)
        async with serve(route) as proxy:
            await proxy.ask("GET /a/good")
            before_tasks, before_files = asyncio.all_tasks(), len(os.listdir("/proc/self/fd"))
            for _ in range(50):
                await asyncio.gather(
                    *(asked(proxy, target) for target in ("good", "good", "good", "broken", "nonsense", "good")),
                    abandoned(proxy, "waiting", b"3\r\nabc\r\n0\r\n\r\n"),
                    abandoned(proxy, "streaming", b"3\r\nabc\r\n0\r\n\r\n"),
                    abandoned(proxy, "waiting", b"3\r\nabc\r\n"),
                    abandoned(proxy, "waiting"),
                )
            await until(lambda: len(proxy.passages) == 501)
            route.provider.pool.retire()
            await until(lambda: len(os.listdir("/proc/self/fd")) <= before_files, 10)
            await until(lambda: not asyncio.all_tasks() - before_tasks)


@pytest.mark.parametrize(
    ("refusal", "seen"),
    [(UNAUTHORIZED, 401), (UNAUTHORIZED_AT_LENGTH, 503)],
    ids=["whole", "unread"],
)
async def test_a_refusal_that_was_given_up_is_no_answer_when_the_credential_ends_in_the_middle(
    refusal: bytes, seen: int
) -> None:
    """The second attempt meets a dead connection, and before the third there is no credential any more."""
    everyone = asyncio.Event()
    opened: set[int] = set()

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if received.target == "/opens":
            opened.add(received.connection)
            if len(opened) == 2:
                everyone.set()
            await everyone.wait()
            writer.write(OK)
        elif len(vendor.requests) == 3:
            writer.write(refusal)
        else:
            writer.close()

    class Ending(Fixed):
        async def authorize(self, request: OutboundRequest) -> Injection:
            if len(self.asked) == 4:
                raise CredentialUnavailable(retry_after=1)
            return await super().authorize(request)

    async with (
        RawUpstream(respond=respond) as vendor,
        serve(Route.to(provider(vendor.url, Ending(dead_status=401)), "/a")) as proxy,
    ):
        await asyncio.gather(*(proxy.ask("GET /a/opens") for _ in range(2)))
        answer = await proxy.ask("GET /a/x")
    assert status(answer) == seen
    assert answer.endswith(b"dead") == (seen == 401)
