"""Runs chosen tests in forks of a process that has imported, beforehand, what is slow to import.

Started as a process of its own in a copy of the tree. Reads one job a line, as JSON, and answers each with a line.

A job `run` is a whole run of pytest in a fork that inherits nothing that ran: no test, no event loop, no thread, none
of this project's modules. A job `serve` collects tests in a fork that goes on to read jobs `swap`: for each of these
it forks again, puts a mutant's code into the functions that it has imported, and runs some of the tests.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any, NoReturn

import hypothesis
import pytest

from tests.mutants.chosen import Chosen, Clocked, Traced, in_order
from tests.mutants.scope import SLOW
from tests.mutants.swap import functions_of, swap

_SLOW_TO_IMPORT = (
    "aiohttp.web", "cryptography.hazmat.primitives.asymmetric.ec", "cryptography.x509", "httpx", "hypothesis.stateful",
    "jsonschema", "jwt", "prometheus_client", "pydantic", "pytest_asyncio.plugin", "redis.asyncio", "trustme",
    "uvloop", "websockets.asyncio.client", "yaml", "eth_account",
)  # fmt: skip
# Plugins were imported early, as they may be: none of their assertions are looked at.
_OPTIONS = (
    "-q",
    "-p",
    "no:cacheprovider",
    "--tb=line",
    "--assert=plain",
    "-k",
    f"not ({SLOW})",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
)
# An exit code for a mutant whose code runs at import: it takes a job `run`.
AT_IMPORT = 90


@dataclass(eq=False)
class Worker:
    """`folder` is for what a fork tells, `answers` where they are written to, `path` the module that is broken."""

    folder: Path
    answers: int
    path: str = ""

    def work(self) -> None:
        """Do one job after the other, until there are no more or `end` is said."""
        for line in iter(sys.stdin.buffer.readline, b""):
            job = json.loads(line)
            if job["kind"] == "end":
                break
            if job["kind"] == "serve":
                self.answer(self.forked(lambda job=job: self.serve(job), silent=False))
            else:
                self.answer(self.forked(lambda job=job: self.run(job)))

    def answer(self, told: dict[str, Any]) -> None:
        os.write(self.answers, json.dumps(told).encode() + b"\n")

    def forked(self, do: Callable[[], int], *, silent: bool = True) -> dict[str, Any]:
        """What became of it in a fork of its own: its exit code, what it told, the end of what it printed."""
        told, output = self.folder / f"told.{silent}", self.folder / f"output.{silent}"
        told.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            _be_alone(output, silent=silent, do=do)
        _, status = os.waitpid(child, 0)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # What its tests had started.
        known = json.loads(told.read_text()) if told.exists() else {}
        return {
            "code": os.waitstatus_to_exitcode(status),
            "output": output.read_text(errors="replace")[-4000:],
            **known,
        }

    def tell(self, **what: object) -> None:
        (self.folder / "told.True").write_text(json.dumps(what))

    def run(self, job: dict[str, Any]) -> int:
        """pytest from the beginning."""
        sys.dont_write_bytecode = "write_bytecode" not in job
        clocked, plugins = Clocked(job.get("durations", {})), []
        if "tests" in job:
            plugins.append(Chosen(job["tests"]))
        if traced := Traced(job["traced"]) if job.get("traced") else None:
            plugins.append(traced)
        stop = [] if traced else ["-x"]
        code = pytest.main([*_OPTIONS, *stop, *job["files"]], plugins=[clocked, *plugins])
        self.tell(took=clocked.took, lines=traced.lines if traced else {}, failed=clocked.failed)
        return int(code)

    def serve(self, job: dict[str, Any]) -> int:
        """pytest as far as to the collected tests, and then the jobs instead of them."""
        self.path = job["path"]
        return int(pytest.main([*_OPTIONS, "-s", *job["files"]], plugins=[self]))

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        held = functions_of(self.path)
        gc.collect()
        gc.freeze()  # What no fork's collector touches, forks need not copy.
        self.answer({"collected": session.testscollected})
        for line in iter(sys.stdin.buffer.readline, b""):
            job = json.loads(line)
            if job["kind"] == "end":
                break
            self.answer(self.forked(lambda job=job: self.swapped(session, held, job)))
        return True

    def swapped(self, session: pytest.Session, held: list[FunctionType], job: dict[str, Any]) -> int:
        """Some of the collected tests upon a mutant, until one fails."""
        if not swap(held, self.path, job["original"], job["mutated"]):
            return AT_IMPORT
        sys.dont_write_bytecode = True
        clocked = Clocked(job["durations"])
        session.config.pluginmanager.register(clocked)
        items = in_order(session.items, job["tests"])
        for item, following in zip(items, [*items[1:], None], strict=True):
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if clocked.failed:
                self.tell(failed=clocked.failed)
                return 1
        return 0


def _be_alone(output: Path, *, silent: bool, do: Callable[[], int]) -> NoReturn:
    """A process group of its own, nothing to read, and what it prints in a file; then `do`, and nothing behind it."""
    code = 70
    try:
        os.setsid()
        if silent:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        printed = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        code = do()
    finally:
        sys.stdout.flush()
        os._exit(code)


def main() -> None:
    answers = os.dup(1)
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
    Worker(Path(sys.argv[1]), answers).work()


if __name__ == "__main__":
    main()
