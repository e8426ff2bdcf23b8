"""A bad network between the proxy and a vendor, and between the proxy and the login endpoint.

Whatever breaks at whatever byte: a POST is carried out at most once, a GET asked at most twice, no broken answer looks
whole, a login recovers, and nothing is needed to go on but the next request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from proxy.sandbox import Iofinnet
from tests.clock import FakeClock
from tests.proxied import Proxied
from tests.relay import LOSE_ANSWER, TURN_AWAY, Fault, Relay
from tests.vendors import behind, canary, until

CREDENTIALS = {"client_id": canary("network id"), "client_secret": canary("network secret")}
BODY_LENGTH = 1000
BODY = (b"0123456789abcdef" * 63)[:BODY_LENGTH]
TARGET = "/io/v1/bytes/1000"
# Places in an answer: bytes from its beginning, from the end of its head, from its end.
PLACES = {
    "nothing comes": ("begin", 0),
    "one byte comes": ("begin", 1),
    "in the status line": ("begin", 12),
    "in the head": ("begin", 60),
    "before the empty line": ("head", -2),
    "behind the head": ("head", 0),
    "in the body": ("head", 500),
    "before the last byte": ("end", -1),
}


class Wire:
    """The proxy, its vendor, and the relay between the two. All that is asked goes through it, logins too."""

    def __init__(self, proxy: Proxied, vendor: Iofinnet, relay: Relay, clock: FakeClock) -> None:
        self.proxy, self.vendor, self.relay, self.clock = proxy, vendor, relay, clock

    async def ask(self, method: str = "GET", target: str = TARGET) -> httpx.Response | None:
        """The answer, or None if it broke off so that a client can tell."""
        content = b"{}" if method == "POST" else None
        try:
            return await self.proxy.client.request(method, target, content=content)
        except httpx.TransportError:
            return None

    async def answer_place(self, place: str) -> int:
        """A place as bytes of this vendor's answer."""
        assert (await self.ask()) is not None
        since, offset = PLACES[place]
        whole = self.relay.exchanges[-1].passed
        return {"begin": 0, "head": whole - BODY_LENGTH, "end": whole}[since] + offset

    def asked(self, target: bytes = b"/v1/bytes/1000") -> list[str]:
        return [received.method for received in self.vendor.api_requests if received.target == target]


@asynccontextmanager
async def wire(route: dict[str, Any] | None = None, lifetime: float = 1000.0) -> AsyncIterator[Wire]:
    clock = FakeClock()
    vendor = Iofinnet(clock=clock, token_lifetime=lifetime, credentials=CREDENTIALS)
    async with Relay() as relay:
        routes = {"/io": {"provider": "vendor", "timeout": "10s", **(route or {})}}
        async with behind(vendor, {"base_url": relay.url}, routes=routes, clock=clock) as proxy:
            relay.target = int(vendor.authority.rpartition(":")[2])
            yield Wire(proxy, vendor, relay, clock)


def is_whole(answer: httpx.Response) -> bool:
    return answer.status_code == 200 and answer.content == BODY


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize("place", PLACES)
async def test_an_answer_that_is_cut_never_looks_whole_and_repeats_nothing(
    place: str, ending: Any, method: str
) -> None:
    async with wire() as on:
        cut = Fault(answer_bytes=await on.answer_place(place), ending=ending)
        before = len(on.asked())
        on.relay.befall(cut, when=method.encode())
        answer = await on.ask(method)
        assert on.relay.faults_left == []
        asked = on.asked()[before:]
        assert asked in ([method], ["GET", "GET"])
        if answer is not None and answer.status_code == 200:
            assert (asked, is_whole(answer)) == (["GET", "GET"], True)
        elif answer is not None:
            assert (answer.status_code, answer.headers["x-authproxy-error"]) == (502, "upstream_disconnected")
        again = await on.ask(method)
        assert again is not None and is_whole(again)
        assert on.vendor.logins == 1


@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize("missing", [1, 2, 5, 6, 300])
async def test_a_chunked_answer_that_is_cut_never_looks_whole(missing: int, ending: Any) -> None:
    """Its end is `0` and two line ends: one byte less, and it is no end."""
    stream = "/io/v1/stream?pieces=3&size=400&pause=0"
    async with wire() as on:
        whole = await on.ask("POST", stream)
        assert whole is not None and len(whole.content) == 1200
        on.relay.befall(Fault(answer_bytes=on.relay.exchanges[-1].passed - missing, ending=ending), when=b"POST")
        assert await on.ask("POST", stream) is None
        again = await on.ask("POST", stream)
        assert again is not None and again.content == whole.content
        assert on.asked(stream.removeprefix("/io").encode()) == ["POST"] * 3


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("ending", ["close", "reset"])
async def test_a_request_that_is_turned_away_on_a_kept_connection(method: str, ending: Any) -> None:
    """The vendor never saw it, but nobody can know that: the GET is sent once more, the POST is not."""
    async with wire() as on:
        await on.ask()
        on.relay.befall(Fault(takes_request=False, ending=ending), when=method.encode())
        answer = await on.ask(method)
        assert answer is not None
        assert answer.status_code == (200 if method == "GET" else 502)
        assert on.asked() == (["GET", "GET"] if method == "GET" else ["GET"])


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_that_is_turned_away_twice_is_not_tried_a_third_time(method: str) -> None:
    async with wire() as on:
        await on.ask()
        begun = len(on.relay.exchanges)
        on.relay.befall(TURN_AWAY, TURN_AWAY, TURN_AWAY, when=method.encode())
        answer = await on.ask(method)
        assert answer is not None and answer.status_code == 502
        assert len(on.relay.exchanges) - begun == (2 if method == "GET" else 1)
        assert on.asked() == ["GET"]


@pytest.mark.parametrize("place", ["nothing comes", "in the head", "in the body"])
async def test_a_vendor_that_falls_silent_costs_the_time_out_and_no_repetition(place: str) -> None:
    async with wire({"timeout": "300ms"}) as on:
        silence = Fault(answer_bytes=await on.answer_place(place), ending="silence")
        on.relay.befall(silence, when=b"POST")
        answer = await on.ask("POST")
        if place == "in the body":
            assert answer is None
        else:
            assert answer is not None
            assert (answer.status_code, answer.headers["x-authproxy-error"]) == (504, "upstream_timeout")
        assert on.asked() == ["GET", "POST"]
        again = await on.ask("POST")
        assert again is not None and is_whole(again)


async def test_an_answer_in_single_bytes_is_whole() -> None:
    async with wire() as on:
        on.relay.befall(Fault(segment=1), Fault(segment=1))
        answer = await on.ask("POST")
        assert answer is not None and is_whole(answer)
        assert on.vendor.logins == 1


async def test_a_vendor_that_refuses_connections_for_a_while() -> None:
    async with wire() as on:
        await on.ask()
        await on.relay.close_port()
        for method in ("GET", "POST", "GET"):
            answer = await on.ask(method)
            assert answer is not None and answer.status_code == 502
        await on.relay.open_port()
        for method in ("POST", "GET"):
            answer = await on.ask(method)
            assert answer is not None and is_whole(answer)
        assert on.asked() == ["GET", "POST", "GET"]
        assert on.vendor.logins == 1


# --- Between the proxy and the login endpoint -------------------------------------------------------------

LOGIN_FAULTS = {
    "turned away": TURN_AWAY,
    "lost": LOSE_ANSWER,
    "lost by a reset": Fault(answer_bytes=0, ending="reset"),
    "cut in the head": Fault(answer_bytes=60),
    "reset in the head": Fault(answer_bytes=60, ending="reset"),
    # The head is half as long as that, and the body, with a JWT in it, more.
    "cut in the body": Fault(answer_bytes=300),
    "reset in the body": Fault(answer_bytes=300, ending="reset"),
}


@pytest.mark.parametrize("fault", LOGIN_FAULTS)
async def test_a_login_that_breaks_is_503_and_the_next_one_serves(fault: str) -> None:
    """However many wait for it: one login, one answer for all, nothing at the API without a token, no restart."""
    async with wire() as on:
        on.relay.befall(LOGIN_FAULTS[fault], when=b"POST /auth")
        answers = await asyncio.gather(*(on.ask("POST") for _ in range(50)))
        for answer in answers:
            assert answer is not None
            assert (answer.status_code, answer.headers["x-authproxy-error"]) == (503, "credential_unavailable")
            assert int(answer.headers["retry-after"]) >= 1
        assert on.vendor.api_requests == []
        assert len(on.vendor.login_requests) == (0 if fault == "turned away" else 1)
        on.clock.advance(1)
        answer = await on.ask("POST")
        assert answer is not None and is_whole(answer)
        assert len(on.relay.exchanges) == 3
        assert await on.proxy.metric("authproxy_token_fetches_total", provider="vendor", outcome="unavailable") == 1
        assert await on.proxy.metric("authproxy_token_fetches_total", provider="vendor", outcome="ok") == 1


@pytest.mark.parametrize("fault", LOGIN_FAULTS)
async def test_a_renewal_that_breaks_is_not_noticed_while_the_token_lives(fault: str) -> None:
    async with wire(lifetime=100) as on:
        await on.ask()
        on.clock.advance(90)
        on.relay.befall(LOGIN_FAULTS[fault], when=b"POST /auth")
        for _ in range(5):
            answer = await on.ask("POST")
            assert answer is not None and is_whole(answer)
        await until(lambda: on.relay.faults_left == [])
        on.clock.advance(2)
        await on.ask("POST")
        on.clock.advance(50)
        answer = await on.ask("POST")
        assert answer is not None and is_whole(answer)
        assert {received.status for received in on.vendor.api_requests} == {200}


async def test_a_login_endpoint_that_refuses_connections_for_a_while() -> None:
    async with wire(lifetime=100) as on:
        await on.ask()
        await on.relay.close_port()
        on.clock.advance(100)
        for _ in range(3):
            answer = await on.ask("POST")
            assert answer is not None and answer.status_code == 503
            on.clock.advance(1)
        await on.relay.open_port()
        on.clock.advance(30)
        answer = await on.ask("POST")
        assert answer is not None and is_whole(answer)
        assert on.vendor.logins == 2


async def test_a_login_endpoint_that_is_silent_keeps_callers_waiting_no_longer_than_their_route_says() -> None:
    """The login itself goes on, and who comes after its end is served."""
    async with wire({"timeout": "300ms"}) as on:
        held = asyncio.Event()
        on.relay.befall(Fault(held=held), when=b"POST /auth")
        answers = await asyncio.gather(*(on.ask("POST") for _ in range(10)))
        assert {answer.status_code for answer in answers if answer is not None} == {503}
        assert len(answers) == 10 and on.vendor.api_requests == []
        held.set()
        answer = await on.ask("POST")
        assert answer is not None and is_whole(answer)
        assert len(on.vendor.login_requests) == 1
