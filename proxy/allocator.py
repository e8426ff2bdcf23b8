"""What the C library does with memory that was freed (glibc; elsewhere nothing is changed).

Of its own accord it gives the end of its heap back to the system as soon as some hundred KiB of that are free, and the
next body has to be given it again, page by page: that took two thirds of the time of answers of 256 KiB. What is free
between other things it never gives back, so that a process stays as large as it ever was. See docs/PERFORMANCE.md.
"""

from __future__ import annotations

import ctypes

# So much free memory is kept at the end of the heap, in bytes.
KEPT = 8 * 1024 * 1024
# Blocks of this size and more come from the system, and go back to it.
_LARGE = 1024 * 1024
# <malloc.h>
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
# Opened once: each opening leaves a class of ctypes's to the garbage collection.
_LIBC = ctypes.CDLL(None)


def keep_freed_memory() -> None:
    """Keep it for the next body, up to a limit. From now on `give_back` is needed now and then."""
    mallopt = getattr(_LIBC, "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, KEPT)
        mallopt(_M_MMAP_THRESHOLD, _LARGE)


def give_back() -> None:
    """Give back what is free elsewhere than at the end. Half a millisecond; ten, where there are 100 MiB of it."""
    malloc_trim = getattr(_LIBC, "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(ctypes.c_size_t(KEPT))
