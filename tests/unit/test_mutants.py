"""The tool that judges the other tests: which slips it makes."""

from __future__ import annotations

import pytest

from tests.mutants.mutations import mutants_of
from tests.mutants.patterns import slips_of_pattern
from tests.mutants.scope import SCOPES
from tests.mutants.tree import ROOT


def slips(source: str) -> set[str]:
    """All that a function's one statement is turned into."""
    return {mutant.source.partition(":\n")[2].strip() for mutant in mutants_of(f"def f(a, b):\n    {source}")}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("return a < b", {"return", "return a <= b"}),
        ("return not a", {"return", "return a"}),
        ("return a and b", {"return", "return a or b", "return a", "return b"}),
        ("return a if b else 1", {"return", "return a", "return 1", "return a if b else 2"}),
        ("return False", {"return True"}),
        ("return 'text'", {"return", "return 'textX'"}),
        ("return 'for people'", {"return"}),
        ("return {a, b}", {"return", "return {a}", "return {b}"}),
        ("return a[1:]", {"return", "return a[2:]", "return a[:]"}),
        ("return a.lower()", {"return", "return a"}),
        ("return a(b, c=b)", {"return", "return a(b)"}),
        ("return [x for x in a if x]", {"return", "return [x for x in a]"}),
        ("a.b = 1", {"pass", "a.b = 2"}),
        ("a += b", {"pass", "a -= b"}),
        ("a(b)", {"pass"}),
        ("raise a", {"pass"}),
        ("assert a < b", set()),
        ("a: int = 1", {"a: int = 2"}),
        ("return '\\nlocal x = 1\\nif x then\\nreturn x\\nend\\n'", {
            "return", "return '\\nif x then\\nreturn x\\nend'", "return '\\nlocal x = 1\\nif x then\\nend'",
        }),
    ],
)  # fmt: skip
def test_each_slip_is_made_alone(source: str, expected: set[str]) -> None:
    assert slips(source) == expected


def test_what_stands_outside_of_functions_is_broken_too() -> None:
    found = [
        mutant.name for mutant in mutants_of("NAMES = frozenset({'a', 'b'})\n\n@cached\ndef f(x=1):\n    return x")
    ]
    assert found[:2] == ["module: `{'a', 'b'}` as `{'b'}`", "module: `{'a', 'b'}` as `{'a'}`"]
    assert "f: `1` as `2`" in found and "f: `return x` as `return`" in found


def test_equal_slips_have_names_of_their_own() -> None:
    names = [mutant.name for mutant in mutants_of("def f(a):\n    return (1, 1)")]
    assert len(names) == len(set(names))


def test_a_pattern_loses_alternatives_and_members_and_counts_otherwise() -> None:
    assert set(slips_of_pattern("a|b(?:c|d)")) == {"b(?:c|d)", "a", "a|b(?:d)", "a|b(?:c)"}
    assert set(slips_of_pattern(r"[a-z\]]*x?")) == {r"[\]]*x?", "[a-z]*x?", r"[a-z\]]+x?", r"[a-z\]]*x"}


def test_every_module_and_test_that_is_named_is_there() -> None:
    for scope in SCOPES:
        for name in (scope.module, *scope.near, *scope.far):
            assert (ROOT / name).is_file(), name
