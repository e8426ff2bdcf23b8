"""Keeping this process's memory to itself.

Secrets are in it in the clear while it runs. On Linux any process of the same user may by default attach to it,
read /proc/PID/mem and /proc/PID/environ, and find a core dump after a crash; all of that is closed here. Root can
still do it. Elsewhere only core dumps are switched off.
"""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4  # <linux/prctl.h>


def close_to_others() -> None:
    """No core dumps, and no reading of the memory or environment by others. Programs started later are not affected.

    Raises OSError where the system refuses.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE) failed")
