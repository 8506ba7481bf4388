"""Freed memory back to the system, of which allocators keep some for later."""

from __future__ import annotations

import ctypes
import gc
import sys


def give_back_freed_memory() -> None:
    """Collect what nothing refers to any more, and let the C library give its memory back, where it
    can: glibc does, musl and other systems have no such call."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
