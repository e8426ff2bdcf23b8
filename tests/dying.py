"""The command, which kills itself at a moment that a test names: `python -m tests.dying EVENT PATH COUNT run -c FILE`.

The moments are the interpreter's own audit events, such as `os.rename`, which come just before what they tell of.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence


def command(event: str, path: object, count: int) -> Sequence[str]:
    """For `tests.process.running`: the process ends without a word when this is about to happen for this time."""
    return [sys.executable, "-m", "tests.dying", event, str(path), str(count)]


def main() -> None:
    event, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    sys.argv = ["authproxy", *sys.argv[4:]]
    seen = 0

    def hook(what: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if what == event and path in map(str, arguments[:2]):
            seen += 1
            if seen == count:
                os.kill(os.getpid(), signal.SIGKILL)

    from proxy.cli import main as run_command

    sys.addaudithook(hook)
    run_command()


if __name__ == "__main__":
    main()
