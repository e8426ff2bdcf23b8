"""`python -m tests.mutants [--module PATH] [--name TEXT]`: which mutants live; without a module all, and docs/MUTANTS.md."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack

from tests.mutants.hunt import TestsFailUnbroken, Verdict, hunt
from tests.mutants.mutations import Mutant
from tests.mutants.page import record, survivors, write_page
from tests.mutants.scope import SCOPES
from tests.mutants.tree import BrokenTree


def main() -> int:
    """How many survived that nobody gave a reason for, as an exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("--module", action="append", help="only this one, as a path; may be given several times")
    parser.add_argument("--name", default="", help="only the mutants in whose names this text is")
    parser.add_argument(
        "--every", type=int, default=1, help="only each so manieth mutant: a sample, which the page says"
    )
    parser.add_argument("--survivors", action="store_true", help="only those that no test noticed the last time")
    parser.add_argument("--processes", type=int, default=2, help="how many mutants at a time")
    parser.add_argument("--verbose", action="store_true", help="name the test that noticed, too")
    chosen = parser.parse_args()

    def wanted(mutants: Iterable[Mutant]) -> list[Mutant]:
        lived = survivors(scope.module) if chosen.survivors else None
        found = [mutant for mutant in mutants if chosen.name in mutant.name and (lived is None or mutant.name in lived)]
        return found[:: chosen.every]

    def tell(verdict: Verdict) -> None:
        if verdict.noticed is None:
            print(f"  lives: {verdict.mutant.first}: {verdict.mutant.name}", flush=True)
        elif chosen.verbose:
            print(f"  dead:  {verdict.mutant.first}: {verdict.mutant.name}  [{verdict.noticed}]", flush=True)

    scopes = [scope for scope in SCOPES if not chosen.module or scope.module in chosen.module]
    unexplained = 0
    with ExitStack() as stack:
        trees = [stack.enter_context(BrokenTree()) for _ in range(chosen.processes)]
        for scope in scopes:
            began = time.monotonic()
            print(scope.module, flush=True)
            try:
                verdicts = hunt(scope, trees, wanted, tell)
            except TestsFailUnbroken as failure:
                print(f"  its tests fail without any mutant: {failure}", flush=True)
                unexplained += 1
                continue
            killed = sum(verdict.noticed is not None for verdict in verdicts)
            print(f"  {killed} of {len(verdicts)} killed, {time.monotonic() - began:.0f} s", flush=True)
            if not chosen.name:
                unexplained += record(scope, verdicts, chosen.every, is_again=chosen.survivors)
    if not chosen.name:
        write_page()
    return min(unexplained, 1)


if __name__ == "__main__":
    sys.exit(main())
