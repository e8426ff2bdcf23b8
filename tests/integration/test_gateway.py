"""The gateway between raw sockets: what leaves for the vendor, and what comes back."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import socket
from email.utils import formatdate

import pytest

from proxy.errors import CredentialRejected, CredentialUnavailable
from proxy.gateway.caller import CallerConnection
from proxy.gateway.guard import Guard
from proxy.gateway.route import Route
from proxy.schemes.base import Injection, OutboundRequest
from proxy.schemes.static import Static
from proxy.secret import Secret
from proxy.template import Template
from proxy.vendor_clock import VendorClock
from tests.clock import FakeClock
from tests.raw_upstream import OK, RawUpstream, Received, read_body
from tests.served import CANARY, Fixed, Holding, Inspecting, provider, serve, status


def problem(answer: bytes) -> dict[str, object]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Content-Type: application/problem+json" in head
    assert b"\r\nProxy-Status: authproxy; error=" in head
    assert b"\r\nCache-Control: no-store\r\n" in head
    fields = json.loads(body)
    assert f"X-AuthProxy-Error: {fields['code']}".encode() in head
    assert fields["status"] == status(answer)
    assert CANARY.encode() not in answer
    return fields  # type: ignore[no-any-return]


async def test_the_credential_replaces_whatever_the_caller_sent_under_its_name() -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        await proxy.ask("GET /acme/x", "Authorization: mine", "AUTHORIZATION: mine", "X-Other: kept")
    received = vendor.requests[0]
    assert received.values("authorization") == [f"Bearer {CANARY}"]
    assert received.values("x-other") == ["kept"]


@pytest.mark.parametrize(
    "target", ["/x?a=%2F&b=%7E&b=&&c=%27", "/%7Eu/%c3%A9?q=%27%28%29", "/x?", "/x?u=http://y//z", "/a+b"]
)
async def test_path_and_query_arrive_byte_for_byte(target: str) -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url + "/v1"), "/acme")) as proxy:
        await proxy.ask(f"GET /acme{target}")
    assert vendor.requests[0].target == "/v1" + target


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
async def test_every_method_passes(method: str) -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        answer = await proxy.ask(f"{method} /acme/x")
    assert status(answer) == 200
    assert vendor.requests[0].line == f"{method} /x HTTP/1.1"


async def test_no_header_is_invented_and_host_is_the_vendors() -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        await proxy.ask("GET /acme/x")
    assert vendor.requests[0].fields == [("Host", f"127.0.0.1:{vendor.port}"), ("Authorization", f"Bearer {CANARY}")]


async def test_passing_headers_keep_spelling_bytes_order_and_repetition() -> None:
    fields = ["x-B: 1", "X-a: caf\xe9", "X-B: 2", "User-Agent: curl/8", "x-b: 1"]
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        await proxy.ask("GET /acme/x", *fields)
    received = [f"{name}: {value}" for name, value in vendor.requests[0].fields]
    assert received[1:-1] == fields


async def test_hop_by_hop_and_misleading_headers_stay_here() -> None:
    dropped = [
        "Keep-Alive: x", "TE: trailers", "Upgrade: h2c", "HTTP2-Settings: x", "Proxy-Authorization: x", "X-Forwarded-Host: evil",
        "Forwarded: host=evil", "X-Original-URL: /admin", "X-HTTP-Method-Override: DELETE", "X_Http_Method_Override: DELETE",
        "Transfer_Encoding: chunked", "Content_Length: 3", "X-AuthProxy-Token: t", "X-Nominated: x",
    ]  # fmt: skip
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        head = [
            "GET /acme/x HTTP/1.1",
            f"Host: 127.0.0.1:{proxy.port}",
            *dropped,
            "Connection: close, X-Nominated, Authorization",
            "",
            "",
        ]
        await proxy.send("\r\n".join(head).encode())
    assert vendor.requests[0].fields == [("Host", f"127.0.0.1:{vendor.port}"), ("Authorization", f"Bearer {CANARY}")]


async def test_fixed_headers_and_parameters_of_a_route_win_over_the_callers_and_are_there_before_authorization() -> (
    None
):
    scheme = Fixed()
    route = Route.to(
        provider("http://127.0.0.1:1", scheme),
        "/acme",
        headers={"X-Account": Template.parse("child")},
        query={"masqueradeAs": Template.parse("AC-1")},
    )
    async with RawUpstream() as vendor:
        route = Route.to(provider(vendor.url, scheme), "/acme", headers=route.headers, query=route.query)
        async with serve(route) as proxy:
            await proxy.ask("GET /acme/x?masquerade_as=1&masqueradeAs=evil&y=2", "X_Account: evil")
    assert vendor.requests[0].target == "/x?masquerade_as=1&y=2&masqueradeAs=AC-1"
    assert vendor.requests[0].values("x-account") == ["child"]
    assert scheme.asked[0].target == vendor.requests[0].target
    assert scheme.asked[0].header("X-Account") == "child"


async def test_injected_parameters_are_appended_and_the_callers_own_removed() -> None:
    class Stamped(Fixed):
        injected_query = frozenset({"timestamp"})  # type: ignore[assignment]

    scheme = Stamped(injections=[Injection(query=(("timestamp", "5"),))])
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url, scheme), "/acme")) as proxy:
        await proxy.ask("GET /acme/x?%74imestamp=1&a=%2f")
    assert vendor.requests[0].target == "/x?a=%2f&timestamp=5"


@pytest.mark.parametrize("framing", ["length", "chunked", "trickled"])
async def test_a_body_arrives_whole_and_is_held_for_a_scheme_that_signs_it(framing: str) -> None:
    body = bytes(range(256)) * 5000
    scheme = Holding()
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url, scheme), "/acme")) as proxy:
        start = f"POST /acme/x HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\nConnection: close\r\n".encode()
        if framing == "length":
            answer = await proxy.send(start + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        else:
            chunks = [body[at : at + 100_000] for at in range(0, len(body), 100_000)]
            framed = [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks]
            whole = [b"".join(framed)] if framing == "chunked" else framed
            answer = await proxy.send(start + b"Transfer-Encoding: chunked\r\n\r\n", *whole, b"0\r\n\r\n")
    assert status(answer) == 200
    assert vendor.requests[0].body == body
    assert vendor.requests[0].values("content-length") == [str(len(body))]
    assert scheme.asked[0].body == body


async def test_a_body_is_streamed_before_it_is_complete_and_its_answer_too() -> None:
    """The vendor sees the first chunk while the caller still holds back the second, and answers piece by piece."""
    arrived = asyncio.Event()

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(10) == b"5\r\nfirst\r\n"
        arrived.set()
        received.body = b"first" + await read_body(received, reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await writer.drain()
        await reader.read(1)  # Nothing comes: the caller ends this by going away.

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(
            b"POST /acme/x HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
            % proxy.port
        )
        await asyncio.wait_for(arrived.wait(), 5)
        writer.write(b"6\r\nsecond\r\n0\r\n\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert await asyncio.wait_for(reader.readexactly(8), 5) == b"3\r\none\r\n"
        writer.close()
    assert b"Transfer-Encoding: chunked" in head
    assert vendor.requests[0].body == b"firstsecond"


async def test_a_large_answer_passes_unchanged() -> None:
    body = hashlib.sha256(b"x").digest() * 200_000
    answer_bytes = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with RawUpstream([answer_bytes]) as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        answer = await proxy.ask("GET /acme/x")
    assert answer.partition(b"\r\n\r\n")[2] == body


async def test_an_answer_keeps_its_headers_but_those_of_the_hop_and_those_that_are_ours_to_say() -> None:
    raw = (
        b"HTTP/1.1 404 Whatever <b>\r\nServer: vendor/1\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\nProxy-Status: x\r\n"
        b"X-AuthProxy-Error: x\r\nAccess-Control-Allow-Origin: *\r\nKeep-Alive: timeout=5\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
        b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
    )
    async with RawUpstream([raw]) as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        answer = await proxy.ask("GET /acme/x")
    assert answer == (
        b"HTTP/1.1 404 Not Found\r\nServer: vendor/1\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\n"
        b"Content-Encoding: gzip\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
    )


async def test_cookies_of_one_caller_are_not_kept_for_the_next() -> None:
    raw = b"HTTP/1.1 200 OK\r\nSet-Cookie: session=1\r\nContent-Length: 0\r\n\r\n"
    async with RawUpstream([raw]) as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        await proxy.ask("GET /acme/x")
        await proxy.ask("GET /acme/x")
    assert vendor.requests[1].values("cookie") == []


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_the_callers_to_follow(code: int) -> None:
    raw = b"HTTP/1.1 %d X\r\nLocation: http://evil.test/\r\nContent-Length: 0\r\n\r\n" % code
    async with RawUpstream([raw]) as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        answer = await proxy.ask("POST /acme/x")
    assert status(answer) == code
    assert b"Location: http://evil.test/" in answer
    assert len(vendor.requests) == 1


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("/v2/x?key={key}&page=2", "/v2/x?page=2"),
        ("https://vendor.test/x?page=2&KEY={key}#there", "https://vendor.test/x?page=2"),
        ("/x?%6bey={key}", "/x"),
        ("/x?keys=1", "/x?keys=1"),
    ],
)
async def test_a_redirect_does_not_hand_over_the_credential_that_is_a_parameter(address: str, told: str) -> None:
    """Vendors that send their callers elsewhere often repeat the whole query."""
    location = address.replace("{key}", CANARY)
    raw = (
        f"HTTP/1.1 302 X\r\nLocation: {location}\r\nContent-Location: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    )
    scheme = Static(query={"key": Template((Secret(CANARY),))})
    async with RawUpstream([raw]) as vendor, serve(Route.to(provider(vendor.url, scheme), "/acme")) as proxy:
        answer = await proxy.ask("GET /acme/x?page=2")
    assert f"\r\nLocation: {told}\r\nContent-Location: {told}\r\n".encode() in answer
    assert vendor.requests[0].target == f"/x?page=2&key={CANARY}"


@pytest.mark.parametrize(
    ("method", "raw"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n"),
        ("GET", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
    ],
)
async def test_answers_without_a_body_end_with_their_head_and_keep_both_connections(method: str, raw: bytes) -> None:
    async with RawUpstream([raw, raw]) as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        request = f"{method} /acme/x HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\n\r\n".encode()
        last = f"{method} /acme/x HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\nConnection: close\r\n\r\n".encode()
        answer = await proxy.send(request, last)
    assert answer.count(b"HTTP/1.1 ") == 2
    assert answer.endswith(b"Connection: close\r\n\r\n")
    assert vendor.connections == 1


async def test_an_answer_that_ends_with_the_connection_is_relayed_whole() -> None:
    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        writer.close()

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        answer = await proxy.ask("GET /acme/x")
    assert b"Transfer-Encoding: chunked" in answer
    assert answer.endswith(b"9\r\nall of it\r\n0\r\n\r\n")


@pytest.mark.parametrize("ending", [b"", b"Connection: close\r\n"])
async def test_an_answer_of_unknown_length_that_comes_at_once_has_its_end_shown(ending: bytes) -> None:
    """On a connection that is kept, a caller would otherwise wait for ever, or take the next answer for its rest."""

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if ending:
            writer.write(b"HTTP/1.1 200 OK\r\n" + ending + b"\r\nabc")
            writer.close()
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        async with asyncio.timeout(5):
            for _ in range(2):
                writer.write(f"GET /acme/x HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                assert b"Transfer-Encoding: chunked\r\n" in head
                assert await reader.readuntil(b"0\r\n\r\n") == b"3\r\nabc\r\n0\r\n\r\n"
        writer.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive.",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfive.\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfive.\r\nnonsense\r\n",
    ],
)
async def test_an_answer_that_breaks_off_never_ends_cleanly(raw: bytes) -> None:
    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        writer.close()

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        try:
            answer = await proxy.ask("GET /acme/x")
        except ConnectionResetError:
            return
        assert problem(answer)["status"] == 502  # It broke before a byte was relayed.


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 40,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_an_answer_that_is_not_http_is_a_502(raw: bytes) -> None:
    async with RawUpstream([raw]) as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        assert problem(await proxy.ask("GET /acme/x"))["code"] == "upstream_protocol_error"


async def test_bytes_behind_an_answer_are_not_the_next_callers() -> None:
    poison = OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
    async with RawUpstream([poison, OK]) as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        answers = [await proxy.ask("GET /acme/x"), await proxy.ask("GET /acme/x")]
    assert all(answer.endswith(b"\r\n\r\nok") for answer in answers)
    assert vendor.connections == 2


async def test_unknown_routes_and_wrong_methods_are_told_apart() -> None:
    route = Route.to(provider("http://127.0.0.1:1"), "/acme", methods=frozenset({"GET", "POST"}))
    async with serve(route) as proxy:
        assert problem(await proxy.ask("GET /other"))["code"] == "no_route"
        assert problem(await proxy.ask("GET /acmeb/x"))["code"] == "no_route"
        assert problem(await proxy.ask("GET /ACME/x"))["code"] == "no_route"
        refused = await proxy.ask("DELETE /acme/x")
        assert problem(refused)["status"] == 405
        assert b"Allow: GET, POST\r\n" in refused
        assert problem(await proxy.ask("TRACE /acme/x"))["status"] == 405


async def test_the_longest_prefix_wins_on_whole_segments() -> None:
    async with RawUpstream() as vendor:
        near, far = provider(vendor.url + "/near"), provider(vendor.url + "/far")
        async with serve(
            Route.to(far, "/a"), Route.to(near, "/a/b"), Route.to(provider(vendor.url + "/all"), "/")
        ) as proxy:
            for target in ("/a/b/c", "/a/bc", "/ab", "/a", "/a/b?x"):
                await proxy.ask(f"GET {target}")
    assert [request.target for request in vendor.requests] == ["/near/c", "/far/bc", "/all/ab", "/far", "/near?x"]


async def test_denied_headers_and_parameters_are_refused_before_anything_is_sent() -> None:
    async with RawUpstream() as vendor:
        route = Route.to(
            provider(vendor.url), "/acme", deny_query=frozenset({"masqueradeas"}), deny_headers=frozenset({"x-role"})
        )
        async with serve(route) as proxy:
            assert problem(await proxy.ask("GET /acme/x?MasqueradeA%73=1"))["status"] == 403
            assert problem(await proxy.ask("GET /acme/x", "X_Role: admin"))["status"] == 403
            assert status(await proxy.ask("GET /acme/x?masquerade=1", "X-Roles: y")) == 200
    assert len(vendor.requests) == 1


async def test_a_vendor_that_is_down_slow_or_unknown_is_told_apart() -> None:
    async def hang(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async def hang_up(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with RawUpstream(respond=hang) as slow, RawUpstream(respond=hang_up) as rude:
        routes = [
            Route.to(provider("http://127.0.0.1:1"), "/down"),
            Route.to(provider(slow.url), "/slow", timeout=0.05),
            Route.to(provider(rude.url), "/rude"),
        ]
        async with serve(*routes) as proxy:
            assert problem(await proxy.ask("GET /down/x"))["code"] == "upstream_unreachable"
            slow_answer = problem(await proxy.ask("GET /slow/x"))
            assert (slow_answer["status"], slow_answer["code"]) == (504, "upstream_timeout")
            assert problem(await proxy.ask("POST /rude/x"))["code"] == "upstream_disconnected"
        assert len(rude.requests) == 1


async def test_a_body_over_the_limit_is_refused_whether_or_not_its_length_is_announced() -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url, Holding()), "/acme", max_body=10)) as proxy:
        announced = await proxy.ask("POST /acme/x", "Content-Length: 11", "Expect: 100-continue")
        assert problem(announced)["status"] == 413
        chunked = await proxy.ask("POST /acme/x", "Transfer-Encoding: chunked", body=b"b\r\n01234567890\r\n0\r\n\r\n")
        assert problem(chunked)["status"] == 413
        assert vendor.requests == []
        assert status(await proxy.ask("POST /acme/x", "Content-Length: 10", body=b"0123456789")) == 200


async def test_an_expectation_is_met_before_the_body_is_read_and_never_for_a_refused_request() -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url, Holding()), "/acme")) as proxy:
        met = await proxy.ask("POST /acme/x", "Content-Length: 2", "Expect: 100-continue", body=b"hi")
        assert met.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
        refused = await proxy.ask("POST /other/x", "Content-Length: 2", "Expect: 100-continue")
        assert problem(refused)["status"] == 404
        assert problem(await proxy.ask("POST /acme/x", "Content-Length: 2", "Expect: 200-ok"))["status"] == 417
    assert vendor.requests[0].values("expect") == []


@pytest.mark.parametrize(
    ("error", "code", "retry"),
    [(CredentialUnavailable(retry_after=7), 503, b"Retry-After: 7\r\n"), (CredentialRejected(), 502, b"")],
)
async def test_without_a_credential_nothing_is_sent(error: Exception, code: int, retry: bytes) -> None:
    class Broken(Fixed):
        async def authorize(self, request: OutboundRequest) -> Injection:
            raise error

    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url, Broken()), "/acme")) as proxy:
        answer = await proxy.ask("GET /acme/x")
    assert problem(answer)["status"] == code
    assert retry in answer
    assert vendor.requests == []


UNAUTHORIZED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\ndead"


def two_tokens() -> list[Injection]:
    return [Injection((("Authorization", f"Bearer {token}"),), use="cached") for token in ("old", "new")]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_whose_token_died_is_sent_once_more_from_the_original(method: str) -> None:
    scheme = Fixed(injections=two_tokens(), dead_status=401)
    async with (
        RawUpstream([UNAUTHORIZED, OK]) as vendor,
        serve(Route.to(provider(vendor.url, scheme), "/acme")) as proxy,
    ):
        answer = await proxy.ask(f"{method} /acme/x?a", "Content-Length: 3", body=b"abc")
        assert proxy.passages[0].repeats == 1
    assert status(answer) == 200
    assert [request.values("authorization") for request in vendor.requests] == [["Bearer old"], ["Bearer new"]]
    assert [(request.target, request.body) for request in vendor.requests] == [("/x?a", b"abc")] * 2


async def test_a_streamed_body_that_was_small_is_replayed_too() -> None:
    scheme = Fixed(injections=two_tokens(), dead_status=401)
    async with (
        RawUpstream([UNAUTHORIZED, OK]) as vendor,
        serve(Route.to(provider(vendor.url, scheme), "/acme")) as proxy,
    ):
        answer = await proxy.ask("POST /acme/x", "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n")
    assert status(answer) == 200
    assert [request.body for request in vendor.requests] == [b"abc", b"abc"]


async def test_a_second_rejection_is_the_vendors_word_and_passed_on() -> None:
    scheme = Fixed(injections=two_tokens(), dead_status=401)
    async with RawUpstream([UNAUTHORIZED]) as vendor, serve(Route.to(provider(vendor.url, scheme), "/acme")) as proxy:
        answer = await proxy.ask("GET /acme/x")
    assert answer.endswith(b"dead")
    assert b"Proxy-Status" not in answer
    assert len(vendor.requests) == 2
    assert [head.status for head in scheme.judged] == [401, 401]


async def test_an_answer_is_judged_for_its_status_or_because_the_credential_in_it_awaits_a_verdict() -> None:
    """So of a token nobody knew a good answer is heard, and of one that is known only what speaks against it."""

    class Naming(Fixed):
        @property
        def judged_statuses(self) -> frozenset[int] | None:
            return frozenset({401})

    injections = [Injection(awaits_verdict=awaits) for awaits in (True, True, False, False, True)]
    answers = [b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % code for code in (200, 404, 204, 401, 401)]
    scheme = Naming(injections=injections)
    async with RawUpstream(answers) as vendor, serve(Route.to(provider(vendor.url, scheme), "/acme")) as proxy:
        for _ in range(5):
            await proxy.ask("GET /acme/x")
    assert [head.status for head in scheme.judged] == [200, 404, 401, 401]


async def test_the_vendors_time_is_heard_of_a_refusal_whenever_it_comes() -> None:
    """Of good answers now and then will do; but a refusal may be for a wrong time, and is repeated with the right one."""

    class Dating(Fixed):
        writes_time = True

    clock = FakeClock()
    vendors = VendorClock(clock)
    date = b"Date: %b\r\n" % formatdate(clock.wall() + 3600, usegmt=True).encode()
    answers = [
        b"HTTP/1.1 %d X\r\n%bContent-Length: 0\r\n\r\n" % pair for pair in ((200, b""), (200, date), (403, date))
    ]
    async with RawUpstream(answers) as vendor:
        acme = provider(vendor.url, Dating(), clock=vendors)
        async with serve(Route.to(acme, "/acme")) as proxy:
            for is_heard in (False, False, True):
                await proxy.ask("GET /acme/x")
                assert (abs(vendors.skew - 3600) < 2) == is_heard


async def test_a_body_too_large_to_keep_is_not_replayed() -> None:
    scheme = Fixed(injections=two_tokens(), dead_status=401)
    body = b"x" * 3_000_000
    async with (
        RawUpstream([UNAUTHORIZED, OK]) as vendor,
        serve(Route.to(provider(vendor.url, scheme), "/acme")) as proxy,
    ):
        answer = await proxy.ask("POST /acme/x", f"Content-Length: {len(body)}", body=body)
    assert status(answer) == 401
    assert len(vendor.requests) == 1
    told = b'details="the credential died; the body was too large to be held for a second attempt"'
    assert b"\r\nProxy-Status: authproxy; received-status=401; " + told + b"\r\n" in answer
    assert b"X-AuthProxy-Error" not in answer, "it is the vendor's answer all the same"


async def test_an_unread_body_closes_the_connection_of_a_refused_caller() -> None:
    """Or its bytes would be read as the next request."""
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        host = f"Host: 127.0.0.1:{proxy.port}\r\n"
        smuggled = f"GET /acme/smuggled HTTP/1.1\r\n{host}\r\n"
        head = f"POST /none HTTP/1.1\r\n{host}Content-Length: {len(smuggled) + 1}\r\n\r\n"
        answer = await proxy.send((head + smuggled).encode())
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close\r\n" in answer
    assert vendor.requests == []


async def test_a_dead_kept_connection_costs_a_get_a_second_try_and_a_post_an_error() -> None:
    async def once(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(vendor.requests) % 2 == 1:
            writer.write(OK)
            await writer.drain()
        else:
            writer.close()  # The second request on a connection meets a server that had given up on it.

    async with RawUpstream(respond=once) as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        assert status(await proxy.ask("GET /acme/1")) == 200
        assert status(await proxy.ask("GET /acme/2")) == 200
        assert [request.target for request in vendor.requests] == ["/1", "/2", "/2"]
        post = await proxy.ask("POST /acme/3", "Content-Length: 1", body=b"x")
        assert problem(post)["code"] == "upstream_disconnected"
    assert [request.target for request in vendor.requests] == ["/1", "/2", "/2", "/3"]


async def test_a_scheme_that_asks_sees_small_json_answers_even_compressed_and_the_caller_the_same_bytes() -> None:
    text = b'{"errors":[{"extensions":{"code":"invalid-jwt"}}]}'
    packed = gzip.compress(text)
    raw = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    scheme = Inspecting()
    async with (
        RawUpstream([raw % len(packed) + packed]) as vendor,
        serve(Route.to(provider(vendor.url, scheme), "/a")) as proxy,
    ):
        answer = await proxy.ask("GET /a/x", "Accept-Encoding: br, gzip;q=0.5, zstd")
    assert scheme.judged[0].body == text
    assert answer.endswith(packed)
    assert vendor.requests[0].values("accept-encoding") == ["gzip;q=0.5"]


@pytest.mark.parametrize("size", [16 * 1024, 16 * 1024 + 1, 5_000_000])
async def test_a_json_answer_too_large_for_an_error_is_relayed_unseen(size: int) -> None:
    body = b"[" + b" " * (size - 2) + b"]"
    raw = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
    )
    scheme = Inspecting()
    async with (
        RawUpstream([raw % (size, body)]) as vendor,
        serve(Route.to(provider(vendor.url, scheme), "/a")) as proxy,
    ):
        head = f"GET /a/x HTTP/1.0\r\nHost: 127.0.0.1:{proxy.port}\r\n\r\n".encode()
        answer = await proxy.send(head)
    assert scheme.judged[0].body == (body if size <= 16 * 1024 else None)
    assert answer.partition(b"\r\n\r\n")[2] == body


@pytest.mark.parametrize(
    "host", ["evil.test", "0.0.0.0:{port}", "127.1:{port}", "localhost", "localhost:1", "2130706433:{port}"]
)
async def test_a_host_that_is_not_ours_is_misdirected(host: str) -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        answer = await proxy.ask("GET /acme/x", host=host.format(port=proxy.port))
        assert problem(answer)["status"] == 421
        for good in ("localhost", "LOCALHOST", "127.0.0.1", "[::1]"):
            assert status(await proxy.ask("GET /acme/x", host=f"{good}:{proxy.port}")) == 200
    assert len(vendor.requests) == 4


@pytest.mark.parametrize(
    "fields",
    [
        ["Origin: https://evil.test"],
        ["Origin: null"],
        ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"],
        ["Sec-Fetch-Site: none"],
        ["Sec-Fetch-Mode: navigate"],
        ["Sec-Fetch-Dest: image"],
        ["Origin: https://good.test", "Origin: https://evil.test"],
    ],
)
async def test_a_web_page_is_refused(fields: list[str]) -> None:
    async with RawUpstream() as vendor:
        route = Route.to(provider(vendor.url), "/acme", allowed_origins=frozenset({"https://good.test"}))
        async with serve(route) as proxy:
            for method in ("GET", "POST", "OPTIONS"):
                answer = await proxy.ask(f"{method} /acme/x", *fields)
                assert problem(answer)["status"] == 403
                assert b"Access-Control" not in answer
    assert vendor.requests == []


async def test_nodes_fetch_is_no_browser() -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        assert status(await proxy.ask("GET /acme/x", "sec-fetch-mode: cors")) == 200


async def test_a_listed_origin_gets_its_preflight_and_its_answers() -> None:
    async with RawUpstream() as vendor:
        route = Route.to(provider(vendor.url), "/acme", allowed_origins=frozenset({"https://good.test"}))
        async with serve(route) as proxy:
            page = ["Origin: https://good.test", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors"]
            preflight = await proxy.ask("OPTIONS /acme/x", *page, "Access-Control-Request-Method: PUT")
            answer = await proxy.ask("PUT /acme/x", *page)
    assert status(preflight) == 204
    assert b"Access-Control-Allow-Origin: https://good.test\r\n" in preflight
    assert b"Access-Control-Allow-Methods: PUT\r\n" in preflight
    assert b"Access-Control-Allow-Origin: https://good.test\r\n" in answer
    assert len(vendor.requests) == 1


async def test_where_a_local_token_is_set_callers_must_show_it_and_vendors_never_see_it() -> None:
    token = "CANARY-local-token-91"
    async with RawUpstream() as vendor:
        guard = Guard(None, ["here"], Secret(token))
        async with serve(Route.to(provider(vendor.url), "/acme"), guard=guard) as proxy:
            for given in ([], ["wrong"], [token[:-1]], [token + "x"], [token, token], ["x" * 8000]):
                fields = [f"X-AuthProxy-Token: {value}" for value in given]
                assert problem(await proxy.ask("GET /acme/x", *fields, host="here"))["status"] == 403
            assert status(await proxy.ask("GET /acme/x", f"x-authproxy-token: {token}", host="here")) == 200
    assert len(vendor.requests) == 1
    assert token.encode() not in vendor.requests[0].head


@pytest.mark.parametrize(
    "head",
    [
        b"GET /acme/x HTTP/1.1\r\nHost: {}\r\nAuthorization Bearer CANARYTOK\r\n\r\n",
        b"GET /acme/x HTTP/1.1\r\nHost: {}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /acme/x HTTP/1.1\r\nHost: {}\r\nContent-Length: 3\r\nTransfer-Encoding: \r\n\r\nabc",
        b"GET /acme/x HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"GET /acme/x HTTP/1.0\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /acme/x HTTP/2.0\r\nHost: {}\r\n\r\n",
        b"GET http://evil.test/x HTTP/1.1\r\nHost: {}\r\n\r\n",
    ],
)
async def test_ambiguous_or_malformed_requests_are_refused_in_fixed_words(head: bytes) -> None:
    async with RawUpstream() as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        answer = await proxy.send(head.replace(b"{}", f"127.0.0.1:{proxy.port}".encode()))
    assert problem(answer)["status"] == 400
    assert b"CANARYTOK" not in answer
    assert vendor.requests == []


async def test_a_caller_who_hangs_up_ends_the_vendors_work_too() -> None:
    gone = asyncio.Event()

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read(1) == b""
        gone.set()

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(f"GET /acme/x HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\n\r\n".encode())
        while not vendor.requests:
            await asyncio.sleep(0)
        writer.close()
        await asyncio.wait_for(gone.wait(), 5)
        while not proxy.passages:
            await asyncio.sleep(0)
        assert proxy.passages[0].status == 499


@pytest.mark.parametrize("requests", [1, 3])
async def test_a_caller_who_only_ends_its_sending_gets_its_answers(requests: int) -> None:
    """Case 70: a half-closed connection still takes what was asked for on it."""
    ended = asyncio.Event()

    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        await asyncio.sleep(0.05)
        writer.write(OK)

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(f"GET /acme/x HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\n\r\n".encode() * requests)
        while not vendor.requests:
            await asyncio.sleep(0)
        writer.write_eof()
        ended.set()
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert answer.count(b"HTTP/1.1 200 OK") == requests


async def test_pipelined_requests_are_answered_in_order() -> None:
    async def respond(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = received.target.encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async with RawUpstream(respond=respond) as vendor, serve(Route.to(provider(vendor.url), "/acme")) as proxy:
        heads = [f"GET /acme/{n} HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\n" for n in range(100)]
        last = "Connection: close\r\n"
        answer = await proxy.send("".join(h + (last if n == 99 else "") + "\r\n" for n, h in enumerate(heads)).encode())
    bodies = [part.partition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 200 OK")[1:]]
    assert bodies == [b"/%d" % n for n in range(100)]


async def test_small_answers_leave_at_once_and_callers_that_vanish_are_noticed() -> None:
    """aiohttp sets both on each connection; here they come with the listening socket."""
    async with RawUpstream([OK]) as vendor, serve(Route.to(provider(vendor.url), "/a")) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(f"GET /a/x HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        [connection] = proxy.listener.connections
        assert isinstance(connection, CallerConnection) and connection.socket is not None
        assert connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        assert connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
        writer.close()
        await writer.wait_closed()
