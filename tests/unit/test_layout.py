"""What is known of rows of names says of each field what is said of it alone, in bounded memory."""

from __future__ import annotations

import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gateway.headers import RELAYED, HeaderFilter, RawHeaders, field_lines, passed, passing, request_filter
from proxy.gateway.layout import _LONGEST_ROW, _MOST_ROWS

_NAMES = (
    b"Host", b"Connection", b"connection", b"TE", b"X-A", b"x_a", b"X-Forwarded-For", b"X-100%", b"%b", b"Authorization",
    b"Access-Control-Allow-Origin", b"Location", b"X-B", b"Close", b"Keep-Alive",
)  # fmt: skip
_VALUES = (b"", b"keep-alive", b"close", b"x-a", b"close, X-B", b"%b", b"%", b"caf\xe9", b"close,close", b"1")
_FILTERS = (RELAYED, request_filter(["authorization", "x-role-*"]))
fields = st.lists(st.tuples(st.sampled_from(_NAMES), st.sampled_from(_VALUES)), max_size=8).map(tuple)


def plain(name: bytes) -> bytes:
    return name.lower().replace(b"_", b"-")


def one_by_one(headers: RawHeaders, header_filter: HeaderFilter) -> RawHeaders:
    """Each field on its own, with nothing remembered."""
    values = [value for name, value in headers if plain(name) == b"connection"]
    unusual = [value for value in values if value not in (b"keep-alive", b"close")]
    nominated = {plain(token.strip()) for value in unusual for token in value.split(b",")}
    return tuple(
        field
        for field in headers
        if header_filter._verdict(field[0]) and not (nominated and plain(field[0]) in nominated)
    )


@given(headers=fields, header_filter=st.sampled_from(_FILTERS))
def test_a_field_passes_in_a_row_as_it_does_alone(headers: RawHeaders, header_filter: HeaderFilter) -> None:
    """The first time, and when the row is known; with other values too."""
    expected = one_by_one(headers, header_filter)
    for _ in range(2):
        kept, lines = passed(headers, header_filter)
        assert kept == expected
        assert lines == b"".join(name + b": " + value + b"\r\n" for name, value in expected)
    others = tuple((name, b"other") for name, _ in headers)
    assert passing(others, header_filter) == one_by_one(others, header_filter)


def test_of_several_connection_fields_a_usual_one_nominates_nothing() -> None:
    headers = ((b"Close", b"1"), (b"Connection", b"close"), (b"A", b"2"), (b"Connection", b"a"), (b"Keep-Alive", b"3"))
    assert passed(headers, RELAYED) == (((b"Close", b"1"),), b"Close: 1\r\n")


@pytest.mark.parametrize("count", range(4))
def test_a_row_of_any_length_is_a_row(count: int) -> None:
    row: RawHeaders = tuple((b"X-%d" % number, b"v") for number in range(count))
    headers = ((b"Host", b"a"), *row, (b"TE", b"b"))
    assert passed(headers, request_filter(())) == (row, field_lines(row))
    assert passed(row, RELAYED) == (row, field_lines(row))


def test_who_sends_ever_new_names_does_not_fill_the_memory() -> None:
    header_filter = HeaderFilter(frozenset(), ())
    for number in range(5 * _MOST_ROWS):
        headers = ((b"X-%d" % number, b"v"), (b"Y", b"v"))
        assert passing(headers, header_filter) == headers
        assert len(header_filter.layouts) <= _MOST_ROWS


def test_a_long_row_is_not_remembered() -> None:
    header_filter = HeaderFilter(frozenset(), ())
    row = tuple((b"X-%03d" % number, b"v") for number in range(_LONGEST_ROW // 5 + 1))
    passing(row, header_filter)
    assert list(header_filter.layouts) == []
    passing(row[:-1], header_filter)
    assert len(header_filter.layouts) == 1


def test_who_drops_the_same_remembers_the_same() -> None:
    """Of ten thousand routes most drop what their neighbours do; each could be made to remember rows of its own."""
    one = request_filter(["x-key", "x-role-*"])
    assert request_filter(["x-role-*", "x-key", "x-key"]) is one
    for other in (["x-key"], ["x-key", "x-role-"], ["x-key", "x-role-*", "x-user-*"]):
        assert request_filter(other) is not one
    before = weakref.ref(one)
    del one
    gc.collect()
    assert before() is None, "nor is remembered what no route drops any more"
