"""Which attempts have rows in which batch of which file, so that a reader opens only those."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class Holdings:
    """The attempts of one table's files, as far as they were read.

    Files are told by name: one that is written is never changed.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._places: list[tuple[str, int]] = []
        self._known: set[str] = set()
        self._ids: list[pa.Array[Any]] = []
        self._at: list[np.ndarray[Any, np.dtype[np.int64]]] = []

    def note(self, name: str, batches: Mapping[int, pa.Array[Any]]) -> None:
        """Remember the attempts in each batch of a file."""
        with self._lock:
            if name in self._known:
                return
            self._known.add(name)
            for number, ids in batches.items():
                self._ids.append(ids)
                self._at.append(np.full(len(ids), len(self._places)))
                self._places.append((name, number))

    def known(self, name: str) -> bool:
        """Whether the file was read before."""
        return name in self._known

    def of(self, attempt_ids: pa.Array[Any]) -> dict[str, list[int]]:
        """Batches with rows of the attempts, by file."""
        with self._lock:
            if not self._ids:
                return {}
            self._ids = [pa.concat_arrays(self._ids)]
            self._at = [np.concatenate(self._at)]
        held = pc.is_in(self._ids[0], value_set=attempt_ids).to_numpy(zero_copy_only=False)
        found: dict[str, list[int]] = {}
        for place in np.unique(self._at[0][held]).tolist():
            name, number = self._places[place]
            found.setdefault(name, []).append(number)
        return found
