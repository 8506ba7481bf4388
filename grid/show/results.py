"""`grid results`: tables of rows, exports, and merging a store's files."""

from __future__ import annotations

import sys
from pathlib import Path

from grid.errors import InputError
from grid.results import open_store
from grid.results.reader import Results, require_rows
from grid.show.console import console, number, table

_ENDINGS = {".csv": "csv", ".json": "json", ".md": "md", ".parquet": "parquet"}


def show_results(
    store: str, where: str | None, columns: str | None, sort: str | None, limit: int
) -> None:
    """One row a cell: what it was and the metrics that it has."""
    from grid.results.export import table as select

    results = opened(store)
    found = select(results, where, _names(columns), sort, limit)
    rows = [[_cell(value) for value in row.values()] for row in found.to_pylist()]
    out = console()
    out.print(table(found.column_names, rows))
    total = results.final().num_rows
    out.print(f"{len(rows)} of {total} cells; --where, --columns, --sort and --limit choose")


def export_results(
    store: str, target: Path | None, kind: str | None, where: str | None, columns: str | None
) -> None:
    """Write the wide table; says on standard error how many rows went where."""
    from grid.results.export import export

    kind = kind or (_ENDINGS.get(target.suffix) if target else "csv")
    if kind is None:
        raise InputError(f"{target}: no format for this ending; add --format csv, json, md or parquet")
    rows = export(opened(store), target, kind, where, _names(columns))
    sys.stderr.write(f"{rows} rows written to {target or 'standard output'}\n")


def compact_store(store: str) -> None:
    """Merge and say what was merged and what was left alone."""
    from grid.results.compact import compact

    opened(store)
    done = compact(store)
    out = console()
    out.print(f"{done.merged} files merged into {done.written}")
    for problem in done.problems:
        out.print(f"left alone: {problem.file}: {problem.reason}", markup=False)


def opened(store: str) -> Results:
    """A store that has rows; files in it that cannot be read are named on standard error."""
    results = require_rows(open_store(store))
    for problem in results.problems:
        sys.stderr.write(f"skipped {problem.file}: {problem.reason}\n")
    return results


def _names(columns: str | None) -> list[str] | None:
    return [name.strip() for name in columns.split(",") if name.strip()] if columns else None


def _cell(value: object) -> str:
    if value is None:
        return ""
    return number(value, 4) if isinstance(value, float) else str(value)
