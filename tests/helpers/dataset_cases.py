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
        kept = {name: of.filter(pc.is_in(of["attempt_id"], mine)) for name, of in tables.items()}
        write_tables(Location(store), {name: of for name, of in kept.items() if of.num_rows})
    return store


def same(one: object, other: object) -> bool:
    """Equal in every field, arrays by value and NaN equal to NaN."""
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=True)
    if is_dataclass(one):
        return type(one) is type(other) and all(
            same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one)
        )
    if isinstance(one, Mapping):
        return set(one) == set(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other
