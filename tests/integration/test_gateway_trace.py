"""What a vendor is told of traces, and what the log says: W3C Trace Context, with nobody who writes spans."""

from __future__ import annotations

import re

import pytest

from proxy.gateway.headers import special_fields
from proxy.gateway.passage import Passage
from proxy.gateway.route import Route
from proxy.gateway.trace import caller_trace
from proxy.schemes.base import Injection, OutboundRequest
from tests.raw_upstream import RawUpstream, Received
from tests.served import CANARY, Fixed, provider, serve, status

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
NAMES = ("traceparent", "tracestate", "baggage")
INVALID = [
    "", "00", SENT.upper(), SENT[:-1], SENT + "-more", SENT.replace("00-", "ff-"), SENT.replace("00-", "0g-"),
    f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE_ID}-{'0' * 16}-01", SENT + "\t.",
]  # fmt: skip


async def told(rule: str, *fields: str, method: str = "GET") -> tuple[Received, Passage]:
    """What the vendor got of a request with these fields, and what became of it."""
    async with RawUpstream() as vendor:
        route = Route.to(provider(vendor.url), "/acme", traceparent=rule)  # type: ignore[arg-type]
        async with serve(route) as proxy:
            assert status(await proxy.ask(f"{method} /acme/x", *fields)) == 200
            return vendor.requests[0], proxy.passages[0]


def of_traces(received: Received) -> list[tuple[str, str]]:
    return [(name, value) for name, value in received.fields if name.lower() in NAMES]


@pytest.mark.parametrize("value", INVALID)
def test_what_is_no_traceparent_is_none(value: str) -> None:
    assert caller_trace(special_fields(((b"Traceparent", value.encode()),))) is None


def test_two_traceparents_are_none() -> None:
    field = (b"traceparent", SENT.encode())
    assert caller_trace(special_fields((field,))) is not None
    assert caller_trace(special_fields((field, field))) is None


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    trace = caller_trace(special_fields(((b"traceparent", SENT.replace("00-", "01-", 1).encode() + b"-more"),)))
    assert trace is not None
    assert (trace.trace_id, trace.flags) == (TRACE_ID, "01")


async def test_by_default_what_the_caller_sent_passes_byte_for_byte_and_its_trace_is_known() -> None:
    fields = (f"TraceParent: {SENT}", "tracestate: a=1,b=2", "tracestate: c=3", "baggage: user=7")
    received, passage = await told("pass", *fields)
    assert of_traces(received) == [tuple(field.split(": ")) for field in fields]
    assert passage.trace is not None
    assert passage.trace.trace_id == TRACE_ID


async def test_by_default_nothing_is_made() -> None:
    """A vendor is not told more than the app tells it."""
    received, passage = await told("pass")
    assert (of_traces(received), passage.trace) == ([], None)


async def test_what_is_no_traceparent_passes_like_any_field_and_is_no_trace() -> None:
    received, passage = await told("pass", "traceparent: CANARY")
    assert (of_traces(received), passage.trace) == ([("traceparent", "CANARY")], None)


async def test_a_route_that_makes_them_makes_one_that_is_known_to_the_log() -> None:
    received, passage = await told("make")
    [(name, value)] = of_traces(received)
    assert name == "traceparent"
    match = re.fullmatch(r"00-([0-9a-f]{32})-[0-9a-f]{16}-00", value)
    assert match is not None
    assert passage.trace is not None
    assert passage.trace.trace_id == match[1]


async def test_each_request_has_a_trace_of_its_own_though_it_is_the_same_to_the_byte() -> None:
    async with RawUpstream() as vendor:
        async with serve(Route.to(provider(vendor.url), "/acme", traceparent="make")) as proxy:
            for _ in range(3):
                await proxy.ask("GET /acme/x")
        made = [received.values("traceparent") for received in vendor.requests]
        assert len({value[0].split("-")[1] for value in made}) == 3
        ids = {passage.trace.trace_id for passage in proxy.passages if passage.trace}
        assert ids == {value[0].split("-")[1] for value in made}


async def test_a_route_that_makes_them_sends_on_what_is_valid() -> None:
    received, passage = await told("make", f"Traceparent: {SENT}", "Tracestate: a=1", "Tracestate: b=2")
    assert of_traces(received) == [("traceparent", SENT), ("tracestate", "a=1"), ("tracestate", "b=2")]
    assert passage.trace is not None
    assert passage.trace.trace_id == TRACE_ID


@pytest.mark.parametrize("spelling", ["traceparent", "TraceParent", "TRACEPARENT"])
async def test_a_route_that_makes_them_replaces_what_is_invalid_and_its_state_with_it(spelling: str) -> None:
    received, _ = await told("make", f"{spelling}: 00-{TRACE_ID}-none", "tracestate: a=1")
    [(_, value)] = [field for field in of_traces(received) if "none" not in field[1]]
    assert TRACE_ID not in value


async def test_a_route_that_drops_them_tells_the_vendor_nothing_and_the_log_all_the_same() -> None:
    received, passage = await told("drop", f"Traceparent: {SENT}", "tracestate: a=1", "BAGGAGE: user=7")
    assert of_traces(received) == []
    assert passage.trace is not None
    assert passage.trace.trace_id == TRACE_ID


async def test_what_is_made_is_no_part_of_what_a_scheme_signs() -> None:
    scheme = Fixed()
    async with RawUpstream() as vendor:
        async with serve(Route.to(provider(vendor.url, scheme), "/acme", traceparent="make")) as proxy:
            await proxy.ask("GET /acme/x", f"traceparent: {SENT}")
            await proxy.ask("GET /acme/x")
        assert of_traces(vendor.requests[0]) == [("traceparent", SENT)]
    asked: list[OutboundRequest] = scheme.asked
    assert len(asked) == 2
    assert not any(name.lower() in (b"traceparent", b"tracestate") for one in asked for name, _ in one.headers)


async def test_a_second_attempt_belongs_to_the_same_trace() -> None:
    denied = b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"
    injections = [Injection((("Authorization", f"Bearer {CANARY}{number}"),)) for number in range(2)]
    scheme = Fixed(injections=injections, dead_status=401)
    async with RawUpstream(answers=[denied, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]) as vendor:
        async with serve(Route.to(provider(vendor.url, scheme), "/acme", traceparent="make")) as proxy:
            assert status(await proxy.ask("GET /acme/x")) == 200
        first, second = (received.values("traceparent") for received in vendor.requests)
        assert first == second


async def test_a_websocket_has_its_trace_too() -> None:
    async with RawUpstream() as vendor:
        async with serve(Route.to(provider(vendor.url), "/acme", traceparent="make")) as proxy:
            key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
            await proxy.send(
                f"GET /acme/x HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n"
                f"Sec-WebSocket-Version: 13\r\n{key}\r\n\r\n".encode()
            )
        (value,) = vendor.requests[0].values("traceparent")
        assert proxy.passages[0].trace is not None
        assert proxy.passages[0].trace.trace_id in value


# --- A request's own id -------------------------------------------------------------------------------


async def test_an_answer_of_our_own_names_the_request_as_the_log_does_and_a_vendors_does_not() -> None:
    forged = b"HTTP/1.1 200 OK\r\nX-AuthProxy-Request-Id: forged\r\nContent-Length: 0\r\n\r\n"
    async with RawUpstream(answers=[forged]) as vendor:
        async with serve(Route.to(provider(vendor.url), "/acme")) as proxy:
            answers = [await proxy.ask(line) for line in ("GET /nowhere", "GET /acme/x", "GET /nowhere")]
            answers.append(await proxy.send(b"no HTTP\r\n\r\n"))
    ids = [re.findall(rb"(?i)x-authproxy-request-id: (\S+)", answer) for answer in answers]
    assert ids == [[passage.id.encode()] if passage.error else [] for passage in proxy.passages]
    assert len({passage.id for passage in proxy.passages}) == 4
    assert all(re.fullmatch(r"[0-9a-f]{6}-[0-9a-f]+", passage.id) for passage in proxy.passages)
