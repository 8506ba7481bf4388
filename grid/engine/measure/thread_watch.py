"""How long the engine's threads computed, and how long they waited for a core: looked at while they
live, since the system forgets what an ended thread waited."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterable
from pathlib import Path

from grid.engine.measure.process import own_processes

INTERVAL_S = 0.05
"""Seconds between two looks: what a thread waited since the last one before its end is not seen."""

COST = 0.01
"""Share of one core that looking may take; with many threads it looks less often."""

_Counted = tuple[int, int]
"""Nanoseconds computed, and waited."""


class _Looks:
    """Sums over threads, of which some have ended."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._own: int | None = None
        self._processes: tuple[int, ...] = ()
        self._living: dict[tuple[int, str], _Counted] = {}
        self._ended: _Counted = (0, 0)

    def look(self, *, everywhere: bool = False) -> None:
        """See what every thread has counted; of one that is gone the last look stays. `everywhere`:
        also in processes that were started since."""
        with self._lock:
            if everywhere:
                self._processes = own_processes()
            living = _thread_counts(self._processes, self._own)
            for key, last in self._living.items():
                if key not in living or living[key] < last:  # a new thread may have the same id
                    self._ended = _sum(self._ended, last)
            self._living = living

    def total(self) -> _Counted:
        with self._lock:
            total = self._ended
            for counted in self._living.values():
                total = _sum(total, counted)
            return total

    def run(self) -> None:
        """Look until it is over. This thread waits beside the engine's, and is none of them."""
        self._own = threading.get_native_id()
        pause_s = INTERVAL_S
        while not self.over.wait(pause_s):
            start = time.thread_time()
            self.look()
            pause_s = max(INTERVAL_S, (time.thread_time() - start) / COST)


class ThreadWatch:
    """Watches the threads of this process and of all that it started, from its construction until
    nobody holds it."""

    def __init__(self) -> None:
        self._looks = _Looks()
        self._looks.look(everywhere=True)
        name = type(self).__name__
        threading.Thread(target=self._looks.run, name=name, daemon=True).start()
        weakref.finalize(self, self._looks.over.set)

    def read(self) -> tuple[float, float]:
        """Seconds that they computed, and that they waited ready to compute, those that ended
        included; zeros where the system does not count (Linux does)."""
        self._looks.look(everywhere=True)
        computed, waited = self._looks.total()
        return computed / 1e9, waited / 1e9


def _thread_counts(
    processes: Iterable[int], without: int | None
) -> dict[tuple[int, str], _Counted]:
    counts: dict[tuple[int, str], _Counted] = {}
    for process in processes:
        try:
            threads = list(Path(f"/proc/{process}/task").iterdir())
        except OSError:  # it ended meanwhile, or this is no Linux
            continue
        for thread in threads:
            if thread.name == str(without):
                continue
            try:
                fields = (thread / "schedstat").read_text().split()
            except OSError:  # it ended meanwhile, or the kernel does not count
                continue
            counts[process, thread.name] = int(fields[0]), int(fields[1])
    return counts


def _sum(a: _Counted, b: _Counted) -> _Counted:
    return a[0] + b[0], a[1] + b[1]
