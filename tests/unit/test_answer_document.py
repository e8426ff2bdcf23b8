"""JSON from outside: how large, how deep, which figures, and what a dotted path leads to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.tokens.answer_document import first_value, parse_document, require_paths, require_shallow


def test_64_kib_are_read_and_not_one_byte_more() -> None:
    largest = json.dumps("x" * (65_536 - 2))
    assert parse_document(largest) == parse_document(largest.encode()) == "x" * 65_534
    for text in (largest + " ", (largest + " ").encode()):
        with pytest.raises(ValueError, match="large"):
            parse_document(text)


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_two_hundred_levels_are_read_and_not_one_more(begin: str, end: str) -> None:
    times = 200 // (begin.count("[") + begin.count("{"))
    require_shallow(begin * times + "1" + end * times)
    parse_document(begin * times + "1" + end * times)
    for text in (f"[{begin * times}1{end * times}]", begin * 300, f'{{"a":{begin * times}1{end * times}}}'):
        with pytest.raises(ValueError, match="deep"):
            require_shallow(text)
        with pytest.raises(ValueError, match="deep"):
            parse_document(text)


@pytest.mark.parametrize("piece", ["[]", "{}", '{"a":[]}', "[[[]]]"])
def test_any_number_of_things_may_stand_side_by_side(piece: str) -> None:
    assert len(parse_document("[" + ",".join([piece] * 300) + "]")) == 300
    require_shallow(",".join([piece] * 300))


def test_what_stands_beside_it_makes_nothing_deeper_and_nothing_less_deep() -> None:
    for beside in ("[]," * 300, "{}," * 300, '{"a":[[]]},' * 100):
        require_shallow(f"[{beside}{'[' * 199}1{']' * 199}]")
        require_shallow(f"[{'[' * 199}1{']' * 199},{beside}1]")
        with pytest.raises(ValueError, match="deep"):
            require_shallow(f"[{beside}{'[' * 200}1{']' * 200}]")


@pytest.mark.parametrize(
    "text", ["[" * 500, "{" * 500, '\\"' + "[" * 500, "\\\\" * 3 + "{" * 500, "]" * 500 + "[" * 500]
)
def test_brackets_in_a_string_are_letters(text: str) -> None:
    parse_document(f'["{text}"]')
    parse_document(f'["", "{text}", ""]')
    parse_document(f'{{"{text}": "X{text}"}}')


def test_brackets_behind_a_string_are_none_of_it() -> None:
    with pytest.raises(ValueError, match="deep"):
        parse_document('["a\\\\", ' + "[" * 300 + "]" * 301)


def test_integers_are_exact_as_far_as_anybody_counts() -> None:
    assert parse_document("12345678901234567891") == 12345678901234567891
    assert isinstance(parse_document("12345678901234567891"), int)
    assert parse_document("1" * 21) == float("1" * 21)
    assert isinstance(parse_document("1" * 21), float)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "[1,NaN]", "", "{", b"\xff", b"\xfe\xff\x00{\x00}"])
def test_what_is_no_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_document(text)


DOCUMENT: dict[str, Any] = {
    "a": {"b": "1", "0": "zero"},
    "list": ["first", {"b": "2"}, None],
    "wrapped": '{"b": "3", "list": [4]}',
    "null": None,
    "five": 5,
    "false": False,
    "": {"": "empty"},
    "*": "star",
}


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ("a.b", "1"), ("a.0", "zero"), ("a.c", None), ("a.b.c", None), ("a", DOCUMENT["a"]), ("five.b", None), ("five", 5),
        ("list.0", "first"), ("list.1.b", "2"), ("list.2", None), ("list.3", None), ("list.-1", None), ("list.x", None),
        ("list.00001.b", "2"), ("list.999999", None), ("list.*.b", "2"), ("list.*", "first"), ("list.", None),
        ("wrapped.b", "3"), ("wrapped.list.0", 4), ("wrapped", DOCUMENT["wrapped"]), ("*.b", "1"), ("null.b", None),
        ("false", False), (["null", "five"], 5), (["x", "null"], None), (["a.b", "five"], "1"), ([], None), (None, None),
    ],
)  # fmt: skip
def test_a_path_leads_to_the_first_value_that_is_there(paths: Any, expected: Any) -> None:
    assert first_value(DOCUMENT, paths) == expected


def test_a_number_of_any_length_is_no_place_in_a_list() -> None:
    """Python refuses to read a number of five thousand digits, with an error of its own."""
    assert first_value(["x"], "9" * 5000) is None
    assert first_value(["x"] * 100_001, "99999") == "x"
    assert first_value(["x"] * 100_001, "100000") is None


def test_a_path_has_no_empty_step() -> None:
    for good in ("a", "a.b", ["a", "b.c"], None, []):
        require_paths("token", good)
    for bad in ("", ".", "a.", ".a", "a..b", ["a", "b."]):
        with pytest.raises(ValueError, match="token: a path is names with dots"):
            require_paths("token", bad)
