"""Every public abuse case, by its number, has a test: `pytest -k B16` shows where it stands."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.abuse.case import cases
from tests.conftest import numbers_by_test

TESTS = Path(__file__).parents[1]
GROUPS = {"A": (1, 12), "B": (13, 22), "C": (23, 29), "D": (30, 36), "E": (37, 43), "F": (44, 51), "G": (52, 55), "H": (56, 63), "I": (64, 70)}  # fmt: skip
NUMBERS = [f"{group}{number}" for group, (first, last) in GROUPS.items() for number in range(first, last + 1)]
PUBLIC = yaml.safe_load(Path(__file__).with_name("public_cases.yaml").read_text())
IN_DATA = {case.number for case in cases()}


@cache
def functions_of(path: Path) -> set[str]:
    found = (node for node in ast.walk(ast.parse(path.read_text())))
    return {node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_the_table_has_all_seventy_and_no_others() -> None:
    assert list(PUBLIC) == NUMBERS
    assert set(NUMBERS) >= IN_DATA


@pytest.mark.parametrize("number", NUMBERS)
def test_a_public_case_has_a_test(number: str) -> None:
    tests = PUBLIC[number]["tests"]
    assert tests or number in IN_DATA
    for test in tests:
        path, _, name = test.partition("::")
        assert (TESTS / path).is_file(), test
        assert name.startswith("test_") and name in functions_of(TESTS / path), test
        assert number in numbers_by_test()[test], test


def test_a_number_runs_every_test_that_holds_it(request: pytest.FixtureRequest) -> None:
    """As far as they are part of this run: a keyword of each is the number of its cases."""
    held = {number for numbers in numbers_by_test().values() for number in numbers}
    assert held == set(NUMBERS)
    for item in request.session.items:
        path = item.path.relative_to(TESTS).as_posix()
        numbers = numbers_by_test().get(f"{path}::{getattr(item, 'originalname', item.name)}", set())
        assert numbers <= item.extra_keyword_matches
