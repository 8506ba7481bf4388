"""Results: four Arrow tables in a store, written by one sweep at a time and read by anybody.

Importing this package is light; Arrow is imported with the first store that is opened.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grid.results.reader import Results
    from grid.results.store import Store


def open_store(uri: str | Path) -> Results:
    """A store for reading: a folder, or any URI that pyarrow's filesystems take.

    A store that does not exist yet has empty tables. Raises InputError where the place cannot be
    read.
    """
    from grid.results.reader import Results

    return Results(uri)


def open_for_writing(uri: str | Path) -> Store:
    """A store for a sweep's rows: `with open_for_writing(uri).writer() as writer`."""
    from grid.results.store import Store

    return Store(uri)
