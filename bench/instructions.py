"""`python -m bench.instructions`: how many instructions one request takes, sockets and kernel left out.

On a machine that others use too, time varies by a third from one run to the next; this count varies by a few per cent,
whatever else runs. It says nothing of caches: fewer instructions are mostly, but not always, less time. Where valgrind
has no SHA instructions of the processor, signing looks dearer than it is.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from bench.in_process import CALLERS, KINDS
from bench.installed import ROOT

# What start-up takes is in both, and so is in neither.
_FEW, _MANY = 20 * CALLERS, 100 * CALLERS


def instructions(checkout: Path, kind: str) -> int:
    """Of one request of this kind by the proxy of a checkout."""
    return (_counted(checkout, kind, _MANY) - _counted(checkout, kind, _FEW)) // (_MANY - _FEW)


def _counted(checkout: Path, kind: str, requests: int) -> int:
    python = checkout / ".venv" / "bin" / "python"
    program = str(python) if python.exists() else sys.executable
    tool = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    done = subprocess.run(
        [*tool, program, "-m", "bench.in_process", kind, str(requests)],
        cwd=checkout,
        env=os.environ | {"PYTHONHASHSEED": "0", "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    if done.returncode or found is None:
        raise SystemExit(done.stderr[-2000:])
    return int(found[1].replace(",", ""))


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.instructions", description=__doc__)
    parser.add_argument("kinds", nargs="*", help=f"of {', '.join(KINDS)}; all of them if none is named")
    parser.add_argument("--checkout", type=Path, action="append", help="whose proxy; may be given more than once")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        raise SystemExit("needs more than is here: apt-get install valgrind")
    for kind in options.kinds or KINDS:
        for checkout in options.checkout or [ROOT]:
            print(f"{kind:8} {instructions(checkout.resolve(), kind):>9,}  {checkout}", flush=True)


if __name__ == "__main__":
    main()
