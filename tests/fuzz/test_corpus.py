"""What the fuzzers found, given to their judges without them; and that the judges judge."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.config.problems import ConfigError, Problem
from proxy.gateway.guard import Guard
from proxy.schemes.base import OutboundRequest
from proxy.secret import Secret
from proxy.tokens.token import Grant
from tests.fuzz import CORPUS, FUZZERS, corpus_of, judge_of
from tests.fuzz.minimise import steps

_LONGEST_SECONDS = 5.0
_MOST_BYTES = 500 * 1024


def _passed_on(route: Any, method: str, target: str, headers: Any, body: bytes) -> OutboundRequest:
    return OutboundRequest(method, "https://vendor.test", target.replace("/r/", "/v1/base/", 1), headers, body)


def _read_aloud(path: Path, environ: Any) -> None:
    raise ConfigError([Problem(str(path), 1, 1, "", " ".join(path.read_text().split()))])


class _Forgetful:
    """A decoder that takes each piece for a body of its own."""

    is_complete = True

    @classmethod
    def of_request(cls, loop: Any) -> _Forgetful:
        return cls()

    of_response = of_request

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        return data, b""


# The fuzzer -> what its judge asks, and what it would be answered by a proxy that breaks the promise.
BROKEN: dict[str, tuple[str, Any]] = {
    "target": ("check_target", lambda *_, **__: None),
    "parameters": ("outbound_request", _passed_on),
    "merge": ("outbound_request", _passed_on),
    "login": ("grant_from", lambda *_: Grant(Secret("None"), 60.0)),
    "configuration": ("load", _read_aloud),
    "heads": ("check_framing", lambda *_: None),
    "chunks": ("ChunkDecoder", _Forgetful),
    "guests": ("is_guest_query", lambda *_: True),
    "hosts": ("_OPEN", SimpleNamespace(check_caller=Guard(8080, ["evil.test"]).check_caller)),
}


@pytest.mark.parametrize("name", FUZZERS)
def test_no_input_that_was_ever_found_breaks_a_promise(name: str) -> None:
    judge, inputs = judge_of(name), corpus_of(name)
    assert inputs
    for path in inputs:
        began = time.monotonic()
        judge(path.read_bytes())
        assert time.monotonic() - began < _LONGEST_SECONDS, path


@pytest.mark.parametrize("name", FUZZERS)
def test_a_broken_promise_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that nothing can displease proves nothing."""
    judge = judge_of(name)
    attribute, broken = BROKEN[name]
    monkeypatch.setattr(f"tests.fuzz.{name}.{attribute}", broken)
    assert any(_is_displeased(judge, path.read_bytes()) for path in corpus_of(name))


def _is_displeased(judge: Callable[[bytes], None], octets: bytes) -> bool:
    try:
        judge(octets)
    except (AssertionError, KeyError, TypeError, ValueError):
        return True
    return False


def test_the_corpus_is_small_and_has_no_fuzzer_too_many() -> None:
    assert {path.name for path in CORPUS.iterdir()} == FUZZERS.keys()
    assert sum(path.stat().st_size for path in CORPUS.rglob("*")) < _MOST_BYTES


def test_what_a_run_passes_through_is_told_apart() -> None:
    judge = judge_of("target")
    refused, accepted, longer = steps(judge, b"//"), steps(judge, b"/r/x"), steps(judge, b"/r/%41%42")
    assert refused and accepted - refused and longer - accepted
    assert steps(judge, b"/r/x") == accepted


def test_no_command_is_started_for_a_file_that_names_one(tmp_path: Path) -> None:
    """What is fuzzed may be `exec: [rm, ...]`."""
    mark = tmp_path / "started"
    auth = f"{{scheme: static, headers: {{A: {{exec: [touch, '{mark}']}}}}}}"
    text = f"providers: {{a: {{base_url: 'https://a.test', auth: {auth}}}}}\nroutes: {{/a: a}}\n"
    judge_of("configuration")(text.encode())
    assert not mark.exists()
