"""What of a template is filled in before the first request, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.rendering import Rendering
from proxy.secret import FileSecret, Secret
from proxy.template import Place, Template, Value, variable_scope

CANARY = "canary-rendering-7f3a"


@pytest.mark.parametrize(
    ("text", "known", "scope", "expected"),
    [
        ("", {}, {}, ""),
        ("fixed", {}, {}, "fixed"),
        ("{{a}}", {}, {"a": "x"}, "x"),
        ("{{a}}", {"a": "known"}, {}, "known"),
        ("{{a}}-{{b}}", {"a": "known"}, {"b": "later"}, "known-later"),
        ("<{{a}}{{b}}>", {"b": "B"}, {"a": Secret("s")}, "<sB>"),
        ("{{a}}{{a}}", {}, {"a": lambda: "asked"}, "askedasked"),
    ],
)
def test_the_text_is_the_templates_own(
    text: str, known: dict[str, Value], scope: dict[str, Value], expected: str
) -> None:
    template = Template.parse(text)
    assert Rendering(template, known).text(scope) == expected == template.render({**known, **scope})
    assert Rendering(template, known).octets(scope) == expected.encode()


def test_bytes_stay_the_bytes_that_they_are() -> None:
    assert Rendering(Template.parse("{{url}}{{body}}"), {}).octets({"url": "ü", "body": b"\xff"}) == b"\xc3\xbc\xff"


def test_a_name_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError):
        Rendering(Template.parse("x{{a}}"), {}).text({})


def test_what_never_changes_is_a_constant() -> None:
    assert Rendering(Template((Secret("a"), "b", Place("c"))), {"c": Secret("c")}).constant == "abc"
    assert Rendering(Template.parse("{{c}}"), {}).constant is None


def test_a_secret_whose_file_changes_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("first")
    of_file = FileSecret(path)
    variables = variable_scope({"alone": Template((of_file,)), "composed": Template(("Bearer ", of_file))})
    renderings = [Rendering(Template.parse(f"<{{{{{name}}}}}>"), variables) for name in variables]
    assert [rendering.text({}) for rendering in renderings] == ["<first>", "<Bearer first>"]
    path.write_text("second one")
    assert [rendering.text({}) for rendering in renderings] == ["<second one>", "<Bearer second one>"]
    assert [rendering.octets({}) for rendering in renderings] == [b"<second one>", b"<Bearer second one>"]


def test_it_shows_nothing_of_what_was_filled_in() -> None:
    rendering = Rendering(Template((Secret(CANARY), Place("a"))), {})
    assert CANARY not in repr(rendering) + str(rendering)
