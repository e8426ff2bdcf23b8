"""Fuzzers: each module named here has a `judge(octets)` that raises AssertionError where a promise is broken.

    python -m tests.fuzz                        what there is
    python -m tests.fuzz target --seconds 600   look for new inputs, guided by coverage (atheris: the extra `fuzz`)
    python -m tests.fuzz target --minimise      keep of all that was found what reaches something of its own

What a fuzzer found is in `corpus/`, which the suite gives to the same judges, without atheris.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
# The module -> what it doubts.
FUZZERS = {
    "target": "a request target never leaves the provider's origin and base path, however often it is decoded",
    "parameters": "of a query no parameter survives that is the credential's or denied, however it is spelled",
    "merge": "of a caller's header fields none survives that is the credential's, the hop's or the framing's",
    "login": "whatever a login endpoint answers is a token that can be sent, or a failure of a known kind",
    "configuration": "whatever a file holds is a configuration, or a list of mistakes that shows no secret",
    "heads": "a request's head has one reading, wherever it is cut, and no stricter reader has another",
    "chunks": "a chunked body has one reading, wherever it is cut",
    "guests": "what would run a mutation is never taken for a guest's query",
    "hosts": "a Host that names another machine is refused by both listeners",
}


def judge_of(name: str) -> Callable[[bytes], None]:
    """The fuzzer's judge; its module is imported only now, so that what it imports can be instrumented before."""
    judge: Callable[[bytes], None] = import_module(f"tests.fuzz.{name}").judge
    return judge


def corpus_of(name: str) -> list[Path]:
    """Its inputs, the shortest first."""
    return sorted((CORPUS / name).glob("*"), key=lambda path: (path.stat().st_size, path.name))
