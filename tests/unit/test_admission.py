"""What is remembered of a head is never more than guard, routes and tokens still say."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path

import pytest

from proxy.errors import CallerNotAuthorized, ClientNotAllowed, HostNotAllowed, NoRoute
from proxy.gateway.admission import Admission
from proxy.gateway.caller_head import CallerHead
from proxy.gateway.guard import Client, Guard
from proxy.gateway.passage import Passage
from proxy.gateway.route import Route, RouteTable
from proxy.secret import FileSecret, Secret
from proxy.wire.heads import HeadReader, request_heads
from tests.served import provider

HOST = "127.0.0.1:8080"
LIMITS = {"max_line": 1000, "max_field": 1000, "max_fields": 20, "max_head": 10_000}


def routes(prefix: str = "/a") -> RouteTable:
    return RouteTable([Route.to(provider("http://127.0.0.1:1"), prefix)])


class Asking:
    """Callers, and what becomes of what they ask."""

    def __init__(self, admission: Admission, loop: asyncio.AbstractEventLoop) -> None:
        self.admission = admission
        self.parsed = 0
        self._reader: HeadReader[object, CallerHead] = request_heads(loop, self._made, admission.heads, **LIMITS)  # type: ignore[assignment]

    def ask(self, target: str = "/a/x", *fields: str, host: str = HOST) -> Passage:
        lines = (f"GET {target} HTTP/1.1", f"Host: {host}", *fields, "", "")
        head, _ = self._reader.read("\r\n".join(lines).encode())
        passage = Passage("GET", 0.0, head)
        self.admission.decision(passage)
        return passage

    def _made(self, message: object) -> CallerHead:
        self.parsed += 1
        return self.admission.heads.head(message)  # type: ignore[arg-type]


def test_the_same_head_is_parsed_and_decided_no_more_from_its_third_appearance_on(
    loop: asyncio.AbstractEventLoop,
) -> None:
    asking = Asking(Admission(Guard(8080), routes()), loop)
    decisions = [asking.ask().head.decision for _ in range(9)]  # type: ignore[union-attr]
    assert asking.parsed == 2 and all(decision is decisions[1] for decision in decisions[1:])


def test_a_head_that_comes_now_and_then_is_not_parsed_again(loop: asyncio.AbstractEventLoop) -> None:
    asking = Asking(Admission(Guard(8080), routes()), loop)
    for number in range(2000):
        asking.ask(f"/a/{number}")
        if number % 50 == 0:
            asking.ask("/a/usual")
    assert asking.parsed == 2002


def test_a_guard_that_came_later_is_asked_about_heads_that_are_remembered(loop: asyncio.AbstractEventLoop) -> None:
    asking = Asking(Admission(Guard(8080, ["api.local:8080"]), routes()), loop)
    for _ in range(3):
        asking.ask(host="api.local:8080")
    asking.admission.guard = Guard(8080)
    with pytest.raises(HostNotAllowed):
        asking.ask(host="api.local:8080")
    asking.admission.guard = Guard(8080, token=Secret("t"))
    with pytest.raises(CallerNotAuthorized):
        asking.ask()


def test_routes_that_came_later_hold_for_heads_that_are_remembered(loop: asyncio.AbstractEventLoop) -> None:
    asking = Asking(Admission(Guard(8080), routes()), loop)
    for _ in range(3):
        asking.ask()
    asking.admission.routes = routes("/b")
    with pytest.raises(NoRoute):
        asking.ask()


def test_a_request_that_was_read_before_the_routes_changed_goes_by_the_new_ones(
    loop: asyncio.AbstractEventLoop,
) -> None:
    """Also where its head is not remembered, and so cannot be told."""
    asking = Asking(Admission(Guard(8080), routes()), loop)
    head = asking.ask().head
    asking.admission.routes = routes("/b")
    with pytest.raises(NoRoute):
        asking.admission.decision(Passage("GET", 0.0, head))


def test_nothing_keeps_the_routes_of_before(loop: asyncio.AbstractEventLoop) -> None:
    """They hold credentials. Neither heads that came lately nor those that came a while ago do."""
    asking = Asking(Admission(Guard(8080), routes()), loop)
    for number in range(200):
        for _ in range(3):
            asking.ask(f"/a/{number}", f"X-Id: {number}")
    assert asking.admission.heads.older and asking.admission.heads.sections.older
    before = weakref.ref(next(iter(asking.admission.routes)))
    asking.admission.routes = routes()
    gc.collect()
    assert before() is None


def test_nothing_keeps_the_routes_of_before_where_a_head_was_remembered_for_longer_than_its_fields(
    loop: asyncio.AbstractEventLoop,
) -> None:
    asking = Asking(Admission(Guard(8080), routes()), loop)
    sections = asking.admission.heads.sections
    for _ in range(3):
        asking.ask()
    for number in range(1000):
        asking.ask(f"/a/{number}", f"X-Id: {number % 500}")
    head = asking.ask().head
    assert head is not None and head.section not in list(sections.everything())
    before = weakref.ref(next(iter(asking.admission.routes)))
    asking.admission.routes = routes()
    del head
    gc.collect()
    assert before() is None


def test_a_token_that_was_changed_opens_nothing_any_more(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """Not even for a head that was let in with it before."""
    path = tmp_path / "token"
    path.write_text("old")
    asking = Asking(Admission(Guard(8080, token=FileSecret(path)), routes()), loop)
    for _ in range(3):
        asking.ask("/a/x", "X-AuthProxy-Token: old")
    path.write_text("newer")
    with pytest.raises(CallerNotAuthorized):
        asking.ask("/a/x", "X-AuthProxy-Token: old")


def test_who_asks_is_known_each_time_and_so_is_the_route(loop: asyncio.AbstractEventLoop) -> None:
    clients = [Client("app", Secret("one"), frozenset({"/a"})), Client("other", Secret("two"), frozenset({"/b"}))]
    asking = Asking(Admission(Guard(8080, clients=clients), routes()), loop)
    for _ in range(4):
        passage = asking.ask("/a/x", "X-AuthProxy-Token: one")
        assert passage.client == "app" and passage.route is not None and passage.route.prefix == "/a"
        with pytest.raises(ClientNotAllowed):
            asking.ask("/a/x", "X-AuthProxy-Token: two")
