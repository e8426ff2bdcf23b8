"""`python -m tests.soak [RUN ...]`: each run in its full length, one after the other, with what it measured."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from tests.soak import runs
from tests.soak.runs import Measure, Measured

FULL: dict[str, Callable[[], Awaitable[Measured]]] = {
    "first_requests": lambda: runs.first_requests(1000),
    "short_tokens": lambda: runs.short_tokens(Measure(60, 300, 5)),
    "revocation": lambda: runs.revocation(200),
    "login_down": lambda: runs.login_down(Measure(30, 200, 5)),
    "bad_secret": lambda: runs.bad_secret(Measure(70, 500, 1000)),
    "rejects_all": lambda: runs.rejects_all(Measure(60, 500, 1000)),
    "malformed_logins": runs.malformed_logins,
    "suspended": lambda: runs.suspended(Measure(12, 0, 5)),
}


async def main(names: list[str]) -> int:
    """Run those of these names, or all; how many failed."""
    failed = 0
    for name in names or FULL:
        try:
            measured = await FULL[name]()
        except (AssertionError, TimeoutError) as error:
            failed += 1
            print(f"{name:18}FAILED  {error!r}", flush=True)
        else:
            print(f"{name:18}" + "  ".join(f"{what} {figure}" for what, figure in measured.items()), flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(min(asyncio.run(main(sys.argv[1:])), 1))
