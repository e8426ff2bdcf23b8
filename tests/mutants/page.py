"""What became of the mutants: kept from run to run in `.mutants.json`, and written down in docs/MUTANTS.md.

`survivors.yaml` has the reasons: for each module groups of mutants, what kind they are of and why no test notices.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from tests.mutants.hunt import Verdict
from tests.mutants.scope import SCOPES, Scope
from tests.mutants.tree import ROOT

_RESULTS = ROOT / ".mutants.json"
_REASONS = ROOT / "tests/mutants/survivors.yaml"
_PAGE = ROOT / "docs/MUTANTS.md"
_BEGIN = "<!-- made by make mutants -->\n"
EQUAL, ACCEPTED, OPEN = "equal", "accepted", "open"
_UNSAID = (OPEN, "a test that notices, or the reason why there need not be one, is still to come.")
_WORDS = {EQUAL: "Changes nothing", ACCEPTED: "Accepted", OPEN: "Open"}


def survivors(module: str) -> list[str]:
    """Those of the last run; none where there was none."""
    return list(_results().get(module, {}).get("survivors", []))


def record(scope: Scope, verdicts: Sequence[Verdict], every: int, *, is_again: bool) -> int:
    """Keep a module's result, of each so manieth mutant; how many survivors have no reason, or reasons no survivor.

    `is_again`: the verdicts are of the survivors of the last run alone.
    """
    living = [verdict.mutant.name for verdict in verdicts if verdict.noticed is None]
    reasons = reasons_of(scope.module)
    unexplained = [name for name in living if name not in reasons]
    stale = [name for name in reasons if name not in living] if every == 1 else []
    print(
        f"  {len(unexplained)} survivors without a reason; {len(stale)} reasons without a survivor {stale}", flush=True
    )
    results = _results()
    figures = {"mutants": len(verdicts), "every": every}
    results[scope.module] = {**(results[scope.module] if is_again else figures), "survivors": living}
    _RESULTS.write_text(json.dumps(results, indent=1))
    return len(unexplained) + len(stale)


def _results() -> dict[str, Any]:
    return dict(json.loads(_RESULTS.read_text())) if _RESULTS.exists() else {}


def reasons_of(module: str) -> dict[str, tuple[str, str]]:
    """Each listed survivor's kind and reason."""
    groups = (yaml.safe_load(_REASONS.read_text()) or {}).get(module, [])
    return {
        name: (kind, group[kind])
        for group in groups
        for kind in (EQUAL, ACCEPTED)
        if kind in group
        for name in group["mutants"].splitlines()
    }


def write_page() -> None:
    """Write the tables anew, from the last result of each module."""
    results = _results()
    head = _PAGE.read_text().partition(_BEGIN)[0]
    _PAGE.write_text(
        head + _BEGIN + "\n" + "\n".join([*_areas(results), "", *_modules(results), "", *_survivors(results)])
    )


def _areas(results: dict[str, Any]) -> Iterator[str]:
    yield "| area | mutants | killed | score | change nothing | accepted | open |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for area in dict.fromkeys(scope.area for scope in SCOPES):
        yield _row(area, [scope.module for scope in SCOPES if scope.area == area], results)
    yield _row("all", [scope.module for scope in SCOPES], results)


def _modules(results: dict[str, Any]) -> Iterator[str]:
    yield "| module | mutants | killed | score | change nothing | accepted | open |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    yield from (_row(f"`{scope.module}`", [scope.module], results) for scope in SCOPES)


def _row(name: str, modules: Sequence[str], results: dict[str, Any]) -> str:
    known = [module for module in modules if module in results]
    mutants = sum(results[module]["mutants"] for module in known)
    kinds = [kind for module in known for kind in _kinds(module, results)]
    killed = mutants - len(kinds)
    if len(modules) == 1 and not known:
        return f"| {name} | not run yet | | | | | |"
    if len(modules) == 1 and results[modules[0]]["every"] > 1:
        name += f", one in {results[modules[0]]['every']}"
    score = f"{100 * killed / mutants:.1f} %" if mutants else ""
    return f"| {name} | {mutants} | {killed} | {score} | {' | '.join(str(kinds.count(kind)) for kind in (EQUAL, ACCEPTED, OPEN))} |"


def _kinds(module: str, results: dict[str, Any]) -> list[str]:
    reasons = reasons_of(module)
    return [reasons.get(name, (OPEN, ""))[0] for name in results[module]["survivors"]]


def _survivors(results: dict[str, Any]) -> Iterator[str]:
    yield "## The survivors\n"
    for scope in SCOPES:
        reasons = reasons_of(scope.module)
        names: list[str] = results.get(scope.module, {}).get("survivors", [])
        if names:
            yield f"### `{scope.module}`\n"
        for kind, why in dict.fromkeys(reasons.get(name, _UNSAID) for name in names):
            yield f"{_WORDS[kind]}: {why}\n"
            yield from (f"- {name}" for name in names if reasons.get(name, _UNSAID) == (kind, why))
            yield ""
