"""A file that survives whatever ends this process, or the machine: what is there is old or new, never half.

Plain functions, all of which may block. Only one process at a time has the file: a lock, which ends with its holder
however that ends, lies beside it, since the file itself is replaced by every write.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

from proxy.tokens.stores.store import StoreRefused

# The disk's trouble, not the configuration's: it may pass, and requests can go on without a store meanwhile.
PASSING = frozenset({errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EMFILE, errno.ENFILE})
LARGEST_FILE = 64 * 1024 * 1024


def folder_problem(path: Path) -> str | None:
    """Why this file's folder will not do; None if it will, or can be made."""
    folder = path.parent
    try:
        if path.is_dir():
            return "this is a folder; name a file in it"
        status = folder.stat()
    except FileNotFoundError:
        above = folder.parent
        return None if above.is_dir() else f"neither {folder} nor the folder above it is there; make one of them"
    except OSError as error:
        return f"its folder cannot be looked into: {error.strerror}"
    if not stat.S_ISDIR(status.st_mode):
        return f"{folder} is no folder"
    if os.geteuid() not in (0, status.st_uid) and status.st_uid != 0:
        return f"{folder} belongs to another user"
    if status.st_mode & 0o022:
        return (
            f"other users can write into {folder}, and put a file of theirs there; "
            f"name a file in a folder of its own below it, which authproxy makes"
        )
    return None


def is_folder_private(path: Path) -> bool:
    """Whether other users cannot even see which files there are; a folder that is yet to be made will be so."""
    try:
        return not path.parent.stat().st_mode & 0o077
    except OSError:
        return True


def make_folder(path: Path) -> None:
    """Make this file's folder, for its owner alone, unless there is one. Raises StoreRefused or OSError."""
    problem = folder_problem(path)
    if problem is not None:
        raise StoreRefused(problem)
    path.parent.mkdir(mode=0o700, exist_ok=True)


def lock(path: Path) -> int:
    """Take the lock of this file; gives its descriptor, which holds it. Raises StoreRefused or OSError."""
    name = path.with_name(path.name + ".lock")
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
        os.close(descriptor)
        who = f"process {holder}" if holder.isdecimal() else "another process"
        raise StoreRefused(f"the token store {path} is in use by {who}; one file serves one process") from None
    except OSError:
        os.close(descriptor)
        raise
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    except OSError:
        pass  # Who holds it is for the reader only.
    return descriptor


def read(path: Path) -> bytes | None:
    """The file's content; None if there is none. Raises OSError, also for what is no plain file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a plain file")
        return file.read(LARGEST_FILE)


def write(path: Path, content: bytes) -> None:
    """Replace the file at once and for good, mode 0600. Raises OSError; then the old one is still there."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(new, path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def set_aside(path: Path, moment: float) -> Path:
    """Rename the file to a name that tells when it was found broken. Raises OSError."""
    stamp = datetime.fromtimestamp(moment, UTC).strftime("%Y%m%dT%H%M%SZ")
    aside, number = path.with_name(f"{path.name}.broken-{stamp}"), 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.broken-{stamp}-{number}")
    path.rename(aside)
    return aside


def _sync_folder(folder: Path) -> None:
    # Without it a power failure may bring the old file back, with a refresh token that is spent since.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
