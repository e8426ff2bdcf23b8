"""YAML as configurations are read: YAML 1.2's scalars, places, and none of the surprises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.config import yaml12
from proxy.config.nodes import MapNode, plain
from proxy.config.problems import ConfigError, Report
from proxy.config.syntax import MAX_BYTES, read_text


def parsed(text: str) -> Any:
    report = Report("f")
    root = yaml12.compose(text, report)
    assert not report.errors, report.errors
    assert root is not None
    return plain(root)


def messages(text: str, loader: Any = yaml12.LOADER) -> list[str]:
    report = Report("f")
    yaml12.compose(text, report, loader)
    return [str(problem) for problem in report.errors]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *[(word, word) for word in ("no", "yes", "on", "off", "y", "N", "No", "YES", "tRue")],
        *[("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False)],
        *[("null", None), ("~", None), ("Null", None), ("", None)],
        *[("12", 12), ("-12", -12), ("+12", 12), ("0", 0), ("0x1F", 31), ("0o17", 15)],
        *[(text, text) for text in ("012345", "-07", "0b101", "1_000", "12:30", "12:30:45", "190:20:30", "0o8", "08")],
        *[("1.5", 1.5), (".5", 0.5), ("-1.", -1.0), ("1e3", 1000.0), ("1.5E-2", 0.015)],
        *[
            (text, text)
            for text in ("2024-01-01", "2001-12-14t21:59:43.10-05:00", "1e999", ".inf", ".nan", "=", "00.5")
        ],
        *[("'12'", "12"), ('"true"', "true"), ("'null'", "null"), ("''", "")],
        ("9" * 101, "9" * 101),
    ],
)
def test_a_plain_word_means_what_yaml_1_2_says(written: str, meant: object) -> None:
    """Only true, false, null and numbers are no texts; digits with a leading zero lose none of them."""
    value = parsed(f"key: {written}")["key"]
    assert (value, type(value)) == (meant, type(meant))


def test_block_texts_are_texts() -> None:
    """A folded or literal text is never a number."""
    assert parsed("a: |\n  12\nb: >-\n  true\n") == {"a": "12\n", "b": "true"}


def test_every_part_knows_its_place_and_its_path() -> None:
    """Line and column count from 1, in characters; the path shows keys and indexes."""
    root = yaml12.compose("é: ü\nlist:\n  - x\n  - {deep: here}\n", Report("f"))
    assert isinstance(root, MapNode)
    inner = root.entries["list"].items[1].entries["deep"]  # type: ignore[union-attr]
    assert (inner.place.line, inner.place.column, inner.place.path) == (4, 12, "list[1].deep")
    assert (inner.key.line, inner.key.column) == (4, 6)
    assert (root.entries["é"].place.line, root.entries["é"].place.column) == (1, 4)


def test_reading_goes_on_behind_what_is_refused() -> None:
    """All refused features of a file are told in one run."""
    text = "a: &x 1\nb: *x\nc: !!str d\n<<: {}\n? [k]\n: v\na: 2\n"
    assert [line.partition(": ")[0] for line in messages(text)] == [
        "f:1:4",
        "f:2:4",
        "f:3:4",
        "f:4:1",
        "f:5:3",
        "f:7:1",
    ]


def test_a_quoted_merge_key_is_an_ordinary_key() -> None:
    """Only the plain `<<` is special in YAML 1.1."""
    assert parsed("'<<': 1") == {"<<": 1}


def test_an_unknown_key_that_may_be_a_secret_is_not_shown() -> None:
    """Keys are named only if they look like keys."""
    assert messages("{sk/live+abc: 1, sk/live+abc: 2}") == ["f:1:18: (a key): this key is given twice; first on line 1"]


def test_nesting_is_bounded() -> None:
    """64 levels are read; one more is refused, and nothing runs out of stack."""
    assert parsed("[" * 64 + "]" * 64) is not None
    assert "more than 64" in messages("[" * 65)[0]
    assert "more than 64" in messages("[" * 100_000)[0]


def test_the_python_parser_reads_the_same() -> None:
    """Where PyYAML comes without libyaml, values and places are the same."""
    text = "a: [1, {b: no}]\nc:\n  - |\n    text\n  - 'q'\n"
    assert yaml12.compose(text, Report("f"), yaml.SafeLoader) == yaml12.compose(text, Report("f"))


def test_the_python_parsers_errors_have_words_too() -> None:
    """Its texts quote the file; ours do not, and they are found for both parsers."""
    for text in ("a: [1\n", "a: {b: 1\n", "a: 'x\n", "a: @x\n", "a: b: c\n", "a: - b\n", 'a: "\\q"\n', "- a\nb: 1\n"):
        fast, slow = messages(text), messages(text, yaml.SafeLoader)
        assert [line.partition(": ")[2] for line in fast] == [line.partition(": ")[2] for line in slow]
        assert "not valid YAML" not in fast[0]


@pytest.mark.parametrize(
    ("raw", "place", "words"),
    [
        (b"a: 1\nb: \xff\n", "2:4", "not UTF-8 text"),
        ("a: ü\n".encode("utf-16"), "1:1", "not UTF-8 text"),
        (b"\xef\xbb\xbfa: \xff\n", "1:4", "not UTF-8 text"),
        (b"a: b\nc: \x00\n", "2:4", "control character"),
        (b"a: 1\n" * (MAX_BYTES // 5 + 1), "1:1", "larger than 1 MiB"),
    ],
)
def test_what_is_no_text_is_told_with_its_place(raw: bytes, place: str, words: str, tmp_path: Path) -> None:
    """Bytes that are no UTF-8, control characters and absurd sizes are refused before YAML sees them."""
    path = tmp_path / "c.yaml"
    path.write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        read_text(path)
    assert str(caught.value).startswith(f"{path}:{place}: ")
    assert words in str(caught.value)


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    """A missing file and a folder give the system's words, with the file's name and no traceback."""
    for path, words in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "directory")):
        with pytest.raises(ConfigError, match=words) as caught:
            read_text(path)
        assert str(caught.value).startswith(f"{path}:1:1: cannot be read")


def test_byte_order_mark_and_crlf_are_no_trouble(tmp_path: Path) -> None:
    """Files from Windows editors are read like all others."""
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb:\r\n  - x\r\n")
    assert parsed(read_text(path)) == {"a": 1, "b": ["x"]}
