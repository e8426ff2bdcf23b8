"""Where secrets come from, and `${NAME}` in texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proxy.config.command import output_of
from proxy.config.nodes import MapNode, Scalar, plain
from proxy.config.problems import Place, Report
from proxy.config.sources import Sources, shows_to_others
from proxy.config.texts import Interpolated, interpolated
from proxy.config.yaml12 import compose
from proxy.secret import Secret
from proxy.template import Template

CANARY = "C4n4ry$ecr3t"
ENVIRON = {"KEY": CANARY, "TRICKY": "a{{token}}${KEY}&b$$", "EMPTY": "", "PATH": "/usr/bin:/bin"}


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(folder=tmp_path, environ=ENVIRON, report=Report("f"))


def text(written: str) -> Interpolated:
    return Interpolated.of(written, ENVIRON)


@pytest.mark.parametrize("value", [{"env": "KEY"}, text("${KEY}"), {"value": CANARY}, {"exec": ["echo", CANARY]}])
def test_each_source_gives_the_secret(value: Any, sources: Sources) -> None:
    """Environment, shorthand, literal and command."""
    secret = sources.secret(value)
    assert secret.reveal() == CANARY
    assert CANARY not in repr(secret) + secret.where


def test_a_literal_value_is_taken_as_it_is(sources: Sources) -> None:
    """Nothing is put into `{value: ...}`."""
    assert sources.secret({"value": text("a${KEY}b$${")}).reveal() == "a${KEY}b$${"


@pytest.mark.parametrize(("content", "expected"), [("s\n", "s"), ("s\r\n", "s"), ("s\n\n", "s\n"), (" s ", " s ")])
def test_a_file_loses_one_newline_and_nothing_else(content: str, expected: str, sources: Sources) -> None:
    """The newline that editors put behind the last line is no part of a secret; all else is."""
    (sources.folder / "secret").write_bytes(content.encode())
    assert sources.secret({"file": "secret"}).reveal() == expected


def test_a_rotated_file_is_read_again(sources: Sources) -> None:
    """A secret from a file follows the file."""
    path = sources.folder / "secret"
    path.write_text("old")
    secret = sources.secret({"file": str(path)})
    path.write_text("newer")
    assert secret.reveal() == "newer"


def test_home_and_variables_may_lead_to_a_file(sources: Sources) -> None:
    """`~/` is the HOME of the environment that was passed in; `${NAME}` in a path is put in."""
    (sources.folder / "secret").write_text("s")
    environ = {"HOME": str(sources.folder), "DIR": str(sources.folder)}
    at_home = Sources(folder=Path("/"), environ=environ, report=sources.report)
    assert at_home.secret({"file": "~/secret"}).reveal() == "s"
    assert at_home.secret({"file": Interpolated.of("${DIR}/secret", environ)}).reveal() == "s"


def test_a_file_that_everyone_can_read_gives_a_warning(sources: Sources) -> None:
    """The warning names the path; a file of the owner alone gives none."""
    path = sources.folder / "secret"
    path.write_text("s")
    path.chmod(0o640)
    sources.secret({"file": "secret"})
    assert not sources.report.warnings
    path.chmod(0o644)
    sources.secret({"file": "secret"})
    assert str(path) in str(sources.report.warnings[0])


@pytest.mark.parametrize(
    ("path", "mode", "shows"),
    [
        ("/home/me/key", 0o644, True),
        ("/home/me/key", 0o640, False),
        ("/run/secrets/key", 0o444, False),
        ("/run/secrets/folder/key", 0o644, False),
        ("/run/secretsome/key", 0o644, True),
    ],
)
def test_where_engines_mount_secrets_their_mode_is_not_the_users_to_choose(path: str, mode: int, shows: bool) -> None:
    assert shows_to_others(Path(path), mode) == shows


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "empty"), (b" \n", "empty"), (b"\xff", "UTF-8"), (b"x" * 70000, "64 KiB")]
)
def test_a_file_without_a_secret_is_refused(content: bytes, words: str, sources: Sources) -> None:
    """Empty, binary and huge files are mistakes."""
    (sources.folder / "secret").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        sources.secret({"file": "secret"})


def test_a_device_is_no_secret_file(sources: Sources) -> None:
    """What never ends is never read."""
    with pytest.raises(ValueError, match="regular"):
        sources.secret({"file": "/dev/zero"})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (CANARY, "{env: NAME}"),
        (text(f"{CANARY}${{KEY}}"), "without text around it"),
        (5, "{env: NAME}"),
        (None, "empty"),
        ([CANARY], "{env: NAME}"),
        ({}, "one source"),
        ({"env": "KEY", "file": CANARY}, "one source"),
        ({"fille": CANARY}, "did you mean `file`"),
        ({CANARY: None}, "source is `env`, `file`, `exec` or `value`"),
        ({"env": None}, "takes a text"),
        ({"env": 5}, "takes a text"),
        ({"env": "UNSET_KEY"}, "UNSET_KEY is not set"),
        ({"env": "EMPTY"}, "EMPTY is empty"),
        ({"env": CANARY}, "letters, digits"),
        ({"env": "AKIAIOSFODNN7EXAMPLE"}, "this environment variable is not set"),
        ({"value": ""}, "empty"),
        ({"value": 5}, "quotes"),
        ({"exec": []}, "list of texts"),
        ({"exec": ["echo", 5]}, "list of texts"),
        ({"exec": ["echo", "a\0b"]}, "NUL"),
    ],
)
def test_each_mistake_has_its_message(value: Any, words: str, sources: Sources) -> None:
    """And none of them shows the value."""
    with pytest.raises(ValueError) as caught:
        sources.secret(value)
    assert words in str(caught.value)
    assert CANARY not in str(caught.value)


def test_a_command_gets_the_environment_and_no_shell(tmp_path: Path) -> None:
    """It sees the variables that were passed in, runs beside the file, and its arguments are not interpreted."""
    script = tmp_path / "print.sh"
    script.write_text('#!/bin/sh\nprintf \'%s %s\\n\' "$KEY" "$1"\n')
    script.chmod(0o755)
    assert output_of(("./print.sh", "$(id); *"), tmp_path, ENVIRON, 10) == f"{CANARY} $(id); *"


def test_a_slow_command_is_ended_with_all_it_started(tmp_path: Path) -> None:
    """The time is bounded even if a child of the command holds its output open."""
    with pytest.raises(ValueError, match=r"longer than 0\.2 s"):
        output_of(("sh", "-c", "sleep 600 & sleep 600"), tmp_path, ENVIRON, 0.2)


def test_a_talkative_command_is_cut_off(tmp_path: Path) -> None:
    """64 KiB is more than any secret."""
    with pytest.raises(ValueError, match="64 KiB"):
        output_of(("yes", CANARY), tmp_path, ENVIRON, 10)


def test_a_command_must_print_text(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are no secret."""
    with pytest.raises(ValueError, match="UTF-8"):
        output_of(("printf", r"\377"), tmp_path, ENVIRON, 10)


def test_what_a_variable_holds_is_never_interpreted_again(sources: Sources) -> None:
    """Braces, dollars and ampersands of a value stay what they are, in a template and in a plain text."""
    written = text("pre {{user}} ${TRICKY} post")
    template = sources.template(written)
    assert template.names == {"user"}
    assert template.render({"user": "u"}) == f"pre u {ENVIRON['TRICKY']} post"
    assert written == f"pre {{{{user}}}} {ENVIRON['TRICKY']} post"
    assert ENVIRON["TRICKY"] not in repr(template) + repr(written)


def test_two_dollars_stand_for_a_plain_one(sources: Sources) -> None:
    """`$${` is the way to write `${`; a dollar elsewhere is a dollar."""
    assert sources.template(text("$${KEY} $x $$y ${KEY}")).render({}) == f"${{KEY}} $x $$y {CANARY}"


def test_a_secret_text_needs_a_secret(sources: Sources) -> None:
    """A variable that stands for one will do; a plain text will not."""
    informed = Sources(folder=Path(), environ={}, report=sources.report, secret_variables=frozenset({"key"}))
    assert informed.secret_text("Bearer {{key}}").names == {"key"}
    assert sources.secret_text(text("Bearer ${KEY}")).render({}) == f"Bearer {CANARY}"
    for value in (CANARY, "Bearer {{key}}"):
        with pytest.raises(ValueError, match="env: NAME"):
            sources.secret_text(value)


def test_a_template_takes_a_source_too(sources: Sources) -> None:
    """`{env: NAME}` in the place of a text; a number or nothing is refused."""
    assert sources.template({"env": "KEY"}).render({}) == CANARY
    assert sources.template(Secret("s")).parts[0].reveal() == "s"  # type: ignore[union-attr]
    for value, words in ((5, "put quotes"), (None, "expected a text"), (True, "put quotes"), ("{{", "a name")):
        with pytest.raises(ValueError, match=words):
            sources.template(value)


def test_a_mapping_in_json_is_json(sources: Sources) -> None:
    """Even if it looks like a secret's source; strings are templates, other scalars stay."""
    document = sources.json_template({"env": "KEY", "n": [1, 1.5, True, None], "s": text("${KEY}")})
    assert document["env"] == Template.parse("KEY")
    assert document["n"] == [1, 1.5, True, None]
    assert document["s"].render({}) == CANARY
    with pytest.raises(ValueError, match="no such number"):
        sources.json_template([float("inf")])


@pytest.mark.parametrize(
    ("document", "warned"),
    [
        ({"env": "KEY"}, True),
        ({"file": "/a"}, True),
        ({"exec": ["pass"]}, True),
        ({"value": "x"}, False),
        ({"env": "KEY", "n": 1}, False),
        ({}, False),
    ],
)
def test_what_was_surely_meant_as_a_secret_inside_json_is_told(
    document: dict[str, Any], warned: bool, sources: Sources
) -> None:
    """It is sent as it is, which nobody would see otherwise."""
    sources.json_template({"password": document})
    told = [warning.message for warning in sources.report.warnings]
    assert [message.endswith("write ${NAME}, or put it under `variables` and write its name in double braces")
            for message in told] == [True] * warned  # fmt: skip


def test_unset_variables_are_told_wherever_they_stand() -> None:
    """In nested texts too, each with its place; a literal `value` is left alone."""
    report = Report("f")
    root = compose("a: ['${NOT_SET}', {value: '${NOT_SET}'}]\nb: '${not-a-name}'\nc: '${KEY}'\n", report)
    assert root is not None
    tree = interpolated(root, ENVIRON, report)
    assert [str(problem) for problem in report.errors] == [
        "f:1:5: a[0]: the environment variable NOT_SET is not set",
        "f:2:4: b: a variable's name is letters, digits and `_`; write $${ for a plain ${",
    ]
    assert plain(tree)["c"] == CANARY


def test_a_literal_that_turns_out_to_be_a_text_is_checked_by_its_reader(sources: Sources) -> None:
    """`{value: "${NAME}"}` as JSON: the variable is put in, and missing ones are refused."""
    node = MapNode(Place(), Place(), {"value": Scalar(Place(), Place(), "${NOT_SET}")})
    tree = plain(interpolated(node, ENVIRON, sources.report))
    assert not sources.report.errors
    with pytest.raises(ValueError, match="NOT_SET is not set"):
        sources.json_template(tree)
