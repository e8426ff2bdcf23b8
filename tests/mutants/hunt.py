"""Each mutant of a module against the tests that reach it."""

from __future__ import annotations

import ast
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import Any

from tests.mutants.mutations import Mutant, mutants_of
from tests.mutants.scope import Scope
from tests.mutants.tree import BrokenTree

# The worker's answer to a mutant that differs in what runs at import.
_AT_IMPORT = 90


@dataclass(frozen=True)
class Verdict:
    """`noticed` is the first test that failed, "timeout" where one took too long, None for a survivor."""

    mutant: Mutant
    noticed: str | None


class TestsFailUnbroken(Exception):
    """Nothing can be learned from tests that fail anyway."""


@dataclass(frozen=True)
class Known:
    """The module as it is: how long each test takes, and which lines it runs; None where that is not looked at."""

    scope: Scope
    took: dict[str, float]
    lines: dict[str, list[int]]

    def reaching(self, mutant: Mutant) -> set[str]:
        """The tests that run the mutant's own lines."""
        own = range(mutant.first, mutant.last + 1)
        return {name for name, lines in self.lines.items() if any(line in own for line in lines)}

    def waves(self, mutant: Mutant) -> Iterator[list[str]]:
        """Tests to run one wave after the other until one notices, file by file and each from the quickest on.

        First those that run the mutant's own lines, then those that touch the module anywhere: what runs once, at
        import or into a memory, is seen in one test and missed in the others. Last the far ones.
        """
        reaching = self.reaching(mutant)
        touching = {name for name, lines in self.lines.items() if lines} or self.took.keys()
        near = [{name for name in self.took if name.partition("::")[0] == file} for file in self.scope.near]
        seen: set[str] = set()
        for wave in (*(tests & reaching for tests in near), *(tests & touching for tests in near), self.took.keys()):
            if fresh := sorted(wave - seen, key=self.took.__getitem__):
                yield fresh
            seen |= wave


def hunt(
    scope: Scope,
    trees: Sequence[BrokenTree],
    wanted: Callable[[Iterable[Mutant]], list[Mutant]],
    tell: Callable[[Verdict], None],
) -> list[Verdict]:
    """Break the module in every wanted way, one mutant in each tree at a time."""
    known = _known(scope, trees)
    original = (trees[0].root / scope.module).read_text()
    mutants = wanted(mutants_of(original))
    # As mutants are: in another layout the same code has other instructions.
    plain = ast.unparse(ast.parse(original))
    verdicts: dict[str, Verdict] = {}

    def keep(mutant: Mutant, verdict: Verdict | None) -> None:
        if verdict is not None:
            verdicts[mutant.name] = verdict
            tell(verdict)

    with ExitStack() as stack:
        for tree in trees:
            stack.enter_context(tree.serving(scope.module, _files(scope)))
        _share(mutants, trees, lambda mutant, tree: keep(mutant, _swapped(known, mutant, tree, plain)))
    left = [mutant for mutant in mutants if mutant.name not in verdicts]
    _share(left, trees, lambda mutant, tree: keep(mutant, _run(known, mutant, tree)))
    return [verdicts[mutant.name] for mutant in mutants]


def _share(mutants: Sequence[Mutant], trees: Sequence[BrokenTree], do: Callable[[Mutant, BrokenTree], None]) -> None:
    free, lock = list(trees), threading.Lock()

    def in_a_tree(mutant: Mutant) -> None:
        with lock:
            tree = free.pop()
        try:
            do(mutant, tree)
        finally:
            with lock:
                free.append(tree)

    with ThreadPoolExecutor(len(trees)) as pool:
        list(pool.map(in_a_tree, mutants))


def _files(scope: Scope) -> list[str]:
    return list(dict.fromkeys([*scope.near, *scope.far]))


def _known(scope: Scope, trees: Sequence[BrokenTree]) -> Known:
    """One run of everything in each tree; in the first it is written down which near test reaches which line."""

    def run(tree: BrokenTree) -> list[dict[str, Any]]:
        traced = str(tree.root / scope.module) if tree is trees[0] else None
        near = tree.do("run", files=scope.near, write_bytecode=True, traced=traced)
        return [near, tree.do("run", files=scope.far, write_bytecode=True)] if scope.far else [near]

    with ThreadPoolExecutor(len(trees)) as pool:
        answers = list(pool.map(run, trees))
    for answer in chain.from_iterable(answers):
        if answer["code"] != 0:
            raise TestsFailUnbroken(answer["output"])
    took = {name: seconds for answer in answers[0] for name, seconds in answer["took"].items()}
    return Known(scope, took, answers[0][0]["lines"])


def _swapped(known: Known, mutant: Mutant, tree: BrokenTree, original: str) -> Verdict | None:
    """By tests that are collected already; None if these cannot tell, because the mutant's code runs at import."""
    if not known.reaching(mutant):
        return None
    with tree.broken(known.scope.module, mutant.source):
        for tests in known.waves(mutant):
            answer = tree.do("swap", original=original, mutated=mutant.source, tests=tests, durations=known.took)
            if answer["code"] == _AT_IMPORT:
                return None
            if answer["code"] != 0:
                return Verdict(mutant, _noticed_by(answer))
    return Verdict(mutant, None)


def _run(known: Known, mutant: Mutant, tree: BrokenTree) -> Verdict:
    """By tests that import the mutant."""
    with tree.broken(known.scope.module, mutant.source):
        for tests in known.waves(mutant):
            files = list(dict.fromkeys(name.partition("::")[0] for name in tests))
            answer = tree.do("run", files=files, tests=tests, durations=known.took)
            if answer["code"] != 0:
                return Verdict(mutant, _noticed_by(answer))
    return Verdict(mutant, None)


def _noticed_by(answer: dict[str, Any]) -> str:
    if answer["code"] == -signal.SIGALRM:
        return "timeout"
    return str(answer.get("failed") or f"exit {answer['code']}")
