"""Noticing that files have changed, by looking at them every second.

Looking works everywhere alike. Events of the system do not: they are not sent for network file systems, for single
files mounted into a container, or across the border of a virtual machine; they are tied to an inode, so that a
replaced file or a swapped symlink goes unnoticed unless the right folder is watched as well; and that folder need not
exist yet. A look at ten files, and the thread for it, cost some 0.2 ms.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from proxy.background import in_background
from proxy.stamps import Stamp, Stamps, stamp

# Longer than this, in looks, nobody is waited for who goes on writing, or took a file away and brings none.
PATIENCE = 5


class Vigil:
    """Decides when files that changed are to be read again: once they have been quiet from one look to the next.

    A file that is gone counts as unquiet, since most often its successor is on the way.
    """

    def __init__(self, stamps: Stamps) -> None:
        self._known = dict(stamps)
        self._latest: Stamps = {}
        self._restless_looks = 0

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(self._known)

    def look(self, stamps: Stamps) -> bool:
        """Whether to read them now, as they are at this look; if so, they count as known from now on."""
        if stamps.keys() != self._known.keys() or stamps == self._known:
            self._latest, self._restless_looks = {}, 0
            return False
        is_quiet = stamps == self._latest and not any(self._is_gone(path, now) for path, now in stamps.items())
        self._latest = stamps
        self._restless_looks += 1
        if not is_quiet and self._restless_looks < PATIENCE:
            return False
        self._known, self._latest, self._restless_looks = dict(stamps), {}, 0
        return True

    def took(self, stamps: Stamps, *, completely: bool) -> None:
        """They were read, with these stamps just before; completely, or only as far as the first mistakes let."""
        self._known = dict(stamps) if completely else {**self._known, **stamps}

    def _is_gone(self, path: Path, now: Stamp) -> bool:
        return now is None and self._known[path] is not None


async def watch(vigil: Vigil, changed: Callable[[], Awaitable[object]], seconds: float) -> None:
    """Look for ever, every so many seconds, and call `changed` when there is something to be read."""
    while True:
        await asyncio.sleep(seconds)
        if vigil.look(await in_background(partial(_stamps, vigil.paths))):
            await changed()


def _stamps(paths: tuple[Path, ...]) -> Stamps:
    return {path: stamp(path) for path in paths}
