"""A guest may make plain queries; whatever is not plainly a query needs the token."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from proxy.schemes.base import OutboundRequest
from proxy.schemes.graphql import selected_operation
from proxy.schemes.guest import is_guest_query

DOCUMENTS: list[tuple[str, str | None, str | None]] = [
    ("{ a }", None, "query"),
    ("query { a }", None, "query"),
    ("query A { a }", None, "query"),
    ("query A { a }", "A", "query"),
    ("query A { a }", "", "query"),
    ("query A { a }", "B", None),
    ("{ a }", "A", None),
    ("mutation { a }", None, "mutation"),
    ("mutation M { a }", None, "mutation"),
    ("mutation M($a: I = {b: [1, {c: 2}]}) @d(x: {y: 1}) { a }", "M", "mutation"),
    ("mutation{a}", None, "mutation"),
    ("subscription { a }", None, "subscription"),
    ("query mutation { a }", None, "query"),
    ("query mutation { a }", "mutation", "query"),
    ("mutation query { a }", None, "mutation"),
    ("query fragment { a }", None, "query"),
    ("query Q($a: [Int!]! = [1, -2.5e3], $b: B = {c: true}) @include(if: true) { a(b: $a) { ...F ... on T { c } } }",
     None, "query"),
    ("{ mutation { a } }", None, "query"),
    ("{ a(b: \"} mutation { x }\") }", None, "query"),
    ("{ a(b: \"\\\"} mutation {\") }", None, "query"),
    ("{ a(b: \"\") }", None, "query"),
    ("{ a(b: \"\"\"} \" \"\" mutation {\"\"\") }", None, "query"),
    ("{ a(b: \"\"\"\\\"\"\" } mutation { \"\"\") }", None, "query"),
    ("{ a(b: \"\"\"\"\"\") } mutation M { b }", "M", "mutation"),
    ("{ a(b: \"\"\"x\\\\\"\"\") }", None, None),
    ("# mutation { a }\nquery { a }", None, "query"),
    ("# query { a }\rmutation { a }", None, "mutation"),
    ("# {\r\nmutation { a }", None, "mutation"),
    ("query { a # } mutation {\n }", None, "query"),
    ("\ufeffmutation { a }", None, "mutation"),
    (",,\t query,A,{a,b}", None, "query"),
    ("fragment F on T { a } mutation { ...F }", None, "mutation"),
    ("fragment F on T { a } query { ...F }", None, "query"),
    ("fragment mutation on T { a } query { ...mutation }", None, "query"),
    ("fragment F on T @d(a: {b: 1}) { a } { ...F }", None, "query"),
    ("query A { a } mutation B { b }", "A", "query"),
    ("query A { a } mutation B { b }", "B", "mutation"),
    ("query A { a } mutation B { b }", None, None),
    ("query A { a } query B { b }", None, None),
    ("query A { a } query B { b }", "B", "query"),
    ("query A { a } mutation A { b }", "A", None),
    ("{ a } mutation B { b }", None, None),
    ("{ a } { b }", None, None),
    ("", None, None),
    ("   # nothing", None, None),
    ("fragment F on T { a }", None, None),
    ("type T { a: Int }", None, None),
    ("\"description\" query { a }", None, None),
    ("schema { query: Q }", None, None),
    ("Query { a }", None, None),
    ("MUTATION { a }", None, None),
    ("query", None, None),
    ("query A", None, None),
    ("query { a", None, None),
    ("query { a } }", None, None),
    ("query ( { a }", None, None),
    ("query { a ) }", None, None),
    ("query { a(b: [}) }", None, None),
    ("query { a(b: \"x\n\") }", None, None),
    ("query { a(b: \"x) }", None, None),
    ("query { a(b: \"\"\"x\"\") }", None, None),
    ("query\u00a0{ a }", None, None),
    ("query\x0c{ a }", None, None),
    ("query { ä }", None, None),
    ("query { a .. }", None, None),
    ("query { a ? }", None, None),
    ("query } { a }", None, None),
    ("{" * 100_000 + "}" * 100_000, None, "query"),
    ("{" * 100_000, None, None),
    ("query { a(b: " + "[" * 50_000 + "]" * 50_000 + ") }", None, "query"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "name", "operation"), DOCUMENTS)
def test_the_operation_that_would_run(document: str, name: str | None, operation: str | None) -> None:
    assert selected_operation(document, name) == operation


JSON = ((b"Content-Type", b"application/json"),)
PATH = "/base/v1/graphql"


def post(content: Any, target: str = PATH, fields: tuple[tuple[bytes, bytes], ...] = JSON) -> OutboundRequest:
    body = content if isinstance(content, bytes) or content is None else json.dumps(content).encode()
    return OutboundRequest("POST", "https://api.example.com", target, fields, body)


def get(query: str, body: bytes | None = b"") -> OutboundRequest:
    return OutboundRequest("GET", "https://api.example.com", f"{PATH}?{query}", (), body)


QUERY = {"query": "query A { a }"}
MUTATION = {"query": "mutation { a }"}

GUESTS: list[OutboundRequest] = [
    post(QUERY),
    post({"query": "{ a }"}),
    post({"query": "{ a }", "variables": {"query": "mutation { a }"}, "operationName": None}),
    post({"query": "query A { a } mutation B { b }", "operationName": "A"}),
    post([QUERY, QUERY]),
    post(QUERY, f"{PATH}?trace=1"),
    post(QUERY, f"{PATH}?"),
    post(QUERY, fields=((b"content-type", b"Application/JSON; charset=UTF-8"),)),
    post('{"query": "{ a(b: \\"ä\\") }"}'.encode()),
    get("query=" + quote("{ a }")),
    get("query={a}"),
    get("query=query+A+{a}&operationName=A&variables={}"),
    get("qu%65ry=%7Ba%7D"),
]

WITH_TOKEN: list[OutboundRequest] = [
    post(MUTATION),
    post({"query": "subscription { a }"}),
    post([QUERY, MUTATION]),
    post([]),
    post([[QUERY]]),
    post([QUERY, None]),
    post({"query": "query A { a } mutation B { b }", "operationName": "B"}),
    post({"query": "query A { a } mutation B { b }"}),
    post({"query": "{ a }", "operationName": 1}),
    post({"query": ["{ a }"]}),
    post({"query": None}),
    post({"query": ""}),
    post({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "ab"}}}),
    post({"Query": "{ a }"}),
    post("{ a }"),
    post(b""),
    post(b"{ a }"),
    post(None),
    post(b'{"query": "{ a }", "query": "mutation { a }"}'),
    post(b'{"query": "mutation { a }", "query": "{ a }"}'),
    post(b'{"query": "{ a }", "variables": {"a": 1, "a": 2}}'),
    post(b'{"query": "{ a }", "variables": NaN}'),
    post(b"\xef\xbb\xbf" + json.dumps(QUERY).encode()),
    post(json.dumps(QUERY).encode("utf-16")),
    post(b'{"query": "{ a(b: \\"\xff\\") }"}'),
    post(b"[" * 100_000),
    post(b'{"query": "{ a }", "variables": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    post(b'{"query": "{ a }", "variables": ' + b"9" * 5000 + b"}"),
    post(json.dumps(QUERY).encode()[:-1]),
    post(QUERY, fields=()),
    post(QUERY, fields=((b"Content-Type", b"application/graphql"),)),
    post(QUERY, fields=((b"Content-Type", b"text/plain"),)),
    post(QUERY, fields=((b"Content-Type", b"application/json; charset=utf-16"),)),
    post(QUERY, fields=(*JSON, *JSON)),
    post(QUERY, fields=(*JSON, (b"Content-Encoding", b"gzip"))),
    post(QUERY, f"{PATH}?query=mutation{{a}}"),
    post(QUERY, f"{PATH}?operationName=B"),
    post(QUERY, f"{PATH}?qu%65ry={{a}}"),
    post(QUERY, f"{PATH}?a=1;query=x"),
    post(QUERY, f"{PATH}?a=%ff"),
    post(QUERY, f"{PATH}/"),
    post(QUERY, "/v1/graphql"),
    post(QUERY, "/base/v1/Graphql"),
    post(QUERY, "/base/v1/graphq%6C"),
    post(QUERY, "/base/v1/graphql/explain"),
    get("query=mutation{a}"),
    get("query=" + quote("mutation { a }")),
    get("query={a}&query=mutation{a}"),
    get("query={a}&Query=mutation{a}"),
    get("query=query+A{a}mutation+B{b}&operationName=B"),
    get("query=query+A{a}&operationName=A&operationName=B"),
    get("query={a};query=mutation{a}"),
    get("query=%ff"),
    get(""),
    get("query="),
    get("extensions={}"),
    get("query={a}", body=b"{}"),
    get("query={a}", body=None),
    OutboundRequest("PUT", "https://api.example.com", PATH, JSON, json.dumps(QUERY).encode()),
    OutboundRequest("HEAD", "https://api.example.com", f"{PATH}?query={{a}}"),
]


@pytest.mark.parametrize("request_", GUESTS)
def test_a_plain_query_goes_as_guest(request_: OutboundRequest) -> None:
    assert is_guest_query(request_, PATH)


@pytest.mark.parametrize("request_", WITH_TOKEN)
def test_everything_else_needs_the_token(request_: OutboundRequest) -> None:
    assert not is_guest_query(request_, PATH)
