"""Measurements of cells that gave no result: a status and its reason."""

from __future__ import annotations

import time
from typing import cast

from msgspec.structs import replace

from grid.cells.cell import Cell
from grid.cells.measurement import PRUNED, Measurement, Status
from grid.cells.workload import kind
from grid.errors import EngineError


def not_run(cell_id: str, status: Status, reason: str) -> Measurement:
    return Measurement(cell_id=cell_id, status=status, reason=reason, started_at=time.time())


def lost(cell_id: str, reason: str) -> Measurement:
    """The node that had the cell is gone."""
    return not_run(cell_id, "lost", f"{reason}; the same command tries again")


def pruned(cell: Cell, limit: int) -> Measurement:
    """The cell is not tried because one of its kind with `limit` tokens ran out of memory."""
    reason = f"{PRUNED}a {kind(cell.workload)} of {limit} tokens ran out of memory"
    return not_run(cell.id, "skipped", reason)


def failed(cell: Cell, error: EngineError, started_at: float | None = None) -> Measurement:
    """The attempt ended in an error; without `started_at` it did so at once."""
    row = not_run(cell.id, cast(Status, error.status), str(error))
    return row if started_at is None else replace(row, started_at=started_at)
