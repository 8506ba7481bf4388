"""Imported rows into a store: all or nothing, and nothing twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grid.errors import StoreLost
from grid.results.imports.imported import Imported
from grid.results.rows import Row

if TYPE_CHECKING:
    import pyarrow as pa


def add(imported: Imported, store: str | Path) -> int:
    """Add the attempts that the store has not; returns how many were new.

    Holds the writer's lock. Raises StoreError as opening for writing does (a sweep writes it),
    StoreLost where the store stops taking files.
    """
    return add_all([imported], store)[0]


def add_all(several: Sequence[Imported], store: str | Path) -> list[int]:
    """The same for what several files held, in one write; returns how many of each were new."""
    from grid.results.location import one_line
    from grid.results.reader import Results
    from grid.results.store import Store, write_tables

    opened = Store(store)
    with opened.writer():
        known = {str(one) for one in Results(store).attempts()["attempt_id"].to_pylist()}
        rows: dict[str, list[Row]] = {}
        added = [_take(one, known, rows) for one in several]
        try:
            write_tables(opened.location, tables(rows))
        except OSError as error:
            raise StoreLost(
                f"importing into {opened.location.shown} broke off: {one_line(error)}; nothing "
                "half is seen, and the same command again adds the rest"
            ) from error
    return added


def tables(rows: dict[str, list[Row]]) -> dict[str, pa.Table]:
    """Rows as Arrow tables of the schema, those with any."""
    import pyarrow as pa

    from grid.results.schema import file_schema

    return {
        name: pa.Table.from_pylist(found, schema=file_schema(name))
        for name, found in rows.items()
        if found
    }


def _take(one: Imported, known: set[str], rows: dict[str, list[Row]]) -> int:
    new = {row["attempt_id"] for row in one.rows.get("attempts", ())} - known
    known |= new
    for table, content in one.rows.items():
        rows.setdefault(table, []).extend(row for row in content if row["attempt_id"] in new)
    return len(new)
