"""What is remembered of a header section decides nothing else than what would be decided without."""

from __future__ import annotations

import asyncio
import random
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import (
    BadHeader,
    BadTarget,
    BrowserRefused,
    DeniedByRoute,
    HostNotAllowed,
    MalformedRequest,
    MethodNotAllowed,
    NoRoute,
    ProxyError,
    UnknownExpectation,
)
from proxy.gateway.admission import Admission
from proxy.gateway.caller_head import CallerHeads
from proxy.gateway.guard import Client, Guard
from proxy.gateway.outbound import begun_head
from proxy.gateway.passage import Passage
from proxy.gateway.route import Route, RouteTable
from proxy.schemes.static import Static
from proxy.secret import FileSecret, Secret
from proxy.template import Template
from proxy.wire.aiohttp_parts import HttpProcessingError
from proxy.wire.head_memory import _LONGEST_REMEMBERED, _MOST_REMEMBERED
from proxy.wire.heads import request_heads
from tests.served import provider

LIMITS = {"max_line": 8190, "max_field": 8191, "max_fields": 128, "max_head": 65_536}
TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
LINES = (
    "GET /a/x HTTP/1.1", "GET /a/x?id=1 HTTP/1.1", "GET /a/x HTTP/1.0", "POST /a/y HTTP/1.1", "HEAD /b HTTP/1.1",
    "OPTIONS /b/x HTTP/1.1", "GET /b/x?key=1&b=%2e HTTP/1.1", "GET /b/%2e%2e/x HTTP/1.1", "GET /b/a%2Fb HTTP/1.1",
    "GET /c/a%2Fb?user-id=2 HTTP/1.1", "PUT /c/x HTTP/1.1", "GET /none HTTP/1.1", "GET //a/x HTTP/1.1",
    "TRACE /a/x HTTP/1.1", "GET /a/x HTTP/2.0", "GET  /a/x HTTP/1.1", "GET /a/../b HTTP/1.1", "GET /a/x#b HTTP/1.1",
    "GET http://evil.test/a HTTP/1.1", "CONNECT a:1 HTTP/1.1",
)  # fmt: skip
HOST = "Host: 127.0.0.1:8080"
SECTIONS = (
    (HOST,), (HOST, "Accept: */*", "User-Agent: a"), ("hOST: LOCALHOST:8080", "X-Id: 1"), ("Host: evil.test",), (),
    (HOST, "Content-Length: 5"), (HOST, "Content-Length: 0"), (HOST, "Content-Length: " + "1" * 19),
    (HOST, "Content-Length: 5", "Content-Length: 5"), (HOST, "Transfer-Encoding: chunked"),
    (HOST, "Transfer-Encoding: gzip, chunked"), (HOST, "Transfer-Encoding:"), (HOST, "Expect: 100-continue"),
    (HOST, "Expect: magic"), (HOST, "Origin: https://page.test"), (HOST, "Origin: https://evil.test"),
    (HOST, "Origin: https://page.test", "Access-Control-Request-Method: PUT"), (HOST, "Sec-Fetch-Site: cross-site"),
    (HOST, "Sec-Fetch-Mode: cors"), (HOST, "Sec-Fetch-Mode: navigate"), (HOST, f"Traceparent: {TRACE}"),
    (HOST, f"traceparent: {TRACE}", "tracestate: a=1"), (HOST, "Traceparent: 00-0"), (HOST, "X_Api_Key: mine", "A: 1"),
    (HOST, "Connection: close", "A: 1"), (HOST, "Connection: A", "A: 1"), (HOST, "X-Denied: 1"),
    (HOST, "X-AuthProxy-Token: all", "A: 1"), (HOST, "X-AuthProxy-Token: some"), (HOST, "X-AuthProxy-Token: none"),
    (HOST, "X-AuthProxy-Token: all", "X-AuthProxy-Token: all"), (HOST, "Upgrade: websocket", "Connection: Upgrade"),
    (HOST, "A 1"), (HOST, "A: 1\nB: 2"), (HOST, " A: 1"), (HOST, "Accept-Encoding: br, gzip"),
)  # fmt: skip
GUARDS = {
    "open": Guard(8080),
    "with tokens": Guard(8080, token=Secret("all"), clients=[Client("app", Secret("some"), frozenset({"/a"}))]),
}


def _routes() -> RouteTable:
    scheme = Static(headers={"X-Api-Key": Template((Secret("k"),))}, query={"key": Template((Secret("k"),))})
    vendor = provider("https://vendor.test/v1", scheme)
    return RouteTable([
        Route.to(provider("https://other.test"), "/a"),
        Route.to(vendor, "/b", allowed_origins=frozenset({"https://page.test"}), traceparent="make"),
        Route.to(
            vendor, "/c", headers={"X-Fixed": Template(("1",))}, query={"q": Template(("2",))}, encoded_slashes=True,
            methods=frozenset({"GET"}), deny_headers=frozenset({"x-denied"}), deny_query=frozenset({"user-id"}),
            traceparent="drop",
        ),
    ])  # fmt: skip


ROUTES = _routes()


def octets_of(line: str, section: tuple[str, ...]) -> bytes:
    return "\r\n".join((line, *section, "", "")).encode()


def outcome(
    loop: asyncio.AbstractEventLoop, admission: Admission, octets: bytes, *, is_looked_at_closely: bool = False
) -> Any:
    """All that is found out of a head and decided by it, or how it was refused."""
    heads = admission.heads
    passage = Passage("-", 0.0)
    try:
        head, _ = request_heads(loop, heads.head, heads, **LIMITS).read(octets)
        passage = Passage("-", 0.0, head)
        assert head is not None
        if is_looked_at_closely:
            head.section.is_plain = False
        decision = admission.decision(passage)
    except (HttpProcessingError, ProxyError) as error:
        return type(error), passage.client, passage.route
    request = decision.request
    assert decision.begun == begun_head(decision.route, request)
    return (
        (head.method, head.fields, head.length, head.has_body, head.keeps_alive, passage.client, passage.route),
        (decision.route, decision.origin, decision.is_preflight, decision.caller_trace, decision.has_trace),
        (request, decision.begun),
    )


@pytest.mark.parametrize("guard", GUARDS)
def test_a_section_that_is_remembered_decides_the_same_under_every_request_line(
    loop: asyncio.AbstractEventLoop, guard: str
) -> None:
    """As if each request were the first; whatever came before with the same fields, or the same line."""
    asked = [octets_of(*pair) for pair in product(LINES, SECTIONS)]
    alone = {octets: outcome(loop, Admission(GUARDS[guard], ROUTES), octets) for octets in asked}
    admission = Admission(GUARDS[guard], ROUTES)
    order = random.Random(1)
    for _ in range(4):
        order.shuffle(asked)
        for octets in asked:
            assert outcome(loop, admission, octets) == alone[octets], octets
    assert len(list(admission.heads.sections.everything())) > len(SECTIONS) / 2
    passed = sum(isinstance(found[0], tuple) for found in alone.values())
    assert passed > 10, "where next to all is refused, nothing is proved"


@pytest.mark.parametrize("guard", GUARDS)
def test_of_a_plain_section_a_closer_look_says_the_same(loop: asyncio.AbstractEventLoop, guard: str) -> None:
    for octets in (octets_of(*pair) for pair in product(LINES, SECTIONS)):
        quick = outcome(loop, Admission(GUARDS[guard], ROUTES), octets)
        assert outcome(loop, Admission(GUARDS[guard], ROUTES), octets, is_looked_at_closely=True) == quick, octets


@pytest.mark.parametrize(
    ("line", "fields", "error"),
    [
        ("GET /a/x HTTP/2.0", (), MalformedRequest), ("TRACE /a/x HTTP/1.1", (), MethodNotAllowed),
        ("PUT /c/x HTTP/1.1", (), MethodNotAllowed), ("GET /none HTTP/1.1", (), NoRoute),
        ("GET /a/../b HTTP/1.1", (), BadTarget), ("GET /a/x HTTP/1.1", ("Host: evil.test",), HttpProcessingError),
        ("GET /a/x HTTP/1.0", ("Transfer-Encoding: chunked",), BadHeader),
        ("POST /a/x HTTP/1.1", ("Content-Length: " + "1" * 19,), BadHeader),
        ("GET /a/x HTTP/1.1", ("Expect: magic",), UnknownExpectation),
        ("GET /a/x HTTP/1.1", ("Origin: https://evil.test",), BrowserRefused),
        ("GET /none HTTP/1.1", ("Origin: https://page.test",), BrowserRefused),
        ("GET /a/x HTTP/1.1", ("Sec-Fetch-Mode: navigate",), BrowserRefused),
        ("GET /c/x HTTP/1.1", ("X-Denied: 1",), DeniedByRoute), ("GET /c/x?user-id=1 HTTP/1.1", (), DeniedByRoute),
    ],
)  # fmt: skip
def test_what_is_refused_is_refused_however_often_it_comes(
    loop: asyncio.AbstractEventLoop, line: str, fields: tuple[str, ...], error: type[Exception]
) -> None:
    admission = Admission(GUARDS["open"], ROUTES)
    for _ in range(4):
        assert issubclass(outcome(loop, admission, octets_of(line, (HOST, *fields)))[0], error)
        outcome(loop, admission, octets_of("GET /b/x HTTP/1.1", (HOST, *fields)))
        outcome(loop, admission, octets_of(line, (HOST,)))
        assert outcome(loop, admission, octets_of("GET /a HTTP/1.1", ("Host: evil.test",)))[0] is HostNotAllowed


def test_a_body_a_page_and_a_trace_are_known_of_every_request_with_the_same_fields(
    loop: asyncio.AbstractEventLoop,
) -> None:
    admission = Admission(GUARDS["open"], ROUTES)
    section = (HOST, "Transfer-Encoding: chunked", "Origin: https://page.test", f"traceparent: {TRACE}")
    for number in range(4):
        found = outcome(loop, admission, octets_of(f"POST /b/{number} HTTP/1.1", section))
        (_, _, length, has_body, keeps_alive, *_), (_, origin, _, trace, has_trace), _ = found
        assert (length, has_body, keeps_alive, origin, has_trace) == (None, True, True, "https://page.test", True)
        assert trace.trace_id == "a" * 32


def test_what_a_route_adds_that_may_change_is_asked_for_each_time(
    loop: asyncio.AbstractEventLoop, tmp_path: Path
) -> None:
    path = tmp_path / "secret"
    path.write_text("at first")
    route = Route.to(provider("https://vendor.test"), "/a", headers={"X-S": Template((FileSecret(path),))})
    admission = Admission(GUARDS["open"], RouteTable([route]))
    for text in ("one", "another", "a third one"):
        path.write_text(text)
        for _ in range(3):
            *_, (_, (*_, lines)) = outcome(loop, admission, octets_of("GET /a/x HTTP/1.1", (HOST,)))
            assert lines == f" HTTP/1.1\r\nHost: vendor.test\r\nX-S: {text}\r\n".encode()


def test_fields_that_come_again_under_other_lines_are_looked_at_twice_at_the_most(
    loop: asyncio.AbstractEventLoop,
) -> None:
    admission = Admission(GUARDS["open"], ROUTES)
    sections = set()
    for number in range(1000):
        outcome(loop, admission, octets_of(f"GET /a/{number} HTTP/1.1", SECTIONS[1]))
        sections.update(admission.heads.sections.everything())
    assert len(sections) == 1 and len(admission.heads) == 0


def test_the_routes_are_asked_which_fields_pass(loop: asyncio.AbstractEventLoop) -> None:
    """What one route passes on says nothing of another, nor of one of the same name that came later."""
    admission = Admission(GUARDS["open"], ROUTES)
    section = (HOST, "X_Api_Key: mine", "A: 1")
    for _ in range(3):
        for prefix, has_key in (("/a", True), ("/b", False)):
            *_, (_, (*_, lines)) = outcome(loop, admission, octets_of(f"GET {prefix}/x HTTP/1.1", section))
            assert (b"X_Api_Key: mine\r\n" in lines) == has_key
    scheme = Static(headers={"X-Api-Key": Template((Secret("k"),))})
    admission.routes = RouteTable([Route.to(provider("https://vendor.test", scheme), "/a")])
    *_, (_, (*_, lines)) = outcome(loop, admission, octets_of("GET /a/x HTTP/1.1", section))
    assert lines == b" HTTP/1.1\r\nHost: vendor.test\r\nA: 1\r\n"


def test_a_caller_whose_every_head_is_another_fills_no_memory(loop: asyncio.AbstractEventLoop) -> None:
    """Neither with lines nor with fields, also where each comes twice; and long sections are not kept."""
    admission = Admission(GUARDS["open"], ROUTES)
    heads: CallerHeads = admission.heads
    for number in range(4 * _MOST_REMEMBERED):
        octets = octets_of(f"GET /a/{number} HTTP/1.1", (HOST, f"X-Id: {number}"))
        for _ in range(3):
            outcome(loop, admission, octets)
        assert len(list(heads.everything())) <= _MOST_REMEMBERED
        assert len(list(heads.sections.everything())) <= _MOST_REMEMBERED
    for _ in range(3):
        outcome(loop, admission, octets_of("GET /a HTTP/1.1", (HOST, "X-Long: " + "x" * _LONGEST_REMEMBERED)))
    kept = [*heads.sections, *heads.sections.older]
    assert max(len(name) + len(value) for headers in kept for name, value in headers) < 100
