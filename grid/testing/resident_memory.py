"""The memory that a process holds, without what its allocator keeps for later."""

from __future__ import annotations

import ctypes
import gc
import sys


def resident_bytes() -> int:
    """Resident bytes of this process after freed memory went back to the system.

    An allocator that keeps freed memory would hide growth, which is served from it, and show
    memory that nobody uses.
    """
    import psutil

    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:  # musl has none
        trim(0)
    return int(psutil.Process().memory_info().rss)
