"""Steps from each older schema version to the next, so that old files stay readable for ever.

A new version of the schema adds: its line in `schema.py`'s history, its step here, and a frozen
folder of files of the version before under `tests/data/`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from grid.results.schema import ATTEMPTS

Migration = Callable[[str, pa.Table], pa.Table]
"""(table name, rows of version n) -> rows of version n + 1."""


def _origins(table: str, content: pa.Table) -> pa.Table:
    """1 -> 2: all rows of before were measured by quantgrid; no model's shape was kept."""
    if table != "attempts":
        return content
    rows = content.num_rows
    added: dict[str, pa.Array[Any]] = {
        "context_length": pa.nulls(rows, pa.int64()),
        "kv_cache": pa.nulls(rows, pa.string()),
        "origin": pa.array([""] * rows, pa.string()),
        "licence": pa.array([""] * rows, pa.string()),
    }
    for name, column in added.items():
        content = content.append_column(ATTEMPTS.field(name), column)
    return content


MIGRATIONS: dict[int, Migration] = {1: _origins}
"""By the version n that a step starts from."""
