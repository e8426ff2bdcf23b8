"""How commands find the running proxy: a small file of its own user's, gone when the proxy is.

It holds the admin listener's address and token, and has mode 0600. A folder or file that another user could have
written is not believed: who asks a false proxy gets false answers.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """One running proxy: `config` is its file's absolute path, `admin` an address in the form of `server.admin`."""

    pid: int
    config: str
    admin: str
    token: str = field(repr=False)

    @property
    def page(self) -> str | None:
        """The link that opens the status page and signs in, as secret as the token; None where no browser gets to.

        What stands behind # stays in the browser: no request holds it, and no log.
        """
        if self.admin.startswith("unix:"):
            return None
        return f"http://{reachable(self.admin)}/#token={self.token}"


def reachable(address: str) -> str:
    """What to call for an address that stands for every interface."""
    return address.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")  # noqa: S104 - nothing is bound here


def folders(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Where such files may be, the best place first: the user's runtime folder, the service's, a temporary one."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    own = (Path(runtime) / "authproxy",) if runtime.startswith("/") else ()
    temporary = environ.get("TMPDIR") or "/tmp"  # noqa: S108 - a folder below it, whose owner is checked
    return *own, Path("/run/authproxy"), Path(temporary) / f"authproxy-{os.geteuid()}"


@contextmanager
def told(whereabouts: Whereabouts, places: tuple[Path, ...]) -> Iterator[bool]:
    """Leave the file in the first of the places that will have it, and take it away; gives whether there was one."""
    path = next((path for place in places if (path := _written(whereabouts, place)) is not None), None)
    try:
        yield path is not None
    finally:
        if path is not None:
            with suppress(OSError):
                path.unlink()


def running(places: tuple[Path, ...]) -> tuple[Whereabouts, ...]:
    """All proxies that left word in these places and seem to be alive."""
    return tuple(one for place in places for one in _told_in(place) if _is_alive(one.pid))


def _written(whereabouts: Whereabouts, folder: Path) -> Path | None:
    try:
        # Only the last part is made: the folder above it is the system's.
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if not _is_ours(folder, closed_to=stat.S_IWGRP | stat.S_IWOTH):
            return None
        for path in folder.glob("*.json"):
            if path.stem.isdigit() and not _is_alive(int(path.stem)):
                path.unlink()  # Left behind by one that was killed.
        path = folder / f"{whereabouts.pid}.json"
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(whereabouts), file)
    except OSError:
        return None
    return path


def _told_in(folder: Path) -> Iterator[Whereabouts]:
    if not _is_ours(folder, closed_to=stat.S_IWGRP | stat.S_IWOTH):
        return
    for path in sorted(folder.glob("*.json")):
        with suppress(OSError, ValueError, TypeError):
            if _is_ours(path, closed_to=stat.S_IRWXG | stat.S_IRWXO):
                yield Whereabouts(**json.loads(path.read_text(encoding="utf-8")))


def _is_ours(path: Path, *, closed_to: int) -> bool:
    """Whether it is this user's, for root any user's, no symlink, and has none of these permissions."""
    try:
        status = path.lstat()
    except OSError:
        return False
    is_ours = status.st_uid == os.geteuid() or os.geteuid() == 0
    return is_ours and not stat.S_ISLNK(status.st_mode) and not status.st_mode & closed_to


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
