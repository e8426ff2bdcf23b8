"""All cases against one proxy, and the result as a table."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from tests.abuse.case import Case
from tests.abuse.contenders import Command
from tests.abuse.judge import Verdict, tried
from tests.abuse.stage import Stage, staged
from tests.abuse.wire import CUTS

GROUPS = {
    "A": "browsers and callers",
    "B": "target and routing",
    "C": "headers",
    "D": "framing, both ways",
    "E": "limits",
    "F": "leaks",
    "O": "afterwards: output, files, descriptors, memory",
}
_FILES_MORE = 12
_BYTES_MORE = 40_000_000
_WARM = 20
_LOOKS = 50
_SHARES = 4


@dataclass
class Scorecard:
    """The verdicts on one proxy, of each case in each cut."""

    name: str
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def unsafe(self) -> dict[str, list[str]]:
        """The cases that it did not stand in some cut, and why."""
        return _by_case((verdict.case, verdict.unsafe) for verdict in self.verdicts)

    @property
    def inexact(self) -> dict[str, list[str]]:
        return _by_case((verdict.case, verdict.inexact) for verdict in self.verdicts)

    def table(self) -> str:
        """A line for each group: how many cases, how many it stood, how many as the contract says."""
        total = Counter(name[0] for name in {verdict.case for verdict in self.verdicts})
        unsafe = Counter(name[0] for name in self.unsafe)
        inexact = Counter(name[0] for name in self.unsafe.keys() | self.inexact.keys())
        lines = ["| group | cases | safe | exact |", "|---|---:|---:|---:|"]
        for letter, title in GROUPS.items():
            count = total[letter]
            if count:
                lines.append(f"| {letter} {title} | {count} | {count - unsafe[letter]} | {count - inexact[letter]} |")
        count = total.total()
        lines.append(f"| **all** | {count} | **{count - unsafe.total()}** | **{count - inexact.total()}** |")
        return "\n".join(lines)


async def scored(name: str, command: Command, cases: Sequence[Case]) -> Scorecard:
    """Try every case in every cut, some at a time, each part before a process of its own."""
    open_ones = [case for case in cases if not case.needs_token]
    # Octet by octet is mostly waiting, so several do it at a time.
    size = max(-(-len(open_ones) // _SHARES), 1)
    parts = [(open_ones[at : at + size], ["byte by byte"], False) for at in range(0, len(open_ones), size)]
    parts.append((open_ones, ["whole", "at line ends"], False))
    parts.append(([case for case in cases if case.needs_token], list(CUTS), True))
    starting = asyncio.Semaphore(2)
    verdicts = await asyncio.gather(*(_part(command, *part, starting) for part in parts if part[0]))
    return Scorecard(name, [verdict for part in verdicts for verdict in part])


async def _part(
    command: Command, cases: Sequence[Case], cuts: Sequence[str], needs_token: bool, starting: asyncio.Semaphore
) -> list[Verdict]:
    async with AsyncExitStack() as stack:
        async with starting:
            stage = await stack.enter_async_context(staged(command, with_token=needs_token))
        rounds = [(case, cut) for cut in cuts for case in cases]
        verdicts = [await _next(stage, *one) for one in rounds[:_WARM]]
        files, memory = stage.open_files(), stage.resident()
        verdicts += [await _next(stage, *one) for one in rounds[_WARM:]]
        after = Verdict("O3 descriptors and memory", cuts[-1])
        for _ in range(_LOOKS):
            if stage.open_files() <= files + _FILES_MORE:
                break
            await asyncio.sleep(0.1)
        if files and stage.open_files() > files + _FILES_MORE:
            after.unsafe.append(f"{stage.open_files() - files} more open files")
        if memory and stage.resident() > memory + _BYTES_MORE:
            after.unsafe.append(f"{(stage.resident() - memory) // 1_000_000} MB more")
    end = Verdict("O65 its end", cuts[-1], [], [] if stage.process.returncode in (0, -15) else ["did not end in order"])
    output = Verdict("O44 its output", cuts[-1], [f"{at} shows it" for at in stage.leaking])
    return [*verdicts, after, end, output]


async def _next(stage: Stage, case: Case, cut: str) -> Verdict:
    return await tried(stage, case, cut) if stage.is_alive else Verdict(case.name, cut, ["the proxy ended before"])


def _by_case(pairs: Iterable[tuple[str, list[str]]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, reasons in pairs:
        for reason in reasons:
            if reason not in found.setdefault(name, []):
                found[name].append(reason)
        if not found.get(name):
            found.pop(name, None)
    return found
