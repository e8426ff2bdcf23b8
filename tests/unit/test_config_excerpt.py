"""The line beside a mistake: enough of it to see the spot, and nothing that may be a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.excerpt import Excerpts
from proxy.config.load import load
from proxy.config.problems import ConfigError, Problem
from tests.canaries import leaks
from tests.wrong_configs import CANARY, ENVIRON, WRONG_CONFIGS, WrongConfig

SECRET = "k7Qm-2xVw9-Zp4Lt"


def excerpt(text: str, line: int, column: int, path: str = "", message: str = "is wrong") -> list[str]:
    return Excerpts(text).of(Problem("authproxy.yaml", line, column, path, message))


def test_the_line_stands_above_carets_under_the_word_that_is_meant() -> None:
    text = "providers:\n  io: {preset: iofinet, client_id: {env: IO_ID}}\n"
    assert excerpt(text, 2, 16, "providers.io.preset", "no preset has this name; did you mean `iofinnet`?") == [
        "    2 |   io: {preset: iofinet, client_id: {env: IO_ID}}",
        "      |                ^^^^^^^",
    ]


def test_a_literal_secret_is_masked_and_the_carets_still_point_at_it() -> None:
    text = f"providers:\n  io: {{preset: iofinnet, client_secret: {SECRET}, client_id: {{env: IO_ID}}}}\n"
    line, carets = excerpt(text, 2, 41, "providers.io.client_secret", "a secret is not written here as it is")
    assert line == "    2 |   io: {preset: iofinnet, client_secret: ***, client_id: {env: IO_ID}}"
    assert (carets.index("^"), carets.count("^")) == (line.index("***"), 3)


@pytest.mark.parametrize(
    "text",
    [
        f"a: {SECRET}  # why",
        f"a: 1  # {SECRET}",
        f"{SECRET}: 1",
        f"a: {{{SECRET}}}",
        f"a: ['{SECRET}', \"{SECRET}\"]",
        f"a: {{env: {SECRET}}}",
        f"a: ${{{SECRET}}}",
        f"a: https://u:{SECRET}@host/",
        f"preset: {SECRET}",
        f"a: '{SECRET}",
        f"a: {{b: {SECRET}",
        f"a: \t{SECRET}: {SECRET}",
        f"&{SECRET} a: *{SECRET}",
        f"!{SECRET} a",
        f"%{SECRET}\n",
        f"--- {SECRET}",
        f"a: @{SECRET}",
        f"key: {SECRET} token: {SECRET}",
    ],
)
def test_a_secret_in_any_spot_of_the_line_is_not_shown(text: str) -> None:
    for column in range(1, len(text) + 2):
        told = excerpt(text, 1, column, "a", "unknown key; did you mean `preset`?")
        assert told
        assert not leaks([SECRET], "\n".join(told).encode())


@pytest.mark.parametrize(("opener", "end"), [("|\n", ""), (">-\n", ""), ("'", "'"), ('"', '"'), ("", ""), ("'", "")])
def test_a_secret_over_several_lines_is_shown_on_none_of_them(opener: str, end: str) -> None:
    text = f"key: {opener}  {SECRET}\n  token: {SECRET}\n  {SECRET}{end}\nother: 1\n"
    for line in range(1, 6):
        assert not leaks([SECRET], "\n".join(excerpt(text, line, 3, "key")).encode())


def test_a_word_is_shown_as_suggested_only_where_the_problem_points() -> None:
    text = "a: {scheme: statc, key: statc}\n"
    [line, _] = excerpt(text, 1, 13, "a.scheme", "expected `static`; did you mean `static`?")
    assert line.endswith("a: {scheme: statc, key: ***}")
    assert excerpt(text, 1, 13, "a.scheme", "expected `static`")[0].endswith("a: {scheme: ***, key: ***}")


def test_a_word_that_is_not_near_the_suggestion_is_masked() -> None:
    [line, _] = excerpt("{sek: 1}", 1, 2, "x", "did you mean `file`?")
    assert "sek" not in line


def test_a_broken_line_ends_where_it_breaks() -> None:
    assert excerpt("server: {token: @sk_live_12345678}\n", 1, 17)[0] == "    1 | server: {token: …"


def test_a_long_line_is_cut_around_the_spot() -> None:
    text = f"routes: {{{', '.join(f'/{n}: w' for n in range(100))}, methods: [PSOT]}}\n"
    line, carets = excerpt(text, 1, text.index("PSOT") + 1, "routes", "did you mean `POST`?")
    assert len(line) < 115
    assert line[carets.index("^") :].startswith("PSOT")


def test_what_stands_in_no_line_has_no_excerpt(tmp_path: Path) -> None:
    path = tmp_path / "authproxy.yaml"
    path.write_text("# nothing but this\ntokens: {}\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {"AUTHPROXY_LISTEN": "nonsense"})
    excerpts = Excerpts(path.read_text())
    assert len(caught.value.problems) == 3
    assert [excerpts.of(problem) for problem in caught.value.problems] == [[], [], []]


@pytest.mark.parametrize("wrong", WRONG_CONFIGS, ids=lambda wrong: wrong.name)
def test_every_known_mistake_is_shown_without_its_value(wrong: WrongConfig, tmp_path: Path) -> None:
    path = tmp_path / "authproxy.yaml"
    path.write_text(wrong.text)
    with pytest.raises(ConfigError) as caught:
        load(path, ENVIRON)
    excerpts = Excerpts(wrong.text)
    told = [line for problem in caught.value.problems for line in excerpts.of(problem)]
    assert CANARY not in "\n".join(told)
    if wrong.line > 1:
        assert f"{wrong.line:>5} | " in "\n".join(told)


@given(st.text(alphabet="ab:{}[],'\"|>- \n#&*!%@\t\\", max_size=60), st.integers(1, 8), st.integers(1, 30))
def test_any_text_can_be_shown_with_its_secrets_hidden(junk: str, line: int, column: int) -> None:
    text = f"{junk}{SECRET}{junk}"
    assert not leaks([SECRET], "\n".join(excerpt(text, line, column, "a.b", "did you mean `ab`?")).encode())
