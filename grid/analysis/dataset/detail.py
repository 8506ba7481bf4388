"""One attempt with all that the store has of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from grid.errors import InputError
from grid.results.schema import TABLES

if TYPE_CHECKING:
    from grid.results.reader import Results


@dataclass(frozen=True)
class AttemptDetail:
    """An attempt's row (all columns), its rows of the other tables, and its environment."""

    row: dict[str, Any]
    metrics: pa.Table
    samples: pa.Table
    items: pa.Table
    environment: dict[str, str]


def attempt_detail(results: Results, attempt_id: str) -> AttemptDetail:
    """Raises InputError where the store has no such attempt."""
    ids = pa.array([attempt_id], pa.string())
    tables = {name: results.read(name, schema.names, ids) for name, schema in TABLES.items()}
    rows = tables["attempts"].to_pylist()
    if not rows:
        raise InputError(f"no attempt {attempt_id!r} in {results.location.display_name}")
    return AttemptDetail(
        rows[0],
        tables["metrics"],
        tables["samples"],
        tables["items"],
        dict(rows[0]["environment"] or []),
    )
