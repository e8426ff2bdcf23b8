"""What of a template is filled in before the first request, what with a request's head, and what with each request."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.rendering import OF_BYTES, QUOTED, Formats, escaped, places, quoted
from proxy.secret import FileSecret, Secret
from proxy.template import Place, Scope, Template, Value, variable_scope

TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("%()bs{}"))
PARTS = st.lists(TEXTS | st.sampled_from([Place("known"), Place("head"), Place("late")]), max_size=6).map(tuple)


def filled(octets: bytes, head: dict[bytes, bytes], late: dict[bytes, bytes]) -> bytes:
    """By its two stages."""
    values = {**dict.fromkeys(late, OF_BYTES), **{name: escaped(value) for name, value in head.items()}}
    return octets % values % tuple(late[name] for name in places(octets) if name in late)


@given(PARTS, TEXTS, TEXTS, TEXTS)
def test_filled_in_by_stages_it_is_the_templates_own_text(
    parts: tuple[str, ...], known: str, head: str, late: str
) -> None:
    """Whatever is in it: also percent signs, and what looks like a place."""
    template = Template(parts)
    octets = Formats({"known": Secret(known)}).of(template)
    text = template.render({"known": known, "head": head, "late": late})
    assert filled(octets, {b"head": head.encode()}, {b"late": late.encode()}) == text.encode()


@given(PARTS, TEXTS, TEXTS, TEXTS)
def test_a_query_is_percent_encoded_as_its_whole_text_would_be(
    parts: tuple[str, ...], known: str, head: str, late: str
) -> None:
    template = Template(parts)
    octets = Formats({"known": known}).of_query({"a%b ": template, "c": Template(())})
    text = template.render({"known": known, "head": head, "late": late})
    of_head, of_late = quoted(head.encode()), quoted(late.encode())
    query = filled(octets, {QUOTED + b"head": of_head}, {QUOTED + b"late": of_late})
    assert query.decode() == f"a%25b%20={quote(text, safe='')}&c="


def test_a_value_that_stays_the_same_percent_encoded_is_looked_up_as_it_is() -> None:
    formats = Formats({}, unreserved={"number"})
    assert formats.of_query({"n": Template((Place("number"),))}) == b"n=%(number)b"
    assert formats.names == {b"number"}


def test_bytes_stay_the_bytes_that_they_are() -> None:
    octets = Formats({}).of(Template.parse("{{url}}{{body}}"))
    assert filled(octets, {b"url": "ü".encode()}, {b"body": b"\xff%s"}) == b"\xc3\xbc\xff%s"


def test_a_name_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError):
        Formats({}).of(Template.parse("x{{a}}")) % {}


@pytest.mark.parametrize(
    ("text", "known", "names"),
    [
        ("", {}, set()),
        ("fixed", {}, set()),
        ("{{a}}", {}, {b"a"}),
        ("{{a}}", {"a": "known"}, set()),
        ("{{a}}-{{b}}", {"a": lambda: "asked"}, {b"b"}),
    ],
)
def test_what_is_left_open_is_named(text: str, known: Scope, names: set[bytes]) -> None:
    formats = Formats(known)
    formats.of(Template.parse(text))
    assert formats.names == names


def test_a_secret_whose_file_changes_is_left_open(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("first")
    of_file = FileSecret(path)
    variables: dict[str, Value] = variable_scope(
        {"alone": Template((of_file,)), "composed": Template(("Bearer ", of_file))}
    )
    formats = Formats(variables)
    octets = [formats.of(Template.parse(f"<{{{{{name}}}}}>")) for name in variables]
    assert formats.names == formats.secrets.keys() and len(formats.secrets) == 2

    def now() -> list[bytes]:
        return [
            filled(one, {}, {name: secret.reveal().encode() for name, secret in formats.secrets.items()})
            for one in octets
        ]

    assert now() == [b"<first>", b"<Bearer first>"]
    path.write_text("second one")
    assert now() == [b"<second one>", b"<Bearer second one>"]
