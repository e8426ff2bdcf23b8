"""A template is filled in leaf by leaf, so that no value can break out of its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.secret import FileSecret, Secret
from proxy.template import JsonTemplate, Place, Template, variable_scope

CANARY = "CANARY-template-2b"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("plain", set()),
        ("{{a}}", {"a"}),
        ("x{{ a }}y{{b.c-d}}{{a}}", {"a", "b.c-d"}),
        ("{a} {{}} {{1}} {{a b}} {{a", set()),
        ("{{{a}}}", {"a"}),
    ],
)
def test_the_places_of_a_text(text: str, names: set[str]) -> None:
    assert Template.parse(text).names == names


def test_filling_in() -> None:
    template = Template(("<", Place("a"), "|", Secret("s"), "|", Place("b"), ">"))
    assert template.render({"a": Secret("1"), "b": lambda: "2"}) == "<1|s|2>"
    assert template.render_bytes({"a": "ä", "b": b"\xff"}) == "<ä|s|".encode() + b"\xff>"


def test_a_value_that_looks_like_a_place_stays_a_value() -> None:
    assert Template.parse("{{a}}").render({"a": "{{b}}", "b": "x"}) == "{{b}}"


def test_a_quote_in_a_value_stays_a_character_of_its_json_string() -> None:
    template = JsonTemplate({"p": Template.parse("{{s}}"), "l": [Template.parse("a{{s}}"), 1, None]})
    evil = '","admin":true,"x":"'
    assert json.loads(json.dumps(template.render({"s": evil}))) == {"p": evil, "l": [f"a{evil}", 1, None]}
    assert template.names == {"s"}


def test_masking_hides_every_secret_and_nothing_else() -> None:
    template = Template(("k=", Secret(CANARY), "&", Place("a"), "&", Place("b")))
    assert template.masked({"a": Secret(CANARY), "b": "shown"}) == "k=***&***&shown"
    assert CANARY not in repr(template)


def test_variables_are_texts_or_secrets() -> None:
    scope = variable_scope(
        {"text": Template.parse("t"), "secret": Template((Secret(CANARY),)), "both": Template(("id:", Secret(CANARY)))}
    )
    assert scope["text"] == "t"
    for name, revealed in (("secret", CANARY), ("both", f"id:{CANARY}")):
        value = scope[name]
        assert isinstance(value, Secret)
        assert value.reveal() == revealed
        assert CANARY not in repr(value)


def test_a_composed_secret_follows_its_file(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("one\n")
    value = variable_scope({"v": Template(("id:", FileSecret(path)))})["v"]
    assert isinstance(value, Secret)
    path.write_text("two!\n")
    assert value.reveal() == "id:two!"


def test_a_name_that_the_scope_lacks_is_an_error() -> None:
    with pytest.raises(KeyError):
        Template.parse("{{a}}").render({})
