"""Hostile targets, parameters and framings in all their combinations, against a gateway in this process.

Single requests stand in `cases/`, as data that any proxy can be tried with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from proxy.gateway.route import Route
from proxy.schemes.base import Injection
from tests.raw_upstream import OK, RawUpstream
from tests.served import Fixed, Served, provider, serve

# B16: each behind the route's prefix, and each again with a file name behind it.
ESCAPES = [
    "..", "%2e%2e", ".%2e", "%2e.", "%2E%2e", ".", "%2e", "%252e%252e", "%25252e%25252e", "a/..", "a/%2e%2e/%2e%2e",
    "..;", "..;a=b", ";..", "%2e%2e;x", "..%2f", "..%2fadmin", "%2e%2e%2fadmin", "..%5cadmin", "..%255cadmin", "%5c..",
    "a%2f..", "%252f", "%00", "a%00..", "%0a", "%0d%0aX-Evil:1", "..%00", "%c0%ae%c0%ae", "%c0%af..", "%25c0%25ae",
    "%e0%80%ae", "%f0%80%80%af", "%C1%9C..",
]  # fmt: skip


def cut_whole(octets: bytes) -> list[bytes]:
    return [octets]


def cut_bytes(octets: bytes) -> list[bytes]:
    return [octets[at : at + 1] for at in range(len(octets))]


def cut_lines(octets: bytes) -> list[bytes]:
    return octets.splitlines(keepends=True)


async def exchanged(proxy: Served, segments: list[bytes]) -> bytes:
    """What comes back for these segments, sent as separately as the kernel allows, until the proxy hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        for segment in segments:
            if reader.at_eof() or writer.transport.is_closing():
                break
            writer.write(segment)
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


CUTS = [cut_whole, cut_bytes, cut_lines]


@pytest.mark.parametrize("cut", CUTS)
async def test_no_target_leads_out_of_the_base_path(cut: Callable[[bytes], list[bytes]]) -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url + "/v1"), "/r")) as proxy:
        for escape in ESCAPES:
            for target in (f"/r/{escape}", f"/r/{escape}/admin", f"/r/a/{escape}?x", f"/{escape}/r/x"):
                octets = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\n\r\n".encode()
                answer = await exchanged(proxy, cut(octets) if "admin" in target else [octets])
                assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 404 ")), target
    assert vendor.connections == 0


async def test_dots_and_escapes_that_lead_nowhere_pass() -> None:
    harmless = [
        "...",
        "a..b",
        "..a",
        "a.",
        "%7e",
        "%20",
        "%C3%A9",
        "%c3%80",
        "%E0%A4%85",
        "a;b=c",
        "%3b",
        "@",
        ":",
        "a=..",
    ]
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url + "/v1"), "/r")) as proxy:
        for segment in harmless:
            await proxy.ask(f"GET /r/{segment}/x?a=../%2e%2e//")
    assert [request.target for request in vendor.requests] == [f"/v1/{segment}/x?a=../%2e%2e//" for segment in harmless]


@pytest.mark.parametrize(
    "name",
    [
        "secret",
        "SECRET",
        "s%65cret",
        "secret[]",
        "secret%5B0%5D",
        "+secret",
        "%20secret",
        "a=1;secret",
        "se%63ret[a][b]",
    ],
)
async def test_a_parameter_that_a_route_denies_is_found_in_every_spelling(name: str) -> None:
    async with (
        RawUpstream() as vendor,
        serve(Route.to(provider(vendor.url), "/r", deny_query=frozenset({"secret"}))) as proxy,
    ):
        assert (await proxy.ask(f"GET /r/x?y&{name}=1")).startswith(b"HTTP/1.1 403 ")
        assert (await proxy.ask("GET /r/x?secrets=1&y=secret&my[secret]=1")).startswith(b"HTTP/1.1 200 ")
    assert len(vendor.requests) == 1


NAMES = ["Transfer-Encoding", "transfer-encoding", "Transfer-encoding", "TRANSFER-ENCODING", "Transfer_Encoding", "Transfer-Encoding ", " Transfer-Encoding", "X: y\nTransfer-Encoding", "X: y\rTransfer-Encoding", "\x00Transfer-Encoding", "Transfer-Encoding\x0b", "Transfer\tEncoding", "Transfer-Encod\xefng"]  # fmt: skip
VALUES = [
    "chunked", " chunked", "\tchunked", "chunked ", "chunked\t", "\x0bchunked", "chunked\x0b", "\x0cchunked", "\xa0chunked", "Chunked", "CHUNKED", "chunKed",
    "xchunked", "chunkedx", "chunk", "chunked, identity", "identity, chunked", "identity", "gzip, chunked", "chunked, gzip", "chunked,", ",chunked", "chunked;a=b",
    "'chunked'", '"chunked"', "chunked, chunked", "cow", "", " ", "x", "\x00chunked", "chunked\x00", "\x7fchunked", "chunked\r\n ", "\r\n chunked", "chunked\nX: y",
    "chunked\rX: y", "chunke\u0064", "\xff", "0", "true", "deflate", "compress", "trailers", "chunked\r\nTransfer-Encoding: identity", "identity\r\nTransfer-Encoding: chunked",
    "chunked\r\nTransfer-Encoding: chunked", "chunked\r\nTransfer-encoding: cow", "chunked\r\nContent-Length: 5",
]  # fmt: skip


@pytest.mark.parametrize("with_length", [True, False])
async def test_no_spelling_of_a_transfer_encoding_gives_a_vendor_two_framings(with_length: bool) -> None:
    """D31: refused, or passed on with one framing of our own and the body that this framing has."""
    body = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    async with RawUpstream([OK]) as vendor, serve(Route.to(provider(vendor.url), "/r")) as proxy:
        for name in NAMES:
            for value in VALUES:
                seen = len(vendor.requests)
                length = f"Content-Length: {len(body)}\r\n" if with_length else ""
                head = f"POST /r/x HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\n{length}{name}:{value}\r\nConnection: close\r\n\r\n"
                answer = await exchanged(proxy, [head.encode("latin-1") + body])
                passed = vendor.requests[seen:]
                if answer.startswith(b"HTTP/1.1 400 "):
                    assert passed == [], (name, value)
                    continue
                assert answer.startswith(b"HTTP/1.1 200 "), (name, value, answer[:80])
                framings = passed[0].values("content-length") + passed[0].values("transfer-encoding")
                assert len(passed) == 1 and len(framings) <= 1, (name, value)
                assert not passed[0].values("transfer_encoding"), (name, value)
                announced = len(body) if with_length else 5 if "Content-Length: 5" in value else 0
                assert passed[0].body == body[:announced], (name, value)
        assert all(request.target != "/smuggled" for request in vendor.requests)


async def test_a_thousand_pipelined_requests_of_mixed_routes_are_answered_in_order_with_their_own_credential() -> None:
    """D34."""

    def scheme(number: int) -> Fixed:
        return Fixed(injections=[Injection((("Authorization", f"Bearer {number}"),))])

    async with RawUpstream() as vendor:
        routes = [Route.to(provider(vendor.url, scheme(number)), f"/r{number}") for number in range(3)]
        async with serve(*routes) as proxy:
            asked = [(number * 7 % 3, number) for number in range(1000)]
            heads = [
                f"GET /r{route}/{number} HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\n{'Connection: close' if number == 999 else 'X: y'}\r\n\r\n"
                for route, number in asked
            ]
            answer = await exchanged(proxy, ["".join(heads).encode()])
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 1000
    assert [(request.values("authorization"), request.target) for request in vendor.requests] == [
        ([f"Bearer {route}"], f"/{number}") for route, number in asked
    ]
