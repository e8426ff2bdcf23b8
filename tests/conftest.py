"""The public abuse cases by number: `pytest -k B16` runs every test that holds case 16."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.abuse.case import cases

_TESTS = Path(__file__).parent
# Where the cases that are data are tried.
_BLACK_BOX = "abuse/test_black_box.py::test_no_hostile_request_gets_through_and_nothing_secret_gets_out"


@cache
def numbers_by_test() -> dict[str, set[str]]:
    """A test's file below tests/ and its function -> the public cases that it holds."""
    found: dict[str, set[str]] = {}
    for number, case in yaml.safe_load((_TESTS / "abuse" / "public_cases.yaml").read_text()).items():
        for test in case["tests"]:
            found.setdefault(test, set()).add(number)
    found.setdefault(_BLACK_BOX, set()).update(case.number for case in cases())
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_TESTS):
            function = getattr(item, "originalname", item.name)
            test = f"{item.path.relative_to(_TESTS).as_posix()}::{function}"
            item.extra_keyword_matches |= numbers_by_test().get(test, set())
