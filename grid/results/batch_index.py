"""Index from attempts to batches of files, so that a reader opens only those with their rows."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class BatchIndex:
    """Attempts in the batches of one table's files, as far as these were read.

    A file is known by its name: once written it never changes.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._places: list[tuple[str, int]] = []
        self._files: set[str] = set()
        self._ids: list[pa.Array[Any]] = []
        self._place_of_id: list[np.ndarray[Any, np.dtype[np.int64]]] = []

    def add(self, name: str, batches: Mapping[int, pa.Array[Any]]) -> None:
        """Take the attempts in each batch of a file."""
        with self._lock:
            if name in self._files:
                return
            self._files.add(name)
            for number, ids in batches.items():
                self._ids.append(ids)
                self._place_of_id.append(np.full(len(ids), len(self._places)))
                self._places.append((name, number))

    def contains(self, name: str) -> bool:
        """Whether the file was read before."""
        return name in self._files

    def batches_of(self, attempt_ids: pa.Array[Any]) -> dict[str, list[int]]:
        """Batches with rows of the attempts, by file."""
        with self._lock:
            if not self._ids:
                return {}
            self._ids = [pa.concat_arrays(self._ids)]
            self._place_of_id = [np.concatenate(self._place_of_id)]
        matching = pc.is_in(self._ids[0], value_set=attempt_ids).to_numpy(zero_copy_only=False)
        batches: dict[str, list[int]] = {}
        for place in np.unique(self._place_of_id[0][matching]).tolist():
            name, number = self._places[place]
            batches.setdefault(name, []).append(number)
        return batches
