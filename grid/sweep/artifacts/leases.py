"""Leases record which items living processes of this node use, and when each was last used.

A lease is an empty file in `uses/<item>/` of the cache, named by its process and the second after
the machine's start in which it began, which stays when the clock is set; the folder's time of
change is the last use. A process that was killed leaves its leases, which the next one to look
removes.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Collection
from contextlib import suppress
from functools import cache
from pathlib import Path
from uuid import uuid4

from filelock import FileLock

from grid.cache import cache_dir
from grid.sweep.artifacts.offers import slug

FOREIGN_S = 24 * 3600.0
"""How long a lease of another host (a cache on a network disk) counts: whether its process lives
cannot be seen from here."""


class Leases:
    """The items that one worker uses. A cache that cannot be written loses nothing by eviction
    either, so that failing to write a lease is no error."""

    def __init__(self) -> None:
        self._held: dict[str, Path] = {}

    def take(self, key: str) -> None:
        """Protect the item from eviction."""
        if key in self._held:
            return
        folder = _folder(key)
        with suppress(OSError), cache_lock():
            folder.mkdir(parents=True, exist_ok=True)
            lease = folder / f"{_process()}-{uuid4().hex[:8]}"
            lease.touch()
            self._held[key] = lease

    def release(self, keep: Collection[str] = ()) -> None:
        """End all leases but those to keep; the items count as used now."""
        for key in [key for key in self._held if key not in keep]:
            with suppress(OSError):
                self._held.pop(key).unlink(missing_ok=True)
                touch(key)


def cache_lock() -> FileLock:
    """The lock held while items are evicted or leased, so that these never overlap."""
    path = cache_dir() / "locks" / "eviction.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path)


def touch(key: str) -> None:
    """Set the last use of the item to now."""
    with suppress(OSError):
        _folder(key).mkdir(parents=True, exist_ok=True)
        os.utime(_folder(key))


def last_use(key: str) -> float | None:
    """Seconds since the epoch; None where it was never noted."""
    try:
        return _folder(key).stat().st_mtime
    except OSError:
        return None


def in_use(key: str) -> bool:
    """Whether a living process has it. Leases of dead ones are removed."""
    try:
        leases = list(_folder(key).iterdir())
    except OSError:
        return False
    used = last_use(key)
    living = [lease for lease in leases if _lives(lease)]
    for dead in set(leases) - set(living):
        dead.unlink(missing_ok=True)
    if used is not None and len(living) < len(leases):
        with suppress(OSError):
            os.utime(_folder(key), (used, used))  # tidying up is no use
    return bool(living)


def forget(key: str) -> None:
    """Remove the notes about an evicted item."""
    with suppress(OSError):
        _folder(key).rmdir()


def _folder(key: str) -> Path:
    return cache_dir() / "uses" / slug(key)


@cache
def _process() -> str:
    return f"{os.getpid()}-{_started(os.getpid()):.0f}-{socket.gethostname().replace('-', '_')}"


def _started(pid: int) -> float:
    """Seconds from the machine's start to the process's: both follow a clock that is set. Raises
    psutil.Error where there is no such process."""
    import psutil

    return psutil.Process(pid).create_time() - psutil.boot_time()


def _lives(lease: Path) -> bool:
    import psutil

    pid, started, host, _ = (lease.name.split("-") + [""] * 4)[:4]
    if not (pid.isdigit() and started.isdigit()):
        return False
    if host != _process().split("-")[2]:
        with suppress(OSError):
            return time.time() - lease.stat().st_mtime < FOREIGN_S
        return False
    try:
        return abs(_started(int(pid)) - int(started)) < 2
    except psutil.Error:
        return False
