"""Writing imported rows into a store: all or nothing, and nothing twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grid.errors import StoreLost
from grid.results.imports.conflicts import CellRow, cell_rows, different_figures
from grid.results.imports.rows import ImportedReport
from grid.results.rows import Rows


def add_report(report: ImportedReport, store: str | Path) -> int:
    """Add the attempts that the store lacks; returns how many were new.

    Holds the writer's lock. Raises StoreError as opening for writing does (a sweep writes it),
    StoreLost where the store stops taking files.
    """
    return add_reports([report], store)[0]


def add_reports(reports: Sequence[ImportedReport], store: str | Path) -> list[int]:
    """The same for several reports in one write; returns how many attempts of each were new."""
    from grid.results.location import one_line
    from grid.results.reader import Results
    from grid.results.store import Store, arrow_tables, write_tables

    opened = Store(store)
    with opened.writer():
        present_ids = {
            str(attempt_id) for attempt_id in Results(store).attempts()["attempt_id"].to_pylist()
        }
        rows: Rows = {}
        added = [_take_new(report, present_ids, rows) for report in reports]
        try:
            write_tables(opened.location, arrow_tables(rows))
        except OSError as error:
            raise StoreLost(
                f"importing into {opened.location.display_name} broke off: {one_line(error)}; "
                "nothing half is seen, and the same command again adds the rest"
            ) from error
    return added


def conflicts_of(reports: Sequence[ImportedReport], store: str | Path | None = None) -> list[str]:
    """A line for each cell to which the reports, and the store where one is given, give different
    figures. Nothing is written."""
    rows = [row for report in reports for row in cell_rows(report.rows)]
    if store is not None and rows:
        rows += _stored(store, {row.attempt["cell_id"] for row in rows})
    return list(different_figures(rows))


def _stored(store: str | Path, cells: set[str]) -> list[CellRow]:
    """The store's attempts at some cells."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from grid.results.reader import Results

    results = Results(store)
    attempts = results.attempts()
    attempts = attempts.filter(pc.is_in(attempts["cell_id"], pa.array(sorted(cells))))
    if not attempts.num_rows:
        return []
    metrics = results.metrics()
    ids = attempts["attempt_id"].combine_chunks()
    metrics = metrics.filter(pc.is_in(metrics["attempt_id"], ids))
    return cell_rows({"attempts": attempts.to_pylist(), "metrics": metrics.to_pylist()})


def _take_new(report: ImportedReport, present_ids: set[str], rows: Rows) -> int:
    new = {row["attempt_id"] for row in report.rows.get("attempts", ())} - present_ids
    present_ids |= new
    for table, content in report.rows.items():
        rows.setdefault(table, []).extend(row for row in content if row["attempt_id"] in new)
    return len(new)
