"""A Secret shows nowhere."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import logging
import marshal
import pickle
import pprint
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.config.models import ClientSettings, ServerSettings
from proxy.gateway.guard import Client
from proxy.logs import configure
from proxy.schemes.base import AnswerHead, Injection, OutboundRequest
from proxy.secret import FileSecret, Secret
from proxy.template import Template
from proxy.tokens.login import LoginAnswer, LoginCall
from proxy.tokens.token import Grant, Token
from tests.canaries import leaks
from tests.clock import FakeClock

CANARY = "CANARY-5ecre7-shows-nowhere"
FIELD = (b"Authorization", CANARY.encode())


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


@pytest.mark.parametrize("form", ["plain", "reversed", "hex", "base64", "window"])
def test_the_search_finds_what_it_is_there_for(form: str) -> None:
    """A search that finds nothing anywhere would make every test above pass."""
    import base64

    shown = {
        "plain": CANARY, "reversed": CANARY[::-1], "hex": CANARY.encode().hex(), "window": CANARY[3:11],
        "base64": base64.b64encode(f"Basic x:{CANARY}".encode()).decode(),
    }[form]  # fmt: skip
    assert leaks([CANARY], f"... {shown} ...".encode()) == [CANARY]
