"""The emulator's own reading of GraphQL documents."""

from __future__ import annotations

import pytest

from proxy.sandbox.graphql import NotGraphql, Operation, read_operations


@pytest.mark.parametrize(
    ("text", "kind", "fields"),
    [
        ("{ a b }", "query", (("a", "a"), ("b", "b"))),
        (
            'query Q($x: In = {mutation: [1, -2.5e3]}) @d(a: "}") { k: a(x: $x) { mutation { b } } }',
            "query",
            (("k", "a"),),
        ),
        ("# mutation { a }\n\ufeffquery,{ a }", "query", (("a", "a"),)),
        ('mutation M { a(x: """ } \\""" mutation { """) b(y: "\\"}") }', "mutation", (("a", "a"), ("b", "b"))),
        ('mutation { a(x: "") ... on Mutation { c } ...F b @skip(if: false) }', "mutation", (("a", "a"), ("b", "b"))),
        ("subscription { a }", "subscription", (("a", "a"),)),
        ("fragment F on mutation { x } { a }", "query", (("a", "a"),)),
    ],
)
def test_finds_kind_and_top_level_fields(text: str, kind: str, fields: tuple[tuple[str, str], ...]) -> None:
    (operation,) = read_operations(text)
    assert (operation.kind, operation.fields) == (kind, fields)


def test_finds_several_operations_by_name() -> None:
    assert read_operations("query A { a } mutation B { b }") == (
        Operation("query", "A", (("a", "a"),)),
        Operation("mutation", "B", (("b", "b"),)),
    )


@pytest.mark.parametrize(
    "text", ["", "{", "{ a", "mutatio { a }", "{ a(] }", '{ a(x: "\n") }', '{ a(x: """) }', "{ a ? }", "}"]
)
def test_refuses_what_is_no_document(text: str) -> None:
    with pytest.raises(NotGraphql):
        read_operations(text)
