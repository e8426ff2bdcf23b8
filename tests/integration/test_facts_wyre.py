"""Wyre through the whole proxy: each test is a fact about signing, or about the vendor's session keys.

Two verifiers judge what arrived: the emulator, and `signature_of` below, which is written from the vendor's words alone.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import hmac
import random
import re
import string
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from proxy.sandbox import Wyre
from proxy.sandbox.wire import Received
from proxy.schemes.moments import Moments
from tests.clock import FakeClock
from tests.proxied import Proxied, proxied
from tests.raw_upstream import OK, RawUpstream, read_body
from tests.raw_upstream import Received as RawReceived
from tests.sandbox_caller import Fields
from tests.vendors import JSON, ask, behind, canary, is_the_vendors, problem

CREDENTIALS = {
    "api_key": "AK-" + canary("wyre api key"),
    "secret_key": "SK-" + canary("wyre secret key"),
    "session_key": canary("wyre session key"),
    "session_api_key": "AK-" + canary("wyre session api key"),
}
VECTOR_SECRET = "SK-TEST0001-TEST0002-TEST0003-TEST0004"
VECTOR_MOMENT = 1426252182.534
TRANSFER = (
    b'{"source":"account:AC-XXXXXXX","sourceCurrency":"USD","sourceAmount":5,'
    b'"dest":"bitcoin:14CriXWTRoJmQdBzdikw6tEmSuwxMozWWq"}'
)
MEBIBYTE = 1024 * 1024


def wyre(clock: FakeClock | None = None) -> Wyre:
    return Wyre(clock=clock, credentials=CREDENTIALS)


def signature_of(origin: str, target: bytes, body: bytes, secret: str = CREDENTIALS["secret_key"]) -> bytes:
    """The vendor's words: "the url of the request, followed by the body", HMAC-SHA256, in hex."""
    return hmac.digest(secret.encode(), origin.encode() + target + body, hashlib.sha256).hex().encode()


def check_signed(vendor: Wyre, received: Received) -> None:
    assert received.status == 200, received.verdict
    assert received.values("X-Api-Signature") == (signature_of(vendor.url, received.target, received.body),)
    assert received.values("X-Api-Key") == (CREDENTIALS["api_key"].encode(),)


# --- What is signed is what is sent ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "/v3/x?a=%2F&b=%7E&c=%27",
        "/v3/x?a=%2f&b=%7e&c=%e2%82%ac&d=%E2%82%AC",
        "/v3/x?a=/&b=~&c='()!*",
        "/v3/x?z=1&a=2&z=3&Z=4&z=",
        "/v3/x?a=&b&=c&&=&",
        "/v3/x?&",
        "/v3/x?",
        "/v3/x??a=?",
        "/v3/x?a=b+c%20d%2Be&f[]=1&f%5B%5D=2",
        '/v3/x?q="{<|>}`^"',
        "/v3/x?u=https://a.example//b/../c&v=%2E%2E%2F",
        "/v3/x?a=1;b=2;c",
        "/v3/x?a=%00%0d%0aX-Evil:1&b=%25%32%46",
        "/v3/x?timestamps=1&xtimestamp=2&stamp=3",
        "/v3/x?format=json&masqueradeAsNot=1",
        "/v3/%7Eu/~u/%28a%29/(a)/%27/'",
        "/v3/%e2%82%ac/%E2%82%AC/a%20b/a+b/a%2Bb",
        "/v3/x;a=b/c,d/@e/:f/$g/!h/*i/=j/&k",
        "/v3/x/",
        "/v3/accounts/AC_X/..a/b..c/...",
        "/v3/" + "long/" * 200 + "?" + "a=%41&" * 200,
    ],
)
async def test_path_and_query_go_out_byte_for_byte_as_they_came_and_are_signed_so(target: str) -> None:
    """Nothing is decoded, re-encoded, sorted, merged or dropped; the timestamp comes behind everything."""
    vendor = wyre()
    async with behind(vendor) as proxy:
        assert (await ask(proxy, "GET", f"/wyre{target}")).status == 200
        assert (await ask(proxy, "POST", f"/wyre{target}", [JSON], TRANSFER)).status == 200
    for received, body in zip(vendor.requests, (b"", TRANSFER), strict=True):
        sent = received.target.decode("latin-1")
        _, has_query, query = target.partition("?")
        mark = ("&" if query else "") if has_query else "?"
        assert re.fullmatch(re.escape(target + mark) + "timestamp=[0-9]{13}", sent)
        assert received.body == body
        check_signed(vendor, received)


async def test_an_encoded_slash_in_the_path_passes_only_where_the_route_says_so() -> None:
    """Two readers may see two paths in it; where an API needs it, it is signed as it is, in either case."""
    vendor = wyre()
    routes = {"/wyre": "vendor", "/slashes": {"provider": "vendor", "encoded_slashes": True}}
    async with behind(vendor, routes=routes) as proxy:
        for path in ("/v3/a%2Fb", "/v3/a%2fb"):
            refused = await ask(proxy, "GET", f"/wyre{path}")
            assert (refused.status, problem(refused)["code"]) == (400, "bad_target")
            assert vendor.requests == []
        for path in ("/v3/a%2Fb", "/v3/a%2fb"):
            assert (await ask(proxy, "GET", f"/slashes{path}?c=%2F")).status == 200
    for received, path in zip(vendor.requests, (b"/v3/a%2Fb", b"/v3/a%2fb"), strict=True):
        assert received.path == path
        check_signed(vendor, received)


async def test_the_url_that_is_signed_is_the_vendors_with_its_base_path() -> None:
    """Never the proxy's own address, whatever Host the caller named."""
    async with RawUpstream() as vendor:
        entry = {"preset": "wyre", "base_url": f"{vendor.url}/gate%7Eway", **keys("api_key", "secret_key")}
        async with proxied({"wyre": entry}, {"/": "wyre"}, secrets=tuple(CREDENTIALS.values())) as proxy:
            port = proxy.app.address.rpartition(":")[2]
            assert (await ask(proxy, "GET", "/v3/x?a=1", [("Host", f"localhost:{port}")])).status == 200
    [received] = vendor.requests
    assert received.values("host") == [f"127.0.0.1:{vendor.port}"]
    assert received.target.startswith("/gate%7Eway/v3/x?a=1&timestamp=")
    expected = signature_of(vendor.url, received.target.encode(), b"").decode()
    assert received.values("x-api-signature") == [expected]


def keys(*names: str) -> dict[str, Any]:
    return {name: {"value": CREDENTIALS[name]} for name in names}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"\0",
        b"\0\r\n\0",
        b"line\r\nline\n\r\n",
        '{"n":"Zürich €"}'.encode(),
        b"\xff\xfe\x80",
        b"%s{{url}}{{body}}",
    ],
    ids=["empty", "braces", "nul", "nuls", "crlf", "utf8", "not-utf8", "template"],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_the_exact_bytes_of_the_body_are_signed_and_sent(method: str, body: bytes) -> None:
    vendor = wyre()
    async with behind(vendor) as proxy:
        assert (await ask(proxy, method, "/wyre/v3/x", [JSON], body)).status == 200
    [received] = vendor.requests
    assert (received.method, received.body) == (method, body)
    check_signed(vendor, received)


@pytest.mark.parametrize("size", [MEBIBYTE, 8 * MEBIBYTE, 16 * MEBIBYTE - 1, 16 * MEBIBYTE])
async def test_bodies_up_to_16_mib_are_signed(size: int) -> None:
    """The vendor takes documents of 7.75 MB as raw bytes with a type of their own."""
    vendor, body = wyre(), random.Random(size).randbytes(size)
    async with behind(vendor) as proxy:
        answer = await ask(
            proxy, "POST", "/wyre/v3/accounts/AC-X/doc?documentType=A%2FB", [("Content-Type", "image/png")], body
        )
        assert answer.status == 200
    [received] = vendor.requests
    assert received.body == body
    assert received.values("Content-Type") == (b"image/png",)
    check_signed(vendor, received)


def chunked(body: bytes, *sizes: int) -> bytes:
    framed, at = b"", 0
    for size in sizes or (len(body),):
        framed += b"%X\r\n%b\r\n" % (len(body[at : at + size]), body[at : at + size])
        at += size
    return framed + b"0\r\n\r\n"


async def ask_chunked(proxy: Proxied, target: str, framed: bytes) -> Any:
    octets = f"POST {target} HTTP/1.1\r\nHost: {proxy.app.address}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    reader, writer = await asyncio.open_connection(*proxy.app.address.split(":"))
    answer = b""
    try:
        writer.write(octets.encode() + framed)
        async with asyncio.timeout(10):
            with suppress(ConnectionError):  # An answer before the end of the body, and then a closed door.
                while piece := await reader.read(65536):
                    answer += piece
    finally:
        writer.close()
    proxy.seen.append(answer)
    return answer


async def test_a_chunked_body_without_length_is_signed_whole() -> None:
    vendor, body = wyre(), random.Random(1).randbytes(300_000)
    async with behind(vendor) as proxy:
        for framed in (chunked(body, 1, 65_535, 2, 234_462), chunked(b"{}"), b"0\r\n\r\n"):
            assert (await ask_chunked(proxy, "/wyre/v3/x?a=%7E", framed)).startswith(b"HTTP/1.1 200 ")
    assert [received.body for received in vendor.requests] == [body, b"{}", b""]
    for received in vendor.requests:
        check_signed(vendor, received)


async def test_a_body_over_16_mib_is_refused_with_or_without_length_and_nothing_is_sent() -> None:
    vendor = wyre()
    async with behind(vendor) as proxy:
        body = b"x" * (16 * MEBIBYTE + 1)
        announced = await ask(proxy, "POST", "/wyre/v3/x", [("Content-Length", str(len(body)))])
        assert (announced.status, problem(announced)["code"]) == (413, "body_too_large")
        assert (await ask_chunked(proxy, "/wyre/v3/x", chunked(body))).startswith(b"HTTP/1.1 413 ")
    assert vendor.requests == []


async def test_a_route_can_set_another_limit() -> None:
    vendor = wyre()
    routes = {
        "/small": {"provider": "vendor", "max_body": "1KiB"},
        "/large": {"provider": "vendor", "max_body": "17MiB"},
    }
    async with behind(vendor, routes=routes) as proxy:
        assert (await ask(proxy, "POST", "/small/v3/x", [], b"x" * 1024)).status == 200
        assert (await ask(proxy, "POST", "/small/v3/x", [], b"x" * 1025)).status == 413
        assert (await ask_chunked(proxy, "/small/v3/x", chunked(b"x" * 1025, 1024, 1))).startswith(b"HTTP/1.1 413 ")
        assert (await ask(proxy, "POST", "/large/v3/x", [], b"x" * (16 * MEBIBYTE + 1))).status == 200
    assert [len(received.body) for received in vendor.requests] == [1024, 16 * MEBIBYTE + 1]
    for received in vendor.requests:
        check_signed(vendor, received)


async def test_a_compressed_body_is_signed_compressed_and_passes_untouched() -> None:
    vendor, body = wyre(), gzip.compress(TRANSFER)
    async with behind(vendor) as proxy:
        assert (await ask(proxy, "POST", "/wyre/v3/x", [JSON, ("Content-Encoding", "gzip")], body)).status == 200
    [received] = vendor.requests
    assert received.body == body
    assert received.values("Content-Encoding") == (b"gzip",)
    check_signed(vendor, received)


@pytest.mark.parametrize(
    ("method", "target", "body", "signature"),
    [
        ("GET", "/v2/rates", b"", "bf3448dc92ab295400655bc664095abcd669efb05c869c29a19d60083db4bf8c"),
        (
            "GET",
            "/v3/accounts/AC-XXXXXXX?masqueradeAs=AC-XXXXXXX",
            b"",
            "cbe48d3819f682035f76d20caeeab676413e6bad2988505b52b76051dee2e3a4",
        ),
        ("POST", "/v3/transfers", TRANSFER, "61ed29e7e228f9a5ee7c0a0cac2cf1c84d1a1f265c34f9e457189db43d990847"),
    ],
)
async def test_the_measured_vectors_are_the_same_text_here(
    method: str, target: str, body: bytes, signature: str
) -> None:
    """At the vectors' moment and with their secret, what arrives at a vendor is the vectors' text but for the origin."""
    async with RawUpstream() as vendor:
        entry = {
            "preset": "wyre",
            "base_url": vendor.url,
            "api_key": {"value": CREDENTIALS["api_key"]},
            "secret_key": {"value": VECTOR_SECRET},
        }
        async with proxied({"wyre": entry}, {"/wyre": "wyre"}, clock=FakeClock(VECTOR_MOMENT)) as proxy:
            assert (await ask(proxy, method, f"/wyre{target}", [JSON], body)).status == 200
    [received] = vendor.requests
    sent = received.target.encode()
    assert received.target.endswith("timestamp=1426252182534")
    assert received.values("x-api-signature") == [signature_of(vendor.url, sent, body, VECTOR_SECRET).decode()]
    assert signature_of("https://api.sendwyre.com", sent, received.body, VECTOR_SECRET).decode() == signature


# --- Who may say what ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "?timestamp=1",
        "?%74imestamp=1&a=1",
        "?a=1&TimeStamp=1",
        "?timestamp",
        "?a=1&timestamp=1&timestamp=2&b=%2f",
        "?timestam%70=1",
    ],
)
async def test_a_callers_own_timestamp_never_survives(target: str) -> None:
    """Whatever its spelling; exactly one, the proxy's, is there, and the other parameters are as they were."""
    vendor = wyre()
    async with behind(vendor) as proxy:
        assert (await ask(proxy, "GET", f"/wyre/v3/x{target}")).status == 200
    [received] = vendor.requests
    others = [part for part in target[1:].split("&") if part.partition("=")[0] in ("a", "b")]
    stamp = received.target.rpartition(b"=")[2]
    assert received.query.decode() == "&".join([*others, f"timestamp={stamp.decode()}"])
    assert len(stamp) == 13
    check_signed(vendor, received)


@pytest.mark.parametrize(
    "names",
    [
        ("X-Api-Key", "X-Api-Signature"),
        ("x-api-key", "x-api-signature"),
        ("X-API-KEY", "X-API-SIGNATURE"),
        ("X_Api_Key", "X_Api_Signature"),
        ("x-api_key", "x_api-signature"),
    ],
)
async def test_a_callers_own_key_and_signature_never_survive(names: tuple[str, str]) -> None:
    vendor = wyre()
    async with behind(vendor) as proxy:
        fields = [(name, value) for name in names for value in ("mine", "0" * 64)]
        assert (await ask(proxy, "POST", "/wyre/v3/x", [*fields, JSON], b"{}")).status == 200
        nominated = [*fields, ("Connection", f"{names[1]}, {names[0]}")]
        assert (await ask(proxy, "GET", "/wyre/v3/x", nominated)).status == 200
    for received in vendor.requests:
        check_signed(vendor, received)


async def test_a_callers_authorization_does_not_travel_beside_the_signature() -> None:
    """The vendor would not know which of the two to believe."""
    vendor = wyre()
    async with behind(vendor) as proxy:
        answer = await ask(proxy, "GET", "/wyre/v3/x", [("Authorization", "Bearer " + "mine" * 8)])
        assert answer.status == 200
    assert vendor.requests[0].values("Authorization") == ()


async def test_masquerade_as_is_signed_where_the_caller_says_it() -> None:
    vendor = wyre()
    async with behind(vendor, echoed=("api_key",)) as proxy:
        for value in ("AC-CHILD", "account:AC-CHILD", "account%3aAC-CHILD"):
            answer = await ask(proxy, "GET", f"/wyre/v3/accounts?masqueradeAs={value}&a=1")
            assert answer.json["masqueradeAs"].endswith("AC-CHILD")
    for received in vendor.requests:
        check_signed(vendor, received)


async def test_masquerade_as_of_a_route_is_signed_and_wins_over_the_callers() -> None:
    vendor = wyre()
    routes = {"/wyre": "vendor", "/wyre/as-child": {"provider": "vendor", "query": {"masqueradeAs": "AC-CHILD"}}}
    async with behind(vendor, routes=routes, echoed=("api_key",)) as proxy:
        for query in ("", "?masqueradeAs=AC-EVIL", "?a=1&MASQUERADEAS=AC-EVIL", "?%6dasqueradeAs=AC-EVIL&timestamp=1"):
            answer = await ask(proxy, "GET", f"/wyre/as-child/v3/accounts{query}")
            assert (answer.status, answer.json["masqueradeAs"]) == (200, "AC-CHILD")
    for received in vendor.requests:
        assert b"EVIL" not in received.target
        check_signed(vendor, received)


@pytest.mark.parametrize(
    "parameter", ["masqueradeAs=AC-X", "MASQUERADEAS=AC-X", "%6DasqueradeA%73=AC-X", "a=1&masqueradeAs"]
)
async def test_a_route_can_deny_masquerade_as(parameter: str) -> None:
    vendor = wyre()
    async with behind(vendor, routes={"/wyre": {"provider": "vendor", "deny_query": ["masqueradeAs"]}}) as proxy:
        answer = await ask(proxy, "GET", f"/wyre/v3/accounts?{parameter}")
        assert (answer.status, problem(answer)["code"]) == (403, "denied_by_route")
    assert vendor.requests == []


# --- Every attempt is a request of its own ---------------------------------------------------------------


async def test_a_second_attempt_on_a_dead_kept_connection_has_a_timestamp_and_signature_of_its_own() -> None:
    """Although the clock stands still between the two: the vendor may have read the first and refuse its like."""

    async def once(received: RawReceived, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.body = await read_body(received, reader)
        if len(vendor.requests) % 2 == 1:
            writer.write(OK)
            await writer.drain()
        else:
            writer.close()

    async with RawUpstream(respond=once) as vendor:
        entry = {"preset": "wyre", "base_url": vendor.url, **keys("api_key", "secret_key")}
        secrets = tuple(CREDENTIALS.values())
        async with proxied({"wyre": entry}, {"/wyre": "wyre"}, secrets=secrets, clock=FakeClock()) as proxy:
            assert (await ask(proxy, "GET", "/wyre/v3/1")).status == 200
            assert (await ask(proxy, "GET", "/wyre/v3/2")).status == 200
            assert proxy.log_lines[-1]["retries"] == 1
    first, second = vendor.requests[1:]
    assert first.connection != second.connection
    for received in (first, second):
        expected = signature_of(vendor.url, received.target.encode(), b"").decode()
        assert received.values("x-api-signature") == [expected]
    assert first.target.partition("timestamp")[0] == second.target.partition("timestamp")[0]
    assert first.target != second.target


async def test_equal_requests_at_the_same_millisecond_are_not_replays_of_each_other() -> None:
    """A vendor that remembers signatures must take each of them."""
    clock = FakeClock()
    vendor = wyre(clock)
    async with behind(vendor, clock=clock) as proxy:
        answers = await asyncio.gather(*(ask(proxy, "GET", "/wyre/v3/rates") for _ in range(30)))
    assert [answer.status for answer in answers] == [200] * 30
    assert len({received.target for received in vendor.requests}) == 30


def test_timestamps_never_run_more_than_a_second_ahead_of_the_clock() -> None:
    """However many equal requests come at once: a vendor's window is narrower than a load test is long."""
    moments, head, other = Moments(), 1, 2
    given = [moments.of(head, b"", 1_700_000_000.0) for _ in range(3000)]
    assert len(set(given)) == 1001
    assert max(given) == 1_700_000_001_000
    assert moments.of(other, b"", 1_700_000_000.0004) == 1_700_000_000_000
    assert moments.of(head, b"another", 1_700_000_000.0) == 1_700_000_000_000
    assert moments.of(head, b"", 1_700_000_060.0) == 1_700_000_060_000


async def test_401_is_passed_on_and_never_means_that_something_expired() -> None:
    vendor = wyre()
    async with behind(vendor) as proxy:
        vendor.fail_next(
            status=401,
            body=b'{"errorCode":"accessDenied.invalidSession"}',
            headers={"Content-Type": "application/json"},
        )
        answer = await ask(proxy, "POST", "/wyre/v3/transfers", [JSON], TRANSFER)
        assert answer.status == 401 and is_the_vendors(answer)
        assert answer.json["errorCode"] == "accessDenied.invalidSession"
    assert len(vendor.requests) == 1


async def test_a_wrong_key_shows_as_the_vendors_own_error() -> None:
    vendor = wyre()
    wrong = canary("a wrong secret")
    async with behind(vendor, {"secret_key": {"value": wrong}}) as proxy:
        answer = await ask(proxy, "GET", "/wyre/v3/accounts")
        assert answer.status == 401 and is_the_vendors(answer)
        assert wrong not in proxy.log.getvalue()


# --- Two thousand of them -------------------------------------------------------------------------------

SAFE = string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@"
ESCAPED = [f"%{number:02{case}}" for number in range(256) for case in "xX"]
PATH_ESCAPES = [each for each in ESCAPED if int(each[1:], 16) not in (0x00, 0x0A, 0x0D, 0x25, 0x2E, 0x2F, 0x5C)]


def random_target(source: random.Random) -> str:
    def text(alphabet: str, escapes: list[str], most: int) -> str:
        return "".join(
            source.choice(escapes) if source.random() < 0.25 else source.choice(alphabet)
            for _ in range(source.randrange(most))
        )

    segments = ["s" + text(SAFE, PATH_ESCAPES, 12) for _ in range(source.randrange(1, 5))]
    # A dot beside a semicolon could be a dot segment to some server, and is refused.
    path = re.sub(r"(;|%3b)(?=\.)|\.(?=;|%3b)", "-", "/".join(["/v3", *segments]), flags=re.IGNORECASE)
    # So are octets that some server could take for a character in more octets than it needs.
    path = re.sub(r"%c[01](?=%[89ab]|\.|%2e)|%e0(?=%[89])|%f0(?=%8)", "%e1", path, flags=re.IGNORECASE)
    path += source.choice(["", "/"])
    if source.random() < 0.2:
        return path
    alphabet = SAFE.replace("&", "").replace("=", "").replace(";", "") + '/?"<>[]{}|^`'
    pairs = [
        "q" + text(alphabet, ESCAPED, 10) + source.choice(["", "="]) + text(alphabet, ESCAPED, 15)
        for _ in range(source.randrange(6))
    ]
    pairs += source.choices(["", "q=1", "timestamp=5", "%74imestamp", "="], k=source.randrange(3))
    source.shuffle(pairs)
    return f"{path}?{'&'.join(pairs)}"


def random_request(source: random.Random) -> tuple[str, str, bytes]:
    method = source.choice(["GET", "POST", "PUT", "PATCH", "DELETE"])
    length = source.choice([0, 1, 2, 40, 3000, source.randrange(70_000)])
    return method, random_target(source), b"" if method == "GET" else source.randbytes(length)


class Connection:
    """A kept raw connection to the proxy; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self.reader, self.writer, self.host = reader, writer, host

    @classmethod
    async def to(cls, address: str) -> Connection:
        return cls(*await asyncio.open_connection(*address.split(":")), address)

    async def send(
        self, method: str, target: str, body: bytes, frame: Callable[[bytes], bytes] | None
    ) -> tuple[int, bytes]:
        framing = b"Transfer-Encoding: chunked" if frame else b"Content-Length: %d" % len(body)
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: {self.host}\r\nX-Api-Key: mine\r\nx_api_signature: mine\r\n".encode()
        )
        self.writer.write(head + framing + b"\r\n\r\n" + (frame(body) if frame else body))
        answer = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
        assert length is not None
        return int(answer.split(b" ")[1]), answer + await self.reader.readexactly(int(length[1]))


async def test_two_thousand_random_requests_are_each_accepted_by_two_independent_verifiers() -> None:
    """Random paths, queries and bodies, with and without length; judged on the bytes that arrived."""
    vendor = wyre()
    wanted = [random_request(random.Random(number)) for number in range(2000)]

    async def send_all(connection: Connection, mine: list[tuple[str, str, bytes]]) -> None:
        for number, (method, target, body) in enumerate(mine):
            frame = chunked if body and number % 3 == 0 else None
            code, answer = await connection.send(method, f"/wyre{target}", body, frame)
            assert code == 200, (method, target, answer)

    async with behind(vendor) as proxy:
        connections = [await Connection.to(proxy.app.address) for _ in range(8)]
        try:
            async with asyncio.timeout(60):
                await asyncio.gather(*(send_all(each, wanted[at::8]) for at, each in enumerate(connections)))
        finally:
            for connection in connections:
                connection.writer.close()
    assert len(vendor.requests) == 2000
    for received in vendor.requests:
        check_signed(vendor, received)
    arrived = sorted((received.method, unstamped(received.target), received.body) for received in vendor.requests)
    sent = sorted((method, without_stamps(target), body) for method, target, body in wanted)
    assert arrived == sent


def unstamped(target: bytes) -> str:
    return re.sub(r"[?&]timestamp=[0-9]{13}$", "", target.decode("latin-1"))


def without_stamps(target: str) -> str:
    """What should remain of a random target, but for the timestamp: the query without the caller's own."""
    path, mark, query = target.partition("?")
    if not mark:
        return target
    pieces = query.split("&")
    kept = [piece for piece in pieces if piece not in ("timestamp=5", "%74imestamp")]
    # A bare `?` is kept where there was nothing to remove; the timestamp then stands right behind it.
    return f"{path}?{'&'.join(kept)}" if "&".join(kept) else path


# --- Session keys -------------------------------------------------------------------------------------


def bearers(vendor: Wyre) -> list[tuple[bytes, ...]]:
    return [received.values("Authorization") for received in vendor.api_requests]


async def test_a_session_key_goes_as_a_bearer_token_and_nothing_is_signed_or_registered() -> None:
    vendor = wyre()
    async with vendor_behind(vendor) as proxy:
        fields = [("authorization", "Bearer mine"), ("Authorization", "Basic mine")]
        answer = await ask(proxy, "POST", "/wyre/v3/accounts?a=%7E&timestamp=5", [*fields, JSON], b"{}")
        assert answer.status == 200
    [received] = vendor.requests
    assert received.target == b"/v3/accounts?a=%7E&timestamp=5"
    assert received.values("Authorization") == (b"Bearer " + CREDENTIALS["session_key"].encode(),)
    assert received.values("X-Api-Key") == received.values("X-Api-Signature") == ()


def vendor_behind(vendor: Wyre, **more: Any) -> Any:
    """With the session preset instead of the usual one."""
    entry = {"preset": "wyre-token", "api_key": None, "secret_key": {"value": CREDENTIALS["session_key"]}, **more}
    return behind(vendor, entry)


async def test_registration_happens_once_per_start_and_is_bare() -> None:
    """However many first requests wait: one POST with the key in the query, without key, signature, body or token."""
    vendor = wyre()
    vendor.revoke_tokens()
    async with vendor_behind(vendor, register=True) as proxy:
        fields: Fields = [("X-Api-Key", "mine"), ("Cookie", "a=b"), ("Authorization", "Bearer mine")]
        answers = await asyncio.gather(*(ask(proxy, "GET", "/wyre/v3/accounts", fields) for _ in range(20)))
        assert [answer.status for answer in answers] == [200] * 20
        assert (await ask(proxy, "GET", "/wyre/v3/accounts")).status == 200
    [registration] = vendor.login_requests
    assert registration.method == "POST"
    assert registration.target == b"/v2/sessions/auth/key?secretKey=" + CREDENTIALS["session_key"].encode()
    assert registration.body == b""
    sent = {name.lower() for name, _ in registration.headers}
    assert sent <= {b"host", b"accept", b"user-agent", b"content-length", b"connection"}
    assert set(bearers(vendor)) == {(b"Bearer " + CREDENTIALS["session_key"].encode(),)}


async def test_a_401_does_not_register_the_key_again() -> None:
    """The key is as old as it was; registering it once more would give another session without an account."""
    vendor = wyre()
    async with vendor_behind(vendor, register=True) as proxy:
        assert (await ask(proxy, "GET", "/wyre/v3/accounts")).status == 200
        vendor.revoke_tokens()
        for _ in range(3):
            answer = await ask(proxy, "GET", "/wyre/v3/accounts")
            assert answer.status == 401 and is_the_vendors(answer)
    assert vendor.logins == 1
    assert len(vendor.api_requests) == 4


async def test_a_registered_key_can_sign_with_the_api_key_that_the_registration_gave() -> None:
    vendor = wyre()
    vendor.revoke_tokens()
    async with vendor_behind(vendor, sign=True) as proxy:
        for _ in range(3):
            answer = await ask(proxy, "POST", "/wyre/v3/x?a=%2F", [JSON, ("Authorization", "Bearer mine")], TRANSFER)
            assert answer.status == 200
    assert vendor.logins == 1
    for received in vendor.api_requests:
        [api_key] = received.values("X-Api-Key")
        assert api_key.startswith(b"AK-") and api_key.decode() not in CREDENTIALS.values()
        expected = signature_of(vendor.url, received.target, received.body, CREDENTIALS["session_key"])
        assert received.values("X-Api-Signature") == (expected,)
        assert received.values("Authorization") == ()


@pytest.mark.parametrize("kind", ["register", "sign"])
@pytest.mark.parametrize("failure", ["cut", "500", "refused", "down", "redirect", "nonsense"])
async def test_the_secret_key_of_a_registration_that_fails_is_in_no_log_and_no_answer(kind: str, failure: str) -> None:
    """It is in the URL, where exceptions and access logs would show it; `behind` looks for it everywhere."""
    vendor = wyre()
    async with vendor_behind(vendor, **{kind: True}) as proxy:
        if failure == "down":
            await vendor.stop()
        elif failure == "redirect":
            vendor.fail_next(status=307, where="login", headers={"Location": f"{vendor.url}/v3/stolen"})
        elif failure == "nonsense":
            vendor.fail_next(status=200, where="login", body=b"<html>" + CREDENTIALS["session_key"].encode())
        else:
            vendor.fail_next(status={"cut": None, "500": 500, "refused": 403}[failure], where="login")
        answer = await ask(proxy, "GET", "/wyre/v3/accounts")
        expected = (502, "credential_rejected") if failure == "refused" else (503, "credential_unavailable")
        assert (answer.status, problem(answer)["code"]) == expected
        assert any(line.get("logger") == "authproxy.tokens" for line in proxy.log_lines)
        if failure == "down":
            await vendor.start()
    assert vendor.api_requests == []
    assert len(vendor.login_requests) == (0 if failure == "down" else 1)
