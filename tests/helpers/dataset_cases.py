"""Small stores on disk from rows in memory, and the equality of variants, for tests of the
explorer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from analysis_cases import Rows

from grid.results.location import Location
from grid.results.store import write_tables


def write(rows: Rows, store: Path, files: int = 1) -> Path:
    """The rows in several files a table, as so many flushes would leave them."""
    store.mkdir(exist_ok=True)
    tables = vars(rows.tables())
    ids = tables["attempts"]["attempt_id"].to_pylist()
    for part in range(files):
        mine = pa.array(ids[part::files], pa.string())
        own = {name: of.filter(pc.is_in(of["attempt_id"], mine)) for name, of in tables.items()}
        write_tables(Location(store), {name: of for name, of in own.items() if of.num_rows})
    return store


def same(actual: object, expected: object) -> bool:
    """Equal in every field, arrays by value and NaN equal to NaN."""
    if isinstance(actual, np.ndarray):
        return np.array_equal(actual, expected, equal_nan=True)
    if is_dataclass(actual):
        return type(actual) is type(expected) and all(
            same(getattr(actual, field.name), getattr(expected, field.name))
            for field in fields(actual)
        )
    if isinstance(actual, Mapping):
        return set(actual) == set(expected) and all(
            same(actual[key], expected[key]) for key in actual
        )
    if isinstance(actual, tuple | list):
        return len(actual) == len(expected) and all(map(same, actual, expected))
    return actual == expected
