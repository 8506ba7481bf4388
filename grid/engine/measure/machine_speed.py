"""How fast the machine itself computes and copies, beside a measured rate: two short kernels.

A clock that fell for heat, a power limit, or a neighbour on the memory bus slows an engine without
any program that could be seen. The kernels run before and after a cell's repetitions, on one core;
the least of a few passes leaves out what interrupts a pass. They take less than 0.1 s.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import socket
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from grid.cache import cache_dir, write_atomically

HASHED_BYTES = 4 * 2**20
COPIED_BYTES = 32 * 2**20
"""Copied from one buffer to another: more than one process has of most last-level caches."""

PASSES = 3
RECENT_S = 5.0
"""Age of a run that still says how fast the machine is."""

_last_run: list[tuple[float, MachineSpeed]] = []

ENOUGH = 6
"""Runs on this machine from which it is known what is usual."""

LATEST = 60
"""Latest runs in the cache folder."""


class MachineSpeed(NamedTuple):
    """Seconds of the kernel that computes (SHA-256 of 4 MiB) and of the one that copies 32 MiB."""

    compute_s: float
    memory_s: float


SLOWER = MachineSpeed(0.1, 0.5)
"""Shares by which a kernel takes longer than it usually does here, from which that is said: on a
quiet machine the first varies by 1 %, the second by 10 % with where its buffers lie."""


def recent_machine_speed() -> MachineSpeed | None:
    """The kernels' last run in this process if it is recent, else a new one: what followed one cell
    precedes the next."""
    if _last_run and time.perf_counter() - _last_run[-1][0] < RECENT_S:
        return _last_run[-1][1]
    return machine_speed()


def machine_speed() -> MachineSpeed | None:
    """Runs both kernels now; None where there is no memory for them."""
    try:
        text, copy = bytes(HASHED_BYTES), bytearray(COPIED_BYTES)
        source = memoryview(os.urandom(2**20) * (COPIED_BYTES // 2**20))
    except MemoryError:
        return None
    target = memoryview(copy)

    def copy_all() -> None:
        target[:] = source

    speed = MachineSpeed(_least(lambda: hashlib.sha256(text).digest()), _least(copy_all))
    _last_run[:] = [(time.perf_counter(), speed)]
    return speed


def slowdown(now: MachineSpeed, usual: MachineSpeed | None) -> str:
    """In words, what is slower than usual on this machine; empty where nothing is, or where it is
    not known."""
    if usual is None:
        return ""
    shares = [a / b - 1 for a, b in zip(now, usual, strict=True)]
    what = ("computed", "copied memory")
    for share, limit, verb in zip(shares, SLOWER, what, strict=True):
        if share > limit:
            return f"the machine {verb} {share:.0%} slower than usual (heat, power or neighbours)"
    return ""


def slower_share(now: MachineSpeed, usual: MachineSpeed | None) -> float:
    """Share by which the slower of the kernels takes longer than usual; 0 where that is not
    known."""
    if usual is None:
        return 0.0
    return max(0.0, *(a / b - 1 for a, b in zip(now, usual, strict=True)))


class SpeedHistory:
    """The latest runs of the kernels on this machine, counted in the cache folder."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or cache_dir() / "machine-speed" / f"{socket.gethostname()}.json"
        self._runs = self._read()

    @property
    def usual(self) -> MachineSpeed | None:
        """The median of the latest runs; None where they are too few."""
        if len(self._runs) < ENOUGH:
            return None
        return MachineSpeed(
            *(statistics.median(kernel) for kernel in zip(*self._runs, strict=True))
        )

    def add(self, runs: Sequence[MachineSpeed]) -> None:
        """Keep these as well. A folder that cannot be written keeps nothing."""
        if not runs:
            return
        self._runs = [*self._runs, *runs][-LATEST:]
        with suppress(OSError):
            write_atomically(self._path, json.dumps(self._runs).encode())

    def _read(self) -> list[MachineSpeed]:
        try:
            runs = [MachineSpeed(*map(float, run)) for run in json.loads(self._path.read_bytes())]
        except (OSError, ValueError, TypeError):  # absent, or no such list
            return []
        return [run for run in runs if all(0 < s < math.inf for s in run)]


def _least(kernel: Callable[[], object]) -> float:
    least = math.inf
    for _ in range(PASSES):
        start = time.perf_counter()
        kernel()
        least = min(least, time.perf_counter() - start)
    return least
