"""A Secret shows nowhere."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import logging
import marshal
import os
import pickle
import pprint
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from proxy.config.models import ClientSettings, ServerSettings
from proxy.gateway.guard import Client
from proxy.logs import configure
from proxy.schemes.base import AnswerHead, Injection, OutboundRequest
from proxy.secret import MASK, SECRET_JSON_SCHEMA, FileSecret, Secret, one_line
from proxy.template import Template
from proxy.tokens.login import LoginAnswer, LoginCall
from proxy.tokens.token import Grant, Token
from tests.canaries import leaks
from tests.clock import FakeClock

CANARY = "CANARY-5ecre7-shows-nowhere"
FIELD = (b"Authorization", CANARY.encode())
SCHEMA = Draft202012Validator(SECRET_JSON_SCHEMA)


class Anything:
    """Equal to whatever it is compared with, if that leaves the verdict to it."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True


def of_file() -> Secret:
    return FileSecret(FOLDER / "secret")


FOLDER = Path()


@pytest.fixture(autouse=True)
def _secret_file(tmp_path: Path) -> None:
    global FOLDER  # noqa: PLW0603 - the bearers below are made in a test, from its folder
    FOLDER = tmp_path
    (tmp_path / "secret").write_text(CANARY)


BEARERS: dict[str, Callable[[], object]] = {
    "secret": lambda: Secret(CANARY, "env:NAME"),
    "secret of a file": of_file,
    "template": lambda: Template((Secret(CANARY),)),
    "grant": lambda: Grant(Secret(CANARY), 60.0, Secret(CANARY)),
    "token": lambda: Token(Secret(CANARY), 1, 0.0, 1.0),
    "client": lambda: Client("io", Secret(CANARY)),
    "settings": lambda: ServerSettings(
        token=Secret(CANARY), clients={"io": ClientSettings(token=Secret(CANARY), routes=("/io",))}
    ),
    "request": lambda: OutboundRequest("GET", "https://a.test", f"/x?key={CANARY}", (FIELD,), CANARY.encode()),
    "injection": lambda: Injection((("Authorization", CANARY),), (("key", CANARY),)),
    "answer": lambda: AnswerHead(200, (FIELD,), CANARY.encode()),
    "login": lambda: LoginCall("POST", f"https://a.test/?key={CANARY}", (("Authorization", CANARY),), CANARY.encode()),
    "login's answer": lambda: LoginAnswer(200, (FIELD,), CANARY.encode()),
}

# These hold the text as it is, since it is what goes over the wire; only what shows by accident is masked.
OF_THE_WIRE = {"request", "injection", "answer", "login", "login's answer"}


def logged(value: object) -> str:
    stream = io.StringIO()
    log = configure(stream, json=True, level="debug", wall=FakeClock().wall)
    logging.getLogger("authproxy.test").warning("%s %r", value, value, extra={"bearer": value, "bearers": [value]})
    log.flush()
    configure(io.StringIO(), json=True)
    assert stream.getvalue()
    return stream.getvalue()


def traced(value: object) -> str:
    def fails(bearer: object) -> None:
        raise RuntimeError(bearer)

    try:
        fails(value)
    except RuntimeError as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    raise AssertionError


BY_ACCIDENT: dict[str, Callable[[Any], object]] = {
    "str": str,
    "repr": repr,
    "ascii": ascii,
    "f-string": lambda value: f"{value} {value!r} {value!s} {value!a}",
    "percent": lambda value: "%s %r" % (value, value),  # noqa: UP031
    "format": lambda value: "{:>80}".format(value) if isinstance(value, Secret) else "{}".format(value),  # noqa: UP032
    "in a container": lambda value: repr([{"bearer": (value,)}]),
    "pprint": pprint.pformat,
    "in an exception": lambda value: repr(ValueError(value)) + str(KeyError(value)),
    "log": logged,
    "traceback with locals": traced,
    "json default": lambda value: json.dumps(value, default=str) + json.dumps(value, default=repr),
}
ON_PURPOSE: dict[str, Callable[[Any], object]] = {
    "json": json.dumps,
    "pickle": pickle.dumps,
    "marshal": marshal.dumps,
    "yaml": yaml.safe_dump,
    "yaml of any object": yaml.dump,
    "copy": lambda value: repr(copy.copy(value)),
    "deepcopy": lambda value: repr(copy.deepcopy(value)),
    "vars": lambda value: repr(vars(value)),
    "asdict": lambda value: repr(dataclasses.asdict(value)),
    "astuple": lambda value: repr(dataclasses.astuple(value)),
    "getstate": lambda value: repr(value.__getstate__()),
    "bytes": bytes,
    "iteration": lambda value: repr(list(value)),
    "concatenation": lambda value: "" + value,
}


@pytest.mark.parametrize("showing", BY_ACCIDENT)
@pytest.mark.parametrize("bearer", BEARERS)
def test_what_bears_a_secret_does_not_show_it_by_accident(bearer: str, showing: str) -> None:
    shown = BY_ACCIDENT[showing](BEARERS[bearer]())
    assert leaks([CANARY], str(shown).encode()) == []


@pytest.mark.parametrize("showing", ON_PURPOSE)
@pytest.mark.parametrize("bearer", sorted(BEARERS.keys() - OF_THE_WIRE))
def test_what_takes_an_object_apart_gets_no_secret(bearer: str, showing: str) -> None:
    try:
        shown = ON_PURPOSE[showing](BEARERS[bearer]())
    except (TypeError, ValueError, yaml.YAMLError) as error:
        shown = repr(error)
    assert leaks([CANARY], shown if isinstance(shown, bytes) else str(shown).encode()) == []


def test_secrets_are_equal_by_their_text_and_no_key_of_anything() -> None:
    assert Secret(CANARY) == Secret(CANARY, "elsewhere") != Secret(CANARY + "x")
    assert Secret(CANARY) != CANARY
    with pytest.raises(TypeError):
        hash(Secret(CANARY))


def test_a_secret_names_its_source_and_a_file_by_its_last_name_alone(tmp_path: Path) -> None:
    assert (str(Secret("x")), repr(Secret("x", "env:NAME"))) == ("<secret value>", "<secret env:NAME>")
    assert f"{of_file():>30}" == "<secret file:secret>".rjust(30)
    assert str(tmp_path) not in repr(of_file())
    assert MASK == "***"


def test_a_secret_is_there_even_if_it_is_compared_with_what_is_none() -> None:
    assert Secret(CANARY)
    assert (Secret(CANARY) == 5) is False
    assert Secret(CANARY) == Anything()
    assert Secret("\u00e9") == Secret("\u00e9") != Secret("e")


def test_only_a_file_may_give_another_text_one_day() -> None:
    assert not Secret(CANARY).may_change
    assert of_file().may_change


def test_each_change_of_a_file_is_seen(tmp_path: Path) -> None:
    """Whichever of them is the only trace that it left: a later time, another length, another file of that name."""
    file, other = tmp_path / "secret", tmp_path / "other"

    def written(path: Path, text: str, second: int) -> None:
        path.write_text(text)
        os.utime(path, (second, second))

    written(file, "first", 1)
    secret = FileSecret(file)
    written(file, "later", 2)
    assert secret.reveal() == "later"
    written(file, "a longer one", 2)
    assert secret.reveal() == "a longer one"
    written(other, "another file", 2)
    other.replace(file)
    assert secret.reveal() == "another file"


def test_a_file_that_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    """Each request asks for the secret; a look at the file's stamp has to do."""
    file = tmp_path / "secret"
    file.write_text("first")
    secret, stamp = FileSecret(file), file.stat()
    for text in ("other", "third"):
        file.write_text(text)
        os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        assert secret.reveal() == "first"
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    assert (secret.reveal(), secret.reveal()) == ("third", "third")


def test_a_file_that_is_not_there_at_the_start_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileSecret(tmp_path / "missing")


def test_an_empty_file_is_an_empty_secret_until_something_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("")
    secret = of_file()
    assert secret.reveal() == ""
    (tmp_path / "secret").write_text("s")
    assert secret.reveal() == "s"


@dataclasses.dataclass
class Sources:
    """What config hands over as the context of reading."""

    asked: list[object] = dataclasses.field(default_factory=list)

    def secret(self, value: object) -> Secret:
        self.asked.append(value)
        return Secret(CANARY)


def test_a_setting_is_read_by_the_sources_that_config_hands_over_and_a_secret_stays_what_it_is() -> None:
    sources, settings = Sources(), TypeAdapter(Secret)
    assert settings.validate_python({"env": "A"}, context=sources).reveal() == CANARY
    assert sources.asked == [{"env": "A"}]
    secret = Secret(CANARY)
    assert settings.validate_python(secret, context=sources) is secret
    assert len(sources.asked) == 1
    assert settings.json_schema() == SECRET_JSON_SCHEMA


def test_a_file_is_utf_8_in_every_locale(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s\u00e9cret", encoding="utf-8")
    code = "import sys, pathlib, proxy.secret as s; print(ascii(s.FileSecret(pathlib.Path(sys.argv[1])).reveal()))"
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", code, str(tmp_path / "secret")]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=30)
    assert shown.stdout.strip() == ascii("s\u00e9cret")


def test_one_newline_at_the_end_is_an_editors() -> None:
    texts = {"s": "s", "s\n": "s", "s\r\n": "s", "s\n\n": "s\n", "s\r": "s", " s \n": " s ", "\n": "", "s\nt": "s\nt"}
    assert {text: one_line(text) for text in texts} == texts


@pytest.mark.parametrize("value", [{"env": "A"}, {"file": "a"}, {"exec": ["a", "b"]}, {"value": ""}, "${A_b1}"])
def test_the_schema_knows_each_source(value: object) -> None:
    assert SCHEMA.is_valid(value)


@pytest.mark.parametrize(
    "value",
    [
        CANARY, "${A}x", "x${A}", "${1A}", "${A-B}", "${}", {}, {"env": 1}, {"file": None}, {"exec": "a"}, {"exec": []},
        {"exec": [1]}, {"value": 1}, {"other": "a"}, {"env": "A", "file": "a"}, {"env": "A", "x": 1}, 1, None, ["a"],
    ],
)  # fmt: skip
def test_the_schema_knows_nothing_else_for_a_secret(value: object) -> None:
    """An editor that shows mistakes as they are typed says so before a secret is saved."""
    assert not SCHEMA.is_valid(value)
    assert SECRET_JSON_SCHEMA["title"] == "secret" and SECRET_JSON_SCHEMA["description"].endswith(".")


@pytest.mark.parametrize("form", ["plain", "reversed", "hex", "base64", "window"])
def test_the_search_finds_what_it_is_there_for(form: str) -> None:
    """A search that finds nothing anywhere would make every test above pass."""
    import base64

    shown = {
        "plain": CANARY, "reversed": CANARY[::-1], "hex": CANARY.encode().hex(), "window": CANARY[3:11],
        "base64": base64.b64encode(f"Basic x:{CANARY}".encode()).decode(),
    }[form]  # fmt: skip
    assert leaks([CANARY], f"... {shown} ...".encode()) == [CANARY]
