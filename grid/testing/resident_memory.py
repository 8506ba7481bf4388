"""The memory that a process holds, without what its allocator keeps for later."""

from __future__ import annotations

from grid.hardware.freed_memory import give_back_freed_memory


def resident_bytes() -> int:
    """Resident bytes of this process after freed memory went back to the system.

    An allocator that keeps freed memory would hide growth, which is served from it, and show
    memory that nobody uses.
    """
    import psutil

    give_back_freed_memory()
    return int(psutil.Process().memory_info().rss)
