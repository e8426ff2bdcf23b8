"""Whatever a document holds: reading it never fails, and a mutation is never taken for a query."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from proxy.schemes.base import OutboundRequest
from proxy.schemes.graphql import selected_operation
from proxy.schemes.guest import is_guest_query

IGNORED = st.sampled_from([" ", "\n", ",", "\t\r\n", "# query { a }\n", "# mutation {\r", "\ufeff "])
NAME = st.sampled_from(["a", "mutation", "query", "fragment", "on", "A_1", "subscription"])
STRING = st.sampled_from(
    ['""', '"}"', '"\\"{"', '"\\\\"', '""""""', '"""mutation { } """', '"""\\"""}"""', '""" " "" \\""" """', '"#"']
)
PIECE = st.one_of(NAME, STRING, IGNORED, st.sampled_from(["...", "@d", "$v", "1.5e-3", ":", "!", "a: b"]))


def bracketed(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    content = st.lists(inner, max_size=4).map(" ".join)
    return st.one_of(content.map("({})".format), content.map("[{}]".format), content.map("{{{}}}".format))


BODY = st.recursive(PIECE, bracketed, max_leaves=12)
SELECTION = st.lists(BODY, max_size=5).map(lambda parts: "{ " + " ".join(parts) + " }")
HEADING = st.sampled_from(["", "($a: I = {b: [{c: 1}]})", "@d(e: {f: 1})", '(a: """{""")'])


@st.composite
def definition(draw: st.DrawFn, kind: str, name: str) -> str:
    parts = [kind, draw(IGNORED), name, draw(IGNORED), draw(HEADING), draw(IGNORED), draw(SELECTION), draw(IGNORED)]
    return "".join(parts)


OTHERS = st.lists(
    st.one_of(
        definition("query", "Q"),
        definition("query", "R"),
        definition("fragment", "F on T"),
        definition("mutation", "N"),
    ),
    max_size=3,
)


@given(OTHERS, OTHERS, definition("mutation", "M"))
def test_a_selected_mutation_is_never_taken_for_a_query(before: list[str], after: list[str], mutation: str) -> None:
    document = "".join([*before, mutation, *after])
    assert selected_operation(document, "M") == "mutation"
    assert selected_operation(document, None) != "query"


@given(OTHERS, definition("query", "S"))
def test_a_selected_query_is_found_among_others(before: list[str], query: str) -> None:
    assert selected_operation("".join([*before, query]), "S") == "query"


@given(st.text(alphabet=st.characters() | st.sampled_from('{}()[]"\\#.,@$! \n'), max_size=60), st.none() | st.text())
def test_any_text_is_read_without_an_error(document: str, name: str | None) -> None:
    assert selected_operation(document, name) in {"query", "mutation", "subscription", None}


@given(st.binary(max_size=80), st.text(max_size=30), st.sampled_from(["GET", "POST"]))
def test_any_request_is_judged_without_an_error(body: bytes, query: str, method: str) -> None:
    fields = ((b"Content-Type", b"application/json"),)
    request = OutboundRequest(method, "https://a.example", f"/g?{query}", fields, body)
    assert is_guest_query(request, "/g") in {True, False}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=8))
def test_any_json_is_judged_without_an_error(value: object) -> None:
    fields = ((b"Content-Type", b"application/json"),)
    for content in (value, {"query": value}, {"query": "{ a }", "operationName": value}, [value]):
        body = json.dumps(content).encode()
        assert is_guest_query(OutboundRequest("POST", "https://a.example", "/g", fields, body), "/g") in {True, False}
