"""The clock of a measurement: how long, and how much of it inside engine calls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Meter:
    """Adds up the time spent inside engine calls, in seconds."""

    def __init__(self) -> None:
        self.engine_s = 0.0

    @contextmanager
    def engine(self) -> Iterator[None]:
        """Time the block as an engine call; it counts also when it fails."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.engine_s += time.perf_counter() - start
