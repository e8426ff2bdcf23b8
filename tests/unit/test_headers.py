"""Header fields: which pass, in both directions, and what a request says of itself."""

from __future__ import annotations

import pytest

from proxy.errors import BadHeader
from proxy.explain.reasons import removed_headers
from proxy.gateway.headers import (
    RELAYED,
    RawHeaders,
    SpecialFields,
    check_framing,
    field_value,
    has_name,
    passing,
    request_filter,
    special_fields,
)
from proxy.gateway.route import Route
from tests.served import provider

# RFC 9110 §7.6.1, what older software adds, and what HTTP/2 upgrades carry.
OF_THE_HOP = (
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade", "http2-settings",
)  # fmt: skip
NEVER_SENT_ON = (
    "host", "content-length", "expect", "x-authproxy-token", "forwarded", "x-real-ip", "x-original-url", "x-rewrite-url",
    "x-http-method", "x-http-method-override", "x-method-override", "x-forwarded-for", "x-forwarded-host", "x-forwarded-",
    "x-forwarded-whatever",
)  # fmt: skip
NEVER_RELAYED = ("proxy-status", "x-authproxy-error", "access-control-allow-origin", "access-control-anything")
# Next to a name that does not pass, or like it, and no part of it.
HARMLESS = (
    "authorization", "accept", "content-type", "x-forwarded", "x-real-ip-2", "ex-forwarded-for", "hostname", "x-host",
    "access-control", "x-access-control-allow-origin", "content-lengthy", "tea", "trailers", "set-cookie", "x",
)  # fmt: skip


def fields(*lines: str) -> RawHeaders:
    return tuple(
        (name.encode(), value.strip().encode("latin-1")) for name, _, value in (line.partition(":") for line in lines)
    )


def spellings(name: str) -> tuple[str, ...]:
    """All that some server reads as the same name."""
    return (
        name,
        name.upper(),
        name.title(),
        name.replace("-", "_"),
        name.upper().replace("-", "_"),
        name.replace("-", "_", 1),
    )


@pytest.mark.parametrize("name", [*OF_THE_HOP, *NEVER_SENT_ON])
def test_what_is_of_the_hop_or_misleads_is_not_sent_on_in_any_spelling(name: str) -> None:
    for spelling in spellings(name):
        assert passing(fields(f"{spelling}: x", "A: 1"), request_filter(())) == fields("A: 1"), spelling


@pytest.mark.parametrize("name", [*OF_THE_HOP, *NEVER_RELAYED])
def test_what_is_of_the_hop_or_ours_to_say_is_not_relayed_in_any_spelling(name: str) -> None:
    for spelling in spellings(name):
        assert passing(fields(f"{spelling}: x", "A: 1"), RELAYED) == fields("A: 1"), spelling


def test_of_each_field_of_the_hop_explain_says_that_it_is_one() -> None:
    route = Route.to(provider("https://vendor.test"), "/acme")
    sent = fields(*(f"{name.title()}: x" for name in OF_THE_HOP))
    told = {
        one.name.lower()
        for one in removed_headers(route, sent)
        if one.why == "holds for the connection to the proxy only"
    }
    assert told == set(OF_THE_HOP)


@pytest.mark.parametrize("name", HARMLESS)
def test_all_else_passes_in_both_directions(name: str) -> None:
    for spelling in spellings(name):
        assert passing(fields(f"{spelling}: x"), request_filter(())) == fields(f"{spelling}: x")
        assert passing(fields(f"{spelling}: x"), RELAYED) == fields(f"{spelling}: x")


def test_an_answer_keeps_its_length() -> None:
    assert passing(fields("Content-Length: 5", "Host: x"), RELAYED) == fields("Content-Length: 5", "Host: x")


def test_what_a_provider_or_route_injects_is_dropped_from_callers_by_name_and_by_beginning() -> None:
    dropped = request_filter(["x-api-key", "x-role-*"])
    sent = fields("X_API-Key: 1", "X-Api-Keys: 2", "X-Role-Admin: 3", "x_role_: 4", "X-Role: 5", "My-X-Role-A: 6")
    assert passing(sent, dropped) == fields("X-Api-Keys: 2", "X-Role: 5", "My-X-Role-A: 6")


def test_fields_that_pass_keep_spelling_bytes_order_and_repetition() -> None:
    sent = fields("x-B: 1", "X_a: caf\xe9", "Connection: keep-alive", "X-B: 2", "x-b: 1")
    assert passing(sent, request_filter(())) == (sent[0], sent[1], sent[3], sent[4])


@pytest.mark.parametrize("nomination", ["close, X-Hop", "x_hop", " X-HOP ,keep-alive", ",,x-hop\t,", "x-hop,x-other"])
def test_what_connection_nominates_does_not_pass_wherever_it_stands(nomination: str) -> None:
    """RFC 9110 §7.6.1, and in any spelling; a nomination behind the field counts as one before it."""
    sent = fields("X-Hop: 1", "A: 1", f"Connection: {nomination}", "X_Hop: 2", "X-Hopper: 3")
    for header_filter in (request_filter(()), RELAYED):
        assert passing(sent, header_filter) == fields("A: 1", "X-Hopper: 3")


def test_several_connection_fields_nominate_together() -> None:
    sent = fields("Connection: a", "A: 1", "B: 2", "C: 3", "connection: b")
    assert passing(sent, request_filter(())) == fields("C: 3")


def test_keep_alive_and_close_nominate_nothing_else() -> None:
    for usual in ("keep-alive", "close", "Close", "Keep-Alive"):
        assert passing(fields(f"Connection: {usual}", "A: 1"), request_filter(())) == fields("A: 1")


def test_only_connection_nominates() -> None:
    sent = fields("Host: A", "TE: A", "X-Forwarded-For: A", "Connection: close", "A: 1")
    assert passing(sent, request_filter(())) == fields("A: 1")
    assert passing(fields("Connection: b", "TE: A", "A: 1", "B: 2"), request_filter(())) == fields("A: 1")


def test_ever_new_names_do_not_fill_the_memory() -> None:
    """A caller may send any number of names: each is judged rightly, and few are remembered."""
    judge = request_filter(["x-api-key", "x-of-this-test"])
    for number in range(2000):
        sent = fields(f"X-{number}: 1", "X-Api-Key: 1", "X-Kept: 1")
        assert passing(sent, judge) == (sent[0], sent[2])
        special_fields(sent)
        assert len(judge.verdicts) <= 512
    long_name = "x" * 8000
    assert passing(fields(f"{long_name}: 1", f"x-forwarded-{long_name}: 1"), judge) == fields(f"{long_name}: 1")
    assert max(map(len, judge.verdicts)) <= 64


def test_what_a_request_says_of_itself_is_found_by_its_exact_name_with_every_value() -> None:
    names = (
        "host", "x-authproxy-token", "origin", "sec-fetch-site", "sec-fetch-dest", "sec-fetch-user", "sec-fetch-mode",
        "access-control-request-method", "access-control-request-headers", "content-length", "transfer-encoding", "expect",
    )  # fmt: skip
    for name in names:
        sent = fields(f"{name}: 1", f"{name.title()}: 2", f"{name.upper()}: 3", "x-other: 4")
        assert special_fields(sent) == {name.encode(): (b"1", b"2", b"3")}
    # An underscore makes it another field to every parser, so it says nothing here; it is not sent on either.
    assert special_fields(fields("x_authproxy_token: 1", "Content_Length: 2")) == {}


@pytest.mark.parametrize(
    "sent",
    [
        ["Transfer-Encoding:"], ["Transfer-Encoding: gzip, chunked"], ["Transfer-Encoding: chunked, chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], ["Transfer-Encoding: identity"],
        ["Transfer-Encoding: chunked", "Content-Length: 3"], ["Content-Length: 0", "transfer-encoding: chunked"],
    ],
)  # fmt: skip
def test_a_body_that_two_readers_could_end_in_two_places_is_refused(sent: list[str]) -> None:
    with pytest.raises(BadHeader):
        check_framing(special_fields(fields(*sent)), (1, 1))


@pytest.mark.parametrize("sent", [[], ["Content-Length: 3"], ["Transfer-Encoding: Chunked"]])
def test_a_body_that_ends_in_one_place_is_not(sent: list[str]) -> None:
    check_framing(special_fields(fields(*sent)), (1, 1))


def test_an_old_version_has_no_chunks() -> None:
    check_framing(special_fields(fields("Content-Length: 3")), (1, 0))
    for version in ((1, 0), (0, 9), (1, 2), (2, 0)):
        with pytest.raises(BadHeader):
            check_framing(special_fields(fields("Transfer-Encoding: chunked")), version)


def test_a_field_of_one_value_has_one() -> None:
    found: SpecialFields = special_fields(fields("Expect: 100-continue", "Origin: a", "origin: a"))
    assert field_value(found, b"expect") == b"100-continue"
    assert field_value(found, b"host") is None
    with pytest.raises(BadHeader):
        field_value(found, b"origin")


def test_denied_names_are_found_in_any_spelling() -> None:
    denied = frozenset({"x-api-key", "cookie"})
    for spelling in spellings("x-api-key"):
        assert has_name(fields("A: 1", f"{spelling}: 1"), denied)
    assert not has_name(fields("X-Api-Keys: 1", "Cook: ie", "caf\xe9: 1"), denied)
    assert not has_name((), denied)
