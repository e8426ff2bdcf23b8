"""Each mutant of a module against the tests that reach it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tests.mutants.mutations import Mutant, mutants_of
from tests.mutants.scope import Scope
from tests.mutants.tree import BrokenTree


@dataclass(frozen=True)
class Verdict:
    """`noticed` is the first test that failed, "timeout" where one took too long, None for a survivor."""

    mutant: Mutant
    noticed: str | None


class TestsFailUnbroken(Exception):
    """Nothing can be learned from tests that fail anyway."""


@dataclass(frozen=True)
class Known:
    """What the tests do to the module as it is: how long each takes, and which of its lines each runs."""

    took: dict[str, float]
    lines: dict[str, list[int]]

    def waves(self, scope: Scope, mutant: Mutant) -> Iterator[list[str]]:
        """Tests to run one wave after the other until one notices, each from the quickest to the slowest.

        First those that run the mutant's own lines, file by file, then those that touch the module anywhere: what runs
        once, at import or into a memory, is seen in one test and missed in the others. Last the far ones.
        """
        own = range(mutant.first, mutant.last + 1)
        reaching = {name for name, lines in self.lines.items() if any(line in own for line in lines)}
        touching = {name for name, lines in self.lines.items() if lines} or self.took.keys()
        near = [{name for name in self.took if _file_of(name) == file} for file in scope.near]
        seen: set[str] = set()
        for wave in (*(tests & reaching for tests in near), *(tests & touching for tests in near), self.took.keys()):
            if fresh := sorted(wave - seen, key=self.took.__getitem__):
                yield fresh
            seen |= wave


def _file_of(test: str) -> str:
    return test.partition("::")[0]


def hunt(
    scope: Scope, trees: Sequence[BrokenTree], wanted: Callable[[Mutant], bool], tell: Callable[[Verdict], None]
) -> list[Verdict]:
    """Break the module in every wanted way, one mutant in each tree at a time."""
    known = _known(scope, trees)
    mutants = [mutant for mutant in mutants_of((trees[0].root / scope.module).read_text()) if wanted(mutant)]
    free, lock = list(trees), threading.Lock()

    def judge(mutant: Mutant) -> Verdict:
        with lock:
            tree = free.pop()
        try:
            verdict = _judged(scope, mutant, known, tree)
        finally:
            with lock:
                free.append(tree)
        tell(verdict)
        return verdict

    with ThreadPoolExecutor(len(trees)) as pool:
        return list(pool.map(judge, mutants))


def _known(scope: Scope, trees: Sequence[BrokenTree]) -> Known:
    """One run of everything in each tree; in the first it is written down which test reaches which line."""
    files = [*scope.near, *scope.far]

    def run(tree: BrokenTree) -> dict[str, Any]:
        traced = str(tree.root / scope.module) if tree is trees[0] else None
        return tree.run(files=files, write_bytecode=True, traced=traced)

    with ThreadPoolExecutor(len(trees)) as pool:
        answers = list(pool.map(run, trees))
    for answer in answers:
        if answer["code"] != 0:
            raise TestsFailUnbroken(answer["output"])
    return Known(answers[0]["took"], answers[0]["lines"])


def _judged(scope: Scope, mutant: Mutant, known: Known, tree: BrokenTree) -> Verdict:
    for tests in known.waves(scope, mutant):
        files = list(dict.fromkeys(map(_file_of, tests)))
        answer = tree.run_broken(scope.module, mutant.source, files=files, tests=tests, durations=known.took)
        if answer["code"] == -signal.SIGALRM:
            return Verdict(mutant, "timeout")
        if answer["code"] != 0:
            return Verdict(mutant, answer.get("failed") or f"exit {answer['code']}")
    return Verdict(mutant, None)
