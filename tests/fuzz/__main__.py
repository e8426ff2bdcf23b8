"""`python -m tests.fuzz`: see the package."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz import CORPUS, FUZZERS, judge_of

# What a run finds stays here until it is minimised into the corpus.
_FOUND = Path(__file__).parents[2] / ".fuzz"
_LONGEST_INPUT = 4096
_LONGEST_SECONDS = 5


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Look for inputs that break a promise.")
    parser.add_argument("name", nargs="?", choices=FUZZERS)
    parser.add_argument("--seconds", type=int, default=60, help="how long to look (60)")
    parser.add_argument("--minimise", action="store_true", help="keep in the corpus what reaches something of its own")
    options = parser.parse_args()
    if options.name is None:
        print("\n".join(f"{name:<15}{doubt}" for name, doubt in FUZZERS.items()))
        return 0
    if options.minimise:
        from tests.fuzz.minimise import minimise

        before, after = minimise(options.name, _FOUND / options.name)
        print(f"{options.name}: {after} of {before} inputs kept")
        return 0
    if find_spec("atheris") is None:
        print("atheris is not installed: pip install -c constraints.txt -e '.[fuzz]'", file=sys.stderr)
        return 2
    _fuzz(options.name, options.seconds)
    return 0


def _fuzz(name: str, seconds: int) -> None:
    """Ends the process: with 0, or with a file `crash-...` in the folder of what was found."""
    import atheris

    found = _FOUND / name
    found.mkdir(parents=True, exist_ok=True)
    with atheris.instrument_imports(include=["proxy"]):
        judge = judge_of(name)
    limits = [f"-max_total_time={seconds}", f"-timeout={_LONGEST_SECONDS}", f"-max_len={_LONGEST_INPUT}"]
    places = [f"-artifact_prefix={found}/", str(found), str(CORPUS / name)]
    atheris.Setup([sys.argv[0], *limits, "-print_final_stats=1", *places], judge)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
