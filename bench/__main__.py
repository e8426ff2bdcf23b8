"""`python -m bench`: the short form, under two minutes; `--full` for all of it, with enough rounds to trust."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench import installed
from bench.cases import CASES
from bench.contender import Contender
from bench.contenders import contenders
from bench.machine import described
from bench.readme import replaced, summary
from bench.rounds import Extent, Rows, WrongAnswers
from bench.servers import settle
from bench.stage import Stage
from bench.table import busy, tables
from bench.verification import NotAuthenticated

# The short form: all contenders where the cost of a request is measured, the ones that matter most elsewhere.
_FEW = ("ours", "nginx", "envoy", "direct")
_BODIES = ("ours", "nginx-large", "envoy")
_SHORT: dict[str, tuple[str, ...]] = {"get": (), "credentials": (), "tls": _FEW, "rate": _FEW, "down": _BODIES}
_README = installed.ROOT / "README.md"
_NEEDED = {"wrk": "wrk", "nginx": "nginx-light", "taskset": "util-linux"}


def main() -> None:
    options = _options()
    try:
        _run(options)
    except (NotAuthenticated, WrongAnswers) as error:
        sys.exit(f"\n{error}")


def _run(options: argparse.Namespace) -> None:
    if options.install:
        installed.install()
        return
    missing = [package for program, package in _NEEDED.items() if shutil.which(program) is None]
    if missing:
        sys.exit(f"needs more than is here: apt-get install {' '.join(missing)}")
    known = contenders(options.checkout)
    chosen = _chosen(known, options.only)
    extent = Extent(options.seconds or (3 if options.full else 1), options.rounds or (7 if options.full else 3))
    settle()
    machine = described(chosen, extent)
    results: dict[str, Rows] = {}
    with tempfile.TemporaryDirectory(prefix="authproxy-bench-") as folder, ExitStack() as running:
        stage = Stage(Path(folder), running)
        for key in options.cases or (CASES if options.full else _SHORT):
            print(f"{key} ", end="", file=sys.stderr, flush=True)
            few = () if options.full or options.only else _SHORT.get(key, ())
            taking_part = [one for one in chosen if not few or one.kin in few]
            if key == "rate" and not any(one.is_direct for one in taking_part):
                taking_part += [one for one in known if one.is_direct]  # What is added is what it is compared with.
            results[key] = CASES[key](stage, taking_part, extent)
            if options.json:
                options.json.write_text(json.dumps({"machine": machine, "results": results}, indent=1) + "\n")
    _print(results, {one.key: one.title for one in known}, machine, write=options.write_readme)


def _print(results: dict[str, Rows], titles: dict[str, str], machine: str, *, write: bool) -> None:
    if disturbed := busy(results):
        machine += f" Other programs used the core as well ({', '.join(disturbed)}): there only the ratios of CPU hold."
    glance = summary(results, titles, machine)
    print(f"{tables(results, titles)}\n\n{glance}")
    if write:
        _README.write_text(replaced(_README.read_text(), glance))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="7 rounds of 3 s, all cases, all contenders")
    parser.add_argument("--seconds", type=int, help="length of one slice")
    parser.add_argument("--rounds", type=int, help="slices of each contender, in turn")
    parser.add_argument("--only", type=_words, default=[], help="contenders, comma-separated: ours,nginx,envoy")
    parser.add_argument("--cases", type=_words, default=[], help=f"of {','.join(CASES)}")
    parser.add_argument(
        "--checkout",
        type=_checkout,
        action="append",
        help="[NAME=]PATH: measure this checkout of ours; several are compared with each other",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every round's values there")
    parser.add_argument("--write-readme", action="store_true", help="put the table into the README")
    parser.add_argument("--install", action="store_true", help="fetch contenders into .bench/, then stop")
    options = parser.parse_args()
    options.checkout = {f"ours:{name}" if name else "ours": path for name, path in options.checkout or ()}
    unknown = [key for key in options.cases if key not in CASES]
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}; there are {', '.join(CASES)}")
    return options


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _checkout(text: str) -> tuple[str, Path]:
    name, _, path = text.rpartition("=")
    folder = Path(path).resolve()
    if not (folder / "proxy" / "__main__.py").exists():
        raise argparse.ArgumentTypeError(f"{path} is no checkout of authproxy")
    return name, folder


def _chosen(known: list[Contender], only: list[str]) -> list[Contender]:
    unknown = [key for key in only if not any(key in (one.key, one.kin) for one in known)]
    if unknown:
        sys.exit(f"no such contender: {', '.join(unknown)}; there are {', '.join(one.key for one in known)}")
    chosen = []
    for one in known:
        if only and one.key not in only and one.kin not in only:
            continue
        if one.program is None:
            print(f"{one.title} is left out; to have it: {one.install}", file=sys.stderr)
            continue
        chosen.append(one)
    return chosen


if __name__ == "__main__":
    main()
