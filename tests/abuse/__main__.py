"""`python -m tests.abuse`: a scorecard of any proxy.

    python -m tests.abuse                         of those that are known here: authproxy, naive aiohttp, nginx
    python -m tests.abuse --only authproxy --case B16
    python -m tests.abuse --command "my-proxy --port {port} --to {upstream} --bearer {credential}"

The proxy must listen on 127.0.0.1:{port} and send what comes for {prefix}/... on to {upstream}/..., with the header
`Authorization: Bearer {credential}`. If it knows local tokens, it is to want {token} where that is not empty.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys

from tests.abuse.case import cases
from tests.abuse.contenders import CONTENDERS, given
from tests.abuse.scorecard import Scorecard, scored


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.abuse", description="A scorecard of a proxy.")
    parser.add_argument("--command", help="a proxy's command line, with {port}, {upstream}, {credential}, {folder}")
    parser.add_argument("--only", choices=CONTENDERS, help="one of those that are known here")
    parser.add_argument("--case", default="", help="only cases whose name begins so")
    parser.add_argument("--verbose", action="store_true", help="each case that failed, and why")
    options = parser.parse_args()
    wanted = [case for case in cases() if case.name.startswith(options.case)]
    if options.command:
        commands = {"the command": given(options.command)}
    else:
        commands = {name: one for name, one in CONTENDERS.items() if options.only in (None, name)}
        if options.only is None and shutil.which("nginx") is None:
            del commands["nginx"]
    is_safe = True
    for name, command in commands.items():
        card = asyncio.run(scored(name, command, wanted))
        print(_told(card, verbose=options.verbose))
        is_safe = is_safe and not card.unsafe
    return 0 if is_safe else 1


def _told(card: Scorecard, *, verbose: bool) -> str:
    lines = [f"## {card.name}", "", card.table(), ""]
    if verbose:
        for title, found in (("Unsafe", card.unsafe), ("Inexact", card.inexact)):
            lines += [f"{title}:", *(f"- {name}: {'; '.join(reasons)}" for name, reasons in found.items()), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
