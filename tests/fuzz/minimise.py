"""Of many inputs those few that together reach all that the many reach: lines one behind the other, in `proxy/`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzz import CORPUS, judge_of

_HOUSE = str(Path(__file__).parents[2] / "proxy")

# From one line to the next, and how often, by powers of two.
Steps = set[tuple[str, int, int, int]]


def minimise(name: str, found: Path) -> tuple[int, int]:
    """Take what was found into the corpus, and drop what reaches nothing of its own; how many there were, and are.

    What has a name of its own is a case that broke something once, and stays.
    """
    judge, folder = judge_of(name), CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    kept = [path for path in folder.iterdir() if not _is_nameless(path)]
    inputs = {path.read_bytes() for path in (*folder.iterdir(), *found.glob("*")) if path.is_file()}
    inputs -= {path.read_bytes() for path in kept}
    reached: Steps = set()
    for path in kept:
        reached |= steps(judge, path.read_bytes())
    chosen = []
    for octets in sorted(inputs, key=lambda octets: (len(octets), octets)):
        own = steps(judge, octets)
        if own - reached:
            reached |= own
            chosen.append(octets)
    for path in list(folder.iterdir()):
        if _is_nameless(path):
            path.unlink()
    for octets in chosen:
        (folder / sha256(octets).hexdigest()[:16]).write_bytes(octets)
    return len(inputs) + len(kept), len(chosen) + len(kept)


def steps(judge: Callable[[bytes], None], octets: bytes) -> Steps:
    """What the judge's run of these octets passes through."""
    counts: dict[tuple[str, int, int], int] = {}

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_HOUSE):
            return None
        file, last = frame.f_code.co_filename, frame.f_code.co_firstlineno

        def trace_line(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal last
            if event == "line":
                step = (file, last, frame.f_lineno)
                counts[step] = counts.get(step, 0) + 1
                last = frame.f_lineno
            return trace_line

        return trace_line

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        judge(octets)
    finally:
        sys.settrace(before)
    return {(*step, count.bit_length()) for step, count in counts.items()}


def _is_nameless(path: Path) -> bool:
    return len(path.name) == 16 and set(path.name) <= set("0123456789abcdef")
