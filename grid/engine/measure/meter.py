"""The clock of a measurement: how long, how much of it inside engine calls, and how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from grid.engine.measure.energy import EnergyMeter

PROGRESS_EVERY_S = 0.25
"""Least seconds between two reports of how far a measurement is."""

OnProgress = Callable[[int, int, str], None]


class Meter:
    """Adds up the time spent inside engine calls, in seconds. `on_progress` hears how far a
    measurement is: done, total, and of what. `energy` counts joules where the workload asks."""

    def __init__(
        self, on_progress: OnProgress | None = None, energy: EnergyMeter | None = None
    ) -> None:
        self.engine_s = 0.0
        self.energy = energy
        self._on_progress = on_progress
        self._last_report = time.perf_counter()

    def progress(self, done: int, total: int, unit: str) -> None:
        """Report how far a measurement is, between engine calls; most reports are left out."""
        now = time.perf_counter()
        if self._on_progress is not None and now - self._last_report >= PROGRESS_EVERY_S:
            self._last_report = now
            self._on_progress(done, total, unit)

    @contextmanager
    def engine(self) -> Iterator[None]:
        """Time the block as an engine call; it counts also when it fails."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.engine_s += time.perf_counter() - start
