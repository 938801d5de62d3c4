"""The allocator of the shell's own process: it keeps memory that is given back, since the next batch takes it again."""

from __future__ import annotations

import ctypes
import os

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # numbers of settings in glibc's malloc.h
_LARGEST_MMAP = 32 * 2**20  # glibc takes no larger threshold
_LARGEST_TRIM = 2**31 - 1


def keep_memory() -> bool:
    """Raises the sizes from which glibc asks the kernel for memory and gives it back, by `mallopt`.

    The activations of a batch take tens of megabytes; handing them to the kernel and back cost a third of the time on
    one machine, and nothing on another. `KERAS_TRANSFER_MALLOC=system` leaves the allocator as it is.

    Returns:
        Whether it was done: not with another C library, nor where it is switched off.
    """
    if os.environ.get("KERAS_TRANSFER_MALLOC") == "system":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP) and mallopt(_TRIM_THRESHOLD, _LARGEST_TRIM))
