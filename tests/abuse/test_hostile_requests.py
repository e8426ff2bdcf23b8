"""Requests that must never reach a vendor, each sent whole, byte by byte, and split at its line ends.

The numbers are those of the project's list of abuse cases.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from proxy.gateway.route import Route
from proxy.schemes.base import Injection
from tests.raw_upstream import OK, RawUpstream
from tests.served import CANARY, Fixed, Served, provider, serve

ECHO = "CANARYTOK-of-the-caller"

# case: (expected statuses, request); {host} is the listener's own Host value.
HEADS: dict[str, tuple[tuple[int, ...], str]] = {
    "A1 rebound name": ((421,), "GET /r/x HTTP/1.1\r\nHost: evil.test\r\n\r\n"),
    "A1 rebound name with our port": ((421,), "GET /r/x HTTP/1.1\r\nHost: evil.test:{port}\r\n\r\n"),
    "A1 user information": ((421,), "GET /r/x HTTP/1.1\r\nHost: {host}@evil.test\r\n\r\n"),
    "A1 two names in one": ((421,), "GET /r/x HTTP/1.1\r\nHost: {host}, evil.test\r\n\r\n"),
    "A1 two hosts": ((400, 421), "GET /r/x HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n"),
    "A1 no host": ((400, 421), "GET /r/x HTTP/1.1\r\n\r\n"),
    "A1 no host in HTTP/1.0": ((421,), "GET /r/x HTTP/1.0\r\n\r\n"),
    "A1 empty host": ((421,), "GET /r/x HTTP/1.1\r\nHost:\r\n\r\n"),
    "A1 trailing dot": ((421,), "GET /r/x HTTP/1.1\r\nHost: localhost.:{port}\r\n\r\n"),
    "A2 origin": ((403,), "POST /r/x HTTP/1.1\r\nHost: {host}\r\nOrigin: https://evil.test\r\nContent-Length: 0\r\n\r\n"),
    "A2 empty origin": ((403,), "GET /r/x HTTP/1.1\r\nHost: {host}\r\nOrigin:\r\n\r\n"),
    "A3 image": ((403,), "GET /r/x HTTP/1.1\r\nHost: {host}\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n\r\n"),
    "A3 same origin": ((403,), "GET /r/x HTTP/1.1\r\nHost: {host}\r\nsec-fetch-site: same-origin\r\nsec-fetch-mode: cors\r\n\r\n"),
    "A4 preflight": (
        (403,),
        "OPTIONS /r/x HTTP/1.1\r\nHost: {host}\r\nOrigin: https://evil.test\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Private-Network: true\r\n\r\n",
    ),
    "A6 every address": ((421,), "GET /r/x HTTP/1.1\r\nHost: 0.0.0.0:{port}\r\n\r\n"),
    "A6 every address of IPv6": ((421,), "GET /r/x HTTP/1.1\r\nHost: [::]:{port}\r\n\r\n"),
    "A7 websocket of a page": (
        (403,),
        "GET /r/x HTTP/1.1\r\nHost: {host}\r\nOrigin: https://evil.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    ),
    "B13 absolute form": ((400,), "GET http://evil.test/r/x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "B13 absolute form to ourselves": ((400,), "GET http://{host}/r/x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "B13 absolute form with a user": ((400,), "GET http://u:p@evil.test/r/x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "B14 connect": ((400, 405), "CONNECT evil.test:443 HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "B14 trace": ((405,), "TRACE /r/x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "B14 asterisk": ((400,), "OPTIONS * HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "B14 preface of HTTP/2": ((400, 421), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "B15 authority": ((400,), "GET //evil.test/x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "B15 authority behind the prefix": ((400,), "GET /r//evil.test/x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "B15 backslash": ((400,), "GET /\\evil.test HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "B17 longer": ((404,), "GET /rr/x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "B17 encoded slash": ((400, 404), "GET /r%2fx HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "B17 capital": ((404,), "GET /R/x HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "B20 fragment": ((400,), "GET /r/x#y HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "B20 delete": ((400,), "GET /r/\x7f HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "B20 not ASCII": ((400,), "GET /r/\xff HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "B20 tab": ((400,), "GET /r/\t HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "B20 space": ((400,), "GET /r/a b HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "B20 NUL": ((400,), "GET /r/\0 HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "B20 no escape": ((400,), "GET /r/%zz HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "B20 half an escape": ((400,), "GET /r/x?%4 HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    "D30 length and coding": ((400,), "POST /r/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG"),
    "D30 coding and length": ((400,), "POST /r/x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG"),
    "D30 two lengths": ((400,), "POST /r/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    "D30 a length twice": ((400,), "POST /r/x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"),
    **{
        f"D30 length {value!r}": ((400,), f"POST /r/x HTTP/1.1\r\nHost: {{host}}\r\nContent-Length: {value}\r\n\r\nabc")
        for value in ("1, 1", "+3", "-3", "0x3", "1_0", "3 3", "\xb2", "3.0", "", "99999999999999999999999")
    },
    "D32 stacked codings": ((400,), "POST /r/x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "D32 coding in HTTP/1.0": ((400,), "POST /r/x HTTP/1.0\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    **{
        f"D32 version {version}": ((400,), f"GET /r/x HTTP/{version}\r\nHost: {{host}}\r\n\r\n")
        for version in ("0.9", "1.2", "1.9", "2.0", "3.0", "11", "1.1.1", "")
    },
    "D32 no version": ((400, 421), "GET /r/x\r\n\r\n"),
    "D33 folded": ((400,), "GET /r/x HTTP/1.1\r\nHost: {host}\r\nX-A: a\r\n b\r\n\r\n"),
    "D33 bare LF": ((400,), "GET /r/x HTTP/1.1\nHost: {host}\n\n"),
    "D33 bare LF in between": ((400,), "GET /r/x HTTP/1.1\r\nHost: {host}\r\nX-A: a\nX-B: b\r\n\r\n"),
    "D33 bare CR": ((400,), "GET /r/x HTTP/1.1\r\nHost: {host}\r\nX-A: a\rX-B: b\r\n\r\n"),
    "D33 space before the colon": ((400,), "GET /r/x HTTP/1.1\r\nHost: {host}\r\nX-A : a\r\n\r\n"),
    "D33 space before the first field": ((400,), "GET /r/x HTTP/1.1\r\n Host: {host}\r\n\r\n"),
    "D33 NUL in a value": ((400,), "GET /r/x HTTP/1.1\r\nHost: {host}\r\nX-A: a\0b\r\n\r\n"),
    "D33 chunk size": ((400, 421), "POST /r/none HTTP/1.1\r\nHost: evil\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"),
    "E39 long field": ((431,), f"GET /r/x HTTP/1.1\r\nHost: {{host}}\r\nX-A: {'a' * 9000}\r\n\r\n"),
    "E39 many fields": ((400, 431), "GET /r/x HTTP/1.1\r\nHost: {host}\r\n" + "X-A: a\r\n" * 129 + "\r\n"),
    "E39 long target": ((414,), f"GET /r/{'a' * 9000} HTTP/1.1\r\nHost: {{host}}\r\n\r\n"),
    "E41 expectation of a refused caller": ((421,), "POST /r/x HTTP/1.1\r\nHost: evil\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
    "E41 another expectation": ((417,), "POST /r/x HTTP/1.1\r\nHost: {host}\r\nExpect: 200-ok\r\nContent-Length: 2\r\n\r\n"),
    "E41 two expectations": ((400, 417), "POST /r/x HTTP/1.1\r\nHost: {host}\r\nExpect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
    "F45 no colon": ((400,), "GET /r/x HTTP/1.1\r\nHost: {host}\r\nAuthorization Bearer " + ECHO + "\r\n\r\n"),
    "F45 no method": ((400,), f"{ECHO} /r/x HTTP/1.1\r\nHost: {{host}}\r\n\r\n"),
    "F45 TLS": ((400,), "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + ECHO),
}  # fmt: skip

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


def check_refusal(answer: bytes, statuses: tuple[int, ...]) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split(b" ")[1]) in statuses
    assert b"\r\nProxy-Status: authproxy; error=" in head
    assert b"\r\nConnection: close" in head
    assert b"\r\nCache-Control: no-store\r\n" in head
    assert b"Access-Control-" not in head and b"Server:" not in head
    assert json.loads(body)["status"] in statuses
    assert ECHO.encode() not in answer and CANARY.encode() not in answer


CUTS = [cut_whole, cut_bytes, cut_lines]


@pytest.mark.parametrize("cut", CUTS)
async def test_a_hostile_request_gets_one_refusal_and_no_vendor_hears_of_it(
    cut: Callable[[bytes], list[bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/r")) as proxy:
        for case, (statuses, head) in HEADS.items():
            octets = (
                head.replace("{host}", f"127.0.0.1:{proxy.port}").replace("{port}", str(proxy.port)).encode("latin-1")
            )
            answer = await exchanged(proxy, cut(octets))
            try:
                check_refusal(answer, statuses)
            except (AssertionError, IndexError, ValueError) as error:
                raise AssertionError(f"{case}: {answer[:300]!r}") from error
            assert vendor.connections == 0, case
        assert (await proxy.ask("GET /r/x")).endswith(b"ok")
    assert ECHO not in caplog.text


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
