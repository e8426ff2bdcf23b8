"""Runs chosen tests in forks of one process that has imported, beforehand, what is slow to import and never changed.

Started as a process of its own in a copy of the tree. Reads one job a line, as JSON, and answers each with a line.
A fork inherits nothing that ran: no test, no event loop, no thread, none of this project's modules.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis
import pytest

_SLOW_TO_IMPORT = (
    "aiohttp.web", "cryptography.hazmat.primitives.asymmetric.ec", "cryptography.x509", "httpx", "hypothesis.stateful",
    "jsonschema", "jwt", "prometheus_client", "pydantic", "pytest_asyncio.plugin", "redis.asyncio", "trustme",
    "uvloop", "websockets.asyncio.client", "yaml", "eth_account",
)  # fmt: skip
# A test that a mutant makes wait for ever has this much longer than it takes otherwise.
_PATIENCE = 8.0
_TIMES = 5.0


class Chosen:
    """A pytest plugin: these tests only, in this order, each within its time; notes how long each took."""

    def __init__(self, tests: list[str] | None, durations: dict[str, float], traced: str | None) -> None:
        self._order = None if tests is None else {name: place for place, name in enumerate(tests)}
        self._durations = durations
        self._traced = traced
        self.took: dict[str, float] = {}
        self.lines: dict[str, list[int]] = {}
        self.failed: str | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._order is not None:
            order = self._order
            items[:] = sorted((item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        if item.nodeid in self._durations:
            # Nobody handles the signal: it ends the fork.
            signal.setitimer(signal.ITIMER_REAL, _PATIENCE + _TIMES * self._durations[item.nodeid])
        began, touched = time.monotonic(), set[int]()
        if self._traced is not None:
            trace = _tracer(self._traced, touched)
            sys.settrace(trace)
            threading.settrace(trace)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
            signal.setitimer(signal.ITIMER_REAL, 0)
            self.took[item.nodeid] = time.monotonic() - began
            self.lines[item.nodeid] = sorted(touched)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self.failed is None:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and self.failed is None:
            self.failed = report.nodeid or "collection"


def _tracer(path: str, touched: set[int]) -> Any:
    def line(frame: Any, event: str, argument: object) -> Any:
        if event == "line":
            touched.add(frame.f_lineno)
        return line

    def call(frame: Any, event: str, argument: object) -> Any:
        return line if frame.f_code.co_filename == path else None

    return call


def _in_fork(job: dict[str, Any], answer: Path, output: Path) -> int:
    """Never returns: the fork ends here, with pytest's exit code."""
    os.setsid()
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.dont_write_bytecode = "write_bytecode" not in job
    chosen = Chosen(job.get("tests"), job.get("durations", {}), job.get("traced"))
    stop = [] if job.get("traced") else ["-x"]
    # Plugins were imported early, as they may be: none of their assertions are looked at.
    early = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    options = ["-q", "-p", "no:cacheprovider", "--tb=short", *early, *stop]
    code = pytest.main([*options, *job["files"]], plugins=[chosen])
    answer.write_text(json.dumps({"took": chosen.took, "lines": chosen.lines, "failed": chosen.failed}))
    os._exit(int(code))


def _run(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    answer, output = folder / "answer.json", folder / "output.txt"
    answer.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        _in_fork(job, answer, output)
    _, status = os.waitpid(child, 0)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # What its tests had started.
    code = os.waitstatus_to_exitcode(status)
    told = json.loads(answer.read_text()) if answer.exists() else {}
    return {"code": code, "output": output.read_text(errors="replace")[-4000:], **told}


def main() -> None:
    folder = Path(sys.argv[1])
    for name in _SLOW_TO_IMPORT:
        with suppress(ImportError):
            importlib.import_module(name)
    # The first falsifying example is enough, and the same ones are tried each time.
    hypothesis.settings.register_profile(
        "mutants",
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("mutants")
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line), folder)), flush=True)


if __name__ == "__main__":
    main()
