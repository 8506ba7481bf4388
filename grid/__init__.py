"""quantgrid: measure models at every quantization on your hardware, and say what to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from grid.results.reader import Results

__version__ = "0.1.0"


def open(uri: str | Path = "results") -> Results:
    """The results in a store: `grid.open("results/").frame()` is one row per measured cell.

    Takes a folder or any pyarrow filesystem URI. See `grid.results.reader.Results`.
    """
    from grid.results import open_store

    return open_store(uri)
