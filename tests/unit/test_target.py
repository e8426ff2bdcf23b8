"""Targets: what is refused, and that all else arrives byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import BadTarget
from proxy.gateway.target import _is_plain, _look_closely, check_target, provider_target
from proxy.target import add_encoded, add_parameters, decoded, drop_parameters, encoded, has_parameter

REFUSED = [
    "", "x", "http://evil.test/x", "http://user@evil.test/", "*", "//evil.test/x", "/r//evil.test", "/\\evil.test",
    "/r/../admin", "/r/%2e%2e/admin", "/r/.%2e/", "/r/%2E./", "/r/%252e%252e/x", "/r/%25252e%25252e/x", "/r/..;x=1/y",
    "/r/.", "/r/./x", "/r/%2e", "/r/a%2fb", "/r/a%2Fb", "/r/a%252fb", "/r/a%5cb", "/r/a%255cb", "/r/%00", "/r/%0d%0aX:1",
    "/r/%0A", "/r/%zz", "/r?x=%zz", "/r?x=%2", "/r#frag", "/r?x#frag", "/r x", "/r\t", "/r\x00", "/r\x7f", "/r\xff",
    "/r/%25%32%65%25%32%65/x", "/r/%25%32%35%25%33%32%25%33%35%32e./x", "/r/%25%32%35%32%35%32%65%2e/x",
    "/r/a%25%32%66b", "/r/x%25%35%63..%25%35%63y", "/r/%25%30%30", "/r/%c0%ae%c0%ae/x", "/r/%c0%a52e%c0%a52e/x",
    "/r/%25%63%30%ae", "/r/%e0%80%af", "/r/%f0%80%80%af",
    "/r/%25%32%65%25%32%65/x", "/r/a%252eb", "/r/a%25252E", "/r/%2525%32%65%2525%32%65/x", "/r/a;../b", "/r;..", "/r/a;x/..;y", "/r/%0d", "/r/%0D", "/r/%250a",
    "/r/%2500", "/r/a%25252F", "/r/%252f", "/r/a/%2F", "/r/%5C", "/r?%", "/r/%4", "/r/%%41", "/r/%g0", "/r/%0g", "/r/%G0", "/r/%0G",
    # Overlong forms of a dot, a slash and a backslash: of two, three and four bytes, encoded once and more than once.
    *(form.replace("%", f"%{'25' * times}") for times in (0, 1, 2) for form in (
        "/r/%c0%ae", "/r/%C0%AF", "/r/%c0%2e", "/r/%c0%2f", "/r/%c1%9c", "/r/%e0%80%ae", "/r/%E0%80%AF", "/r/%f0%80%80%ae",
        "/r/%f0%80%80%AF")),
    # What is still encoded after three rounds, nobody means.
    "/r/%25252541", "/r/%2525252520", "/r/%25252525",
    # Full-width dots and slashes, and one character that is two dots (NFKC), encoded once and twice.
    "/r/%ef%bc%8e%ef%bc%8e/x", "/r/.%EF%BC%8E/x", "/r/%e2%80%a5", "/r/x%ef%bc%8f..%ef%bc%8fy", "/r/%25ef%25bc%258e.", "/r/%ef%bc%9b%e2%80%a5",
    "/r/%25c0%ae", "/r/%c0%25ae", "/r/%c1%259c", "/r/%e0%2580%ae", "/r/%e0%80%25ae", "/r/%f0%2580%80%ae",
]  # fmt: skip
PASSED = [
    "/", "/r", "/r/", "/r?", "/r?&&", "/r/a%20b", "/%7Eu/a", "/~u", "/p%28a%29?q=%27%28%29", "/r?a=%2F&b=%7E&a=",
    "/r?u=http://x//y/../z", "/r/%C3%A9", "/r/%c3%a9?x=%e2%82%ac", "/r/a+b%2B", "/r?x=%0d%0aX-Evil:1", "/r/..a/b..", "/r/...",
    "/r/a;v=1/b", '/r?q="{|}^`', "/r/a:b@c!$&'()*,=", '/!"$%25&', "/09AZ[]^_`az{|}~", "/r/%41%5a%61%7A%30%39", "/r?x=%5c%252e/..",
    "/r/%252541", "/r/a%25b", "/r/%2525", "/r/%25", "/r/2f", "/r/a.b", "/r/..a", "/r/;/x", "/r/a;.b", "/r/%c3%ae", "/r/%c2%af", "/r/%e2%80%af",
]  # fmt: skip


@pytest.mark.parametrize("target", REFUSED)
def test_a_target_that_two_parties_could_read_differently_is_refused(target: str) -> None:
    with pytest.raises(BadTarget):
        check_target(target)


@pytest.mark.parametrize("target", PASSED)
def test_an_unambiguous_target_passes(target: str) -> None:
    check_target(target)


@pytest.mark.parametrize("target", REFUSED)
def test_what_is_refused_is_never_taken_for_plain(target: str) -> None:
    assert not _is_plain(target)
    for text in (target + "?a=b", target + "/x", "/a" + target):
        assert not _is_plain(text) or _look_closely(text, encoded_slashes=False) is None


@pytest.mark.parametrize("target", ["", "//", "//a", "/a//", "/a//b", "/a//?b", "/a?b#", "/a?%zz", "/a;/.", "/%41"])
def test_what_has_to_be_looked_at_more_closely_is_not_plain(target: str) -> None:
    assert not _is_plain(target)


@given(st.text(st.sampled_from("/?.%;&=#\\ azAZ09~-_+:@!$'()*,\"<>[]^`{|}\x00\x7f\n\xe9\uff0e2eEfF"), max_size=24))
def test_in_a_plain_target_a_closer_look_finds_nothing(text: str) -> None:
    target = "/" + text
    if _is_plain(target):
        _look_closely(target, encoded_slashes=False)


def test_most_targets_are_plain() -> None:
    for target in ("/r/x", "/r/a/b-c_d~1?q=1&b[]=2", "/r/0f8c:1@x/", "/r?a=/../&b=//"):
        assert _is_plain(target)


@pytest.mark.parametrize("code", [*range(0x21), 0x23, 0x5C, *range(0x7F, 0x100), 0x2028, 0xFF0F])
def test_what_is_no_visible_ascii_is_refused_and_so_are_fragments_and_backslashes(code: int) -> None:
    for target in (f"/r{chr(code)}", f"/r/{chr(code)}x", f"/r?{chr(code)}"):
        with pytest.raises(BadTarget):
            check_target(target)


@pytest.mark.parametrize("code", sorted({*range(0x21, 0x7F)} - {ord(mark) for mark in "#\\%"}))
def test_every_other_visible_character_passes(code: int) -> None:
    for target in (f"/r{chr(code)}x", f"/r?{chr(code)}"):
        check_target(target)


def test_an_encoded_slash_passes_where_a_route_allows_it_but_never_an_encoded_dot_segment() -> None:
    check_target("/r/a%2Fb", encoded_slashes=True)
    for target in ("/r/..%2fb", "/r/a%2f..%2fb", "/r/%2e%2e%2fb", "/r/a%252f..%252fb", "/r/a%252Fb", "/r/a%25252fb"):
        with pytest.raises(BadTarget):
            check_target(target, encoded_slashes=True)


@pytest.mark.parametrize(
    ("target", "prefix", "base", "expected"),
    [
        ("/io/v1/a?x=1", "/io", "", "/v1/a?x=1"),
        ("/io", "/io", "", "/"),
        ("/io?x", "/io", "", "/?x"),
        ("/io/", "/io", "", "/"),
        ("/io", "/io", "/v2", "/v2"),
        ("/io?", "/io", "/v2", "/v2?"),
        ("/io/%7Ex?a=%2F", "/io", "/v2", "/v2/%7Ex?a=%2F"),
        ("/x", "/", "/v2", "/v2/x"),
        ("/", "/", "", "/"),
        ("/?x", "/", "", "/?x"),
        ("/?x", "/", "/v2", "/v2/?x"),
        ("/io?x/y", "/io", "/v2", "/v2?x/y"),
    ],
)
def test_the_prefix_is_replaced_by_the_base_path_and_nothing_else_changes(
    target: str, prefix: str, base: str, expected: str
) -> None:
    assert provider_target(target, prefix, base) == expected


@given(st.text(alphabet=st.sampled_from("/.%2eE5cCfF;?&=ab~\\#"), max_size=30))
def test_whatever_passes_stays_below_the_base_path_however_often_it_is_decoded(text: str) -> None:
    from posixpath import normpath
    from urllib.parse import unquote

    target = "/r/" + text
    try:
        check_target(target)
    except BadTarget:
        return
    path = provider_target(target, "/r", "/base").partition("?")[0]
    for _ in range(4):
        path = unquote(path)
        assert normpath(path.replace("\\", "/").replace(";", "/")).startswith("/base")


@pytest.mark.parametrize(
    ("target", "names", "expected"),
    [
        ("/x?a=1&timestamp=5&b=2", {"timestamp"}, "/x?a=1&b=2"),
        ("/x?timestamp=5", {"timestamp"}, "/x"),
        ("/x?TimeStamp=5&time%73tamp=6&%74imestamp", {"timestamp"}, "/x"),
        (
            "/x?time%2573tamp=5&time%252573tamp=6&%2Btimestamp[]=7&timestamp%00x&a=%2574imestamp",
            {"timestamp"},
            "/x?a=%2574imestamp",
        ),
        ("/x?api_key=1&api-secret=2&q=3", {"api-key", "api-secret"}, "/x?q=3"),
        ("/x?a=1;timestamp=2&c", {"timestamp"}, "/x?c"),
        ("/x?timestamps=1&xtimestamp=2&a=timestamp", {"timestamp"}, "/x?timestamps=1&xtimestamp=2&a=timestamp"),
        ("/x?", {"timestamp"}, "/x?"),
        ("/x?&&a=%2f&&", {"timestamp"}, "/x?&&a=%2f&&"),
        ("/x", {"timestamp"}, "/x"),
        ("/x?a=1", (), "/x?a=1"),
        # To some frameworks ` a[]` and `a[0]` are `a` too, and `+` is a blank.
        ("/x?a[]=1&a[0]=2&a[b][c]=3&%20a[]=4&+a=5&a+=6&a%5B%5D=7&b[a]=8", {"a"}, "/x?b[a]=8"),
        ("/x?a[]=1&a=2&a[x=3", {"a[]"}, "/x?a=2&a[x=3"),
        # Some gateways decode once more than the server behind them; three rounds, and no more.
        ("/x?%252574imestamp=1&%25252574imestamp=2", {"timestamp"}, "/x?%25252574imestamp=2"),
    ],
)
def test_dropping_a_parameter_leaves_every_other_byte_as_it_was(target: str, names: set[str], expected: str) -> None:
    assert drop_parameters(target, names) == expected
    assert has_parameter(target, names) is (expected != target)


@pytest.mark.parametrize(
    ("target", "expected"),
    [("/x", "/x?t=a%20b"), ("/x?", "/x?t=a%20b"), ("/x?a", "/x?a&t=a%20b"), ("/x?&", "/x?&&t=a%20b")],
)
def test_parameters_are_added_behind_the_callers_own(target: str, expected: str) -> None:
    assert add_parameters(target, [("t", "a b")]) == expected
    assert add_parameters(target, []) == target


def test_added_parameters_keep_their_order_and_cannot_break_out_of_their_place() -> None:
    added = add_parameters(
        "/x", [("b", "1"), ("a", "2&c=3#/é+%;"), ("k e=y", ""), ("é", "\u0661"), ("AZaz09-._~", "AZaz09-._~")]
    )
    assert added == "/x?b=1&a=2%26c%3D3%23%2F%C3%A9%2B%25%3B&k%20e%3Dy=&%C3%A9=%D9%A1&AZaz09-._~=AZaz09-._~"


@given(st.lists(st.tuples(st.text(), st.text()), max_size=4).map(tuple))
def test_parameters_that_were_written_are_read_as_they_were(parameters: tuple[tuple[str, str], ...]) -> None:
    assert decoded(encoded(parameters)) == parameters
    assert add_encoded("/p?a", encoded(parameters)) == add_parameters("/p?a", parameters)
