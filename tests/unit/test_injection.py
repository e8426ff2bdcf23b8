"""An injection is kept as it is written; what is shown of it is read from that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import BadHeader
from proxy.gateway.outbound import begun_head, request_head
from proxy.gateway.route import Route
from proxy.schemes.base import Injection, OutboundRequest
from tests.served import provider

ROUTE = Route.to(provider("https://a.test"), "/r")
VALUES = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]))
HEADERS = st.lists(st.tuples(st.from_regex(r"[A-Za-z0-9-]+", fullmatch=True), VALUES), max_size=4).map(tuple)
QUERY = st.lists(st.tuples(st.text(), st.text()), max_size=4).map(tuple)


@given(HEADERS, QUERY)
def test_headers_and_query_are_read_as_they_were_given(
    headers: tuple[tuple[str, str], ...], query: tuple[tuple[str, str], ...]
) -> None:
    injection = Injection(headers, query)
    assert (injection.headers, injection.query) == (headers, query)
    assert Injection.written(injection.lines, injection.added, None, "none", None) == injection


def test_a_value_of_bytes_that_are_no_utf8_is_written_and_read_as_it_is() -> None:
    injection = Injection((("X", "\udce4: \t"),))
    assert injection.lines == b"X: \xe4: \t\r\n"
    assert injection.headers == (("X", "\udce4: \t"),)


@pytest.mark.parametrize("end", ["\r", "\n", "\0"])
def test_a_value_that_would_end_its_line_is_refused(end: str) -> None:
    with pytest.raises(BadHeader):
        Injection((("X", f"a{end}b"),))


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("/p", b"/p?a%20b=%C3%BC%2F"),
        ("/p?", b"/p?a%20b=%C3%BC%2F"),
        ("/p?q", b"/p?q&a%20b=%C3%BC%2F"),
        ("/p?q=?", b"/p?q=?&a%20b=%C3%BC%2F"),
    ],
)
def test_the_head_on_the_wire_holds_what_was_written(target: str, sent: bytes) -> None:
    injection = Injection((("X", "1"), ("Y", "é")), (("a b", "ü/"),))
    begun = begun_head(ROUTE, OutboundRequest("POST", "https://a.test", target, ((b"A", b"b"),)))
    assert request_head(begun, injection, b"Content-Length: 3\r\n", b"M: m\r\n") == (
        b"POST %b HTTP/1.1\r\nHost: a.test\r\nA: b\r\nM: m\r\nX: 1\r\nY: \xc3\xa9\r\nContent-Length: 3\r\n\r\n" % sent
    )


@pytest.mark.parametrize("target", ["/p", "/p?", "/p?q"])
def test_a_credential_without_parameters_leaves_the_target_alone(target: str) -> None:
    head = request_head(begun_head(ROUTE, OutboundRequest("GET", "https://a.test", target)), Injection(), b"")
    assert head == b"GET %b HTTP/1.1\r\nHost: a.test\r\n\r\n" % target.encode()
