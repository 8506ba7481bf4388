"""Give freed memory back to the system.

Streamlit draws each page in a thread, and glibc gives threads memory of their own, of which it
keeps what was freed: a store of a million rows read in several threads would be held several times.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import sys
from contextlib import suppress
from functools import cache

import pyarrow as pa

from grid.hardware.freed_memory import give_back_freed_memory

_ARENA_MAX = -8
"""M_ARENA_MAX of glibc's malloc.h."""


@cache
def limit_arenas() -> None:
    """Let all threads allocate from two arenas, once; only where the C library is glibc."""
    atexit.register(gc.unfreeze)  # else what a library counts at its end looks leaked
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").mallopt(_ARENA_MAX, 2)


def release() -> None:
    """Collect what nothing refers to any more and hand its memory to the system. What is left is
    taken to stay, and is looked through no more after each run of a page."""
    gc.unfreeze()
    pa.default_memory_pool().release_unused()
    give_back_freed_memory()
    gc.freeze()
