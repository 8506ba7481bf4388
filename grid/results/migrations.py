"""Steps from each older schema version to the next, so that old files stay readable for ever.

A new version of the schema adds: its line in `schema.py`'s history, its step here, and a frozen
folder of files of the version before under `tests/data/`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from grid.results.schema import ATTEMPTS, ITEMS

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
    return _append(content, ATTEMPTS, added)


def _responses(table: str, content: pa.Table) -> pa.Table:
    """2 -> 3: items before were answered by choice, or compared token by token."""
    if table != "items":
        return content
    rows = content.num_rows
    texts = {name: pa.array([""] * rows, pa.string()) for name in ("response", "finish", "note")}
    added: dict[str, pa.Array[Any]] = {
        "task": pa.array([""] * rows, pa.string()),
        "response": texts["response"],
        "tokens": pa.array([0] * rows, pa.int32()),
        "finish": texts["finish"],
        "note": texts["note"],
    }
    return _append(content, ITEMS, added)


def _mixtures_and_groups(table: str, content: pa.Table) -> pa.Table:
    """3 -> 4: nothing was kept of experts, nor of what a token uses, nor what items share."""
    if table == "items":
        group = pa.array([""] * content.num_rows, pa.string())
        return _append(content, ITEMS, {"group": group})
    if table != "attempts":
        return content
    names = ATTEMPTS.names[ATTEMPTS.get_field_index("active_parameters") :]
    rows = content.num_rows
    return _append(
        content, ATTEMPTS, {name: pa.nulls(rows, ATTEMPTS.field(name).type) for name in names}
    )


def _prompt_tokens(table: str, content: pa.Table) -> pa.Table:
    """4 -> 5: how long prompts were was not kept."""
    if table != "items":
        return content
    return _append(content, ITEMS, {"prompt_tokens": pa.nulls(content.num_rows, pa.int32())})


def _append(content: pa.Table, schema: pa.Schema, columns: dict[str, pa.Array[Any]]) -> pa.Table:
    for name, column in columns.items():
        content = content.append_column(schema.field(name), column)
    return content


MIGRATIONS: dict[int, Migration] = {
    1: _origins,
    2: _responses,
    3: _mixtures_and_groups,
    4: _prompt_tokens,
}
"""By the version n that a step starts from."""
