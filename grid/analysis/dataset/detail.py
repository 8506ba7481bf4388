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


def attempt_row(results: Results, attempt_id: str) -> dict[str, Any]:
    """An attempt's row, all columns. Raises InputError where the store has no such attempt."""
    rows = _read(results, "attempts", attempt_id).to_pylist()
    if not rows:
        raise InputError(f"no attempt {attempt_id!r} in {results.location.display_name}")
    row: dict[str, Any] = rows[0]
    return row


def attempt_detail(results: Results, attempt_id: str) -> AttemptDetail:
    """Raises InputError where the store has no such attempt."""
    row = attempt_row(results, attempt_id)
    metrics, samples, items = (
        _read(results, name, attempt_id) for name in ("metrics", "samples", "items")
    )
    return AttemptDetail(row, metrics, samples, items, dict(row["environment"] or []))


def _read(results: Results, table: str, attempt_id: str) -> pa.Table:
    return results.read(table, TABLES[table].names, pa.array([attempt_id], pa.string()))
