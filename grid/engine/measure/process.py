"""Facts about this process and its files, read from the system."""

from __future__ import annotations

import ctypes
import ctypes.util
import mmap
import os
import sys
from contextlib import suppress
from pathlib import Path


def own_processes() -> tuple[int, ...]:
    """Ids of this process and of all that it started, as far as they live: an engine may compute in
    processes of its own."""
    import psutil

    return os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))


def own_cpu_s() -> float:
    """Seconds that this process and all that it started computed, also those that ended and were
    waited for."""
    import psutil

    own = os.times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it ended meanwhile
            times = child.cpu_times()
            total += times.user + times.system
            total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return total


def resident_bytes() -> int:
    """Resident memory of this process now, bytes."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def peak_resident_bytes() -> int:
    """High-water mark of resident memory of this process and, added, its living children, bytes."""
    import psutil

    return own_peak_bytes() + sum(
        int(c.memory_info().rss) for c in psutil.Process().children(recursive=True)
    )


def own_peak_bytes() -> int:
    """High-water mark of resident memory of this process alone, bytes."""
    return _status_bytes("VmHWM") or _rusage_peak()


def _status_bytes(field: str) -> int:
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def _rusage_peak() -> int:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def page_cache_share(path: Path) -> float | None:
    """Share (0..1) of the pages of a weight file, or of a folder's files, that are in the page
    cache; None where the system does not show it.

    0 means that loading reads the disk (cold), 1 that it reads memory (warm).
    """
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    sizes = {file: file.stat().st_size for file in files if file.is_file()}
    shares = {file: _cached_share(file, size) for file, size in sizes.items() if size}
    cached = {file: share * sizes[file] for file, share in shares.items() if share is not None}
    total = sum(sizes[file] for file in cached)
    return sum(cached.values()) / total if total else None


def _cached_share(path: Path, size: int) -> float | None:
    pages = -(-size // mmap.PAGESIZE)
    libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
    with path.open("rb") as file, mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ) as view:
        import numpy as np

        address = np.frombuffer(view, dtype=np.uint8).ctypes.data
        state = (ctypes.c_ubyte * pages)()
        failed = libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), state)
        return None if failed else sum(page & 1 for page in state) / pages


MIN_CORE_S = 0.5
"""Seconds of core time from which a share of it means something."""


class OtherCpuUsage:
    """How much of the machine's CPU time processes used during a measurement that are neither this
    one nor started by it."""

    def __init__(self) -> None:
        self._start = self._read()

    def share(self) -> float | None:
        """Share (0..1) of all cores' time that other processes computed since construction.

        None within `MIN_CORE_S` of it: the system counts in steps of 10 ms.
        """
        total, busy, own = (now - then for now, then in zip(self._read(), self._start, strict=True))
        if total < MIN_CORE_S:
            return None
        return max(0.0, min(1.0, (busy - own) / total))

    @staticmethod
    def _read() -> tuple[float, float, float]:
        import psutil

        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        return sum(times[:8]), sum(times[:8]) - idle, own_cpu_s()
