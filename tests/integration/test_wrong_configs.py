"""Every mistake is told where it is, in words that help, and without a value of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config import ConfigError, Problem, load
from tests.wrong_configs import CANARY, ENVIRON, WRONG_CONFIGS, WrongConfig


def problems(tmp_path: Path, text: str) -> tuple[Problem, ...]:
    path = tmp_path / "authproxy.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path, {"PATH": "/usr/bin:/bin", **ENVIRON})
    assert caught.value.__cause__ is None
    return caught.value.problems


@pytest.mark.parametrize("wrong", WRONG_CONFIGS, ids=lambda wrong: wrong.name)
def test_a_mistake_is_told_at_its_place(wrong: WrongConfig, tmp_path: Path) -> None:
    """The message says what is wrong, at the line and column where it is."""
    found = problems(tmp_path, wrong.text)
    places = [(problem.line, problem.column) for problem in found if wrong.fragment in str(problem)]
    assert places == [(wrong.line, wrong.column)], "\n".join(map(str, found))


@pytest.mark.parametrize("wrong", WRONG_CONFIGS, ids=lambda wrong: wrong.name)
def test_one_mistake_gives_one_message(wrong: WrongConfig, tmp_path: Path) -> None:
    """What only follows from a mistake is not told as another one."""
    found = problems(tmp_path, wrong.text)
    follows_by_nature = {"no providers", "providers as list", "provider's name", "number as key"}
    assert len(found) == 1 or wrong.name in follows_by_nature, "\n".join(map(str, found))


@pytest.mark.parametrize("wrong", WRONG_CONFIGS, ids=lambda wrong: wrong.name)
def test_no_message_shows_a_value(wrong: WrongConfig, tmp_path: Path) -> None:
    """No part of a value gets into a message, not even eight characters of it."""
    assert CANARY in wrong.text
    shown = "\n".join(str(problem).removeprefix(f"{tmp_path}/") for problem in problems(tmp_path, wrong.text))
    windows = [CANARY[at : at + 8] for at in range(len(CANARY) - 7)]
    assert not [window for window in windows if window.lower() in shown.lower()], shown


def test_the_table_is_long_enough_to_be_worth_its_name() -> None:
    """At least 45 wrong configurations, no two alike."""
    assert len({wrong.text for wrong in WRONG_CONFIGS}) == len(WRONG_CONFIGS) >= 45


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    """Mistakes of YAML, of sections, of several providers, of presets and of routes come together, by place."""
    text = f"""\
server: {{listen: nowhere, listen: "{CANARY}"}}
tokens: {{store: redis}}
providers:
  io: {{preset: iofinnet, client_id: {CANARY}, client_secret: {{env: NOT_SET}}}}
  a: {{base_url: "http://{CANARY}.test", auth: {{scheme: jwt, key: {CANARY}, lifetime: long}}}}
  b: {{preset: wire}}
routes:
  /io: oi
  /a/: {{provider: a, methods: [FETCH], timeout: 0}}
"""
    found = [(problem.line, problem.path) for problem in problems(tmp_path, text)]
    assert found == [
        (1, "server.listen"),
        (1, "server.listen"),
        (2, "tokens.store"),
        (4, "providers.io.client_id"),
        (4, "providers.io.client_secret"),
        (5, "providers.a.base_url"),
        (5, "providers.a.auth.key"),
        (5, "providers.a.auth.lifetime"),
        (6, "providers.b.preset"),
        (8, "routes./io"),
        (9, "routes./a/"),
        (9, "routes./a/.methods[0]"),
        (9, "routes./a/.timeout"),
    ]
