"""What tells one state of a file from another without reading it.

Asked of the path and not of a handle, so that it follows symbolic links anew each time: Kubernetes changes a mounted
file by pointing `..data` elsewhere, editors and deployments by renaming another file over it. Inode and change time
are in it, since a replacement may keep the time of modification and the size.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

# Device, inode, times of modification and of change in nanoseconds, size; None: it is not there, or out of reach.
Stamp = tuple[int, int, int, int, int] | None
Stamps = Mapping[Path, Stamp]


def stamp(path: Path) -> Stamp:
    """The file's stamp at this moment."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size
