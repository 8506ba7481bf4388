"""The checks of imports on the rows of a store that is merged: what cannot be true stays out."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from grid.results.imports.conflicts import cell_rows, different_figures
from grid.results.imports.figure_checks import FigureColumns, faults
from grid.results.reader import Results

_TITLE = ("model", "quant", "label")


def impossible_attempts(attempts: pa.Table, metrics: pa.Table) -> dict[str, str]:
    """A line for each attempt with a figure that cannot be true, by its id."""
    wrong: dict[str, str] = {}
    if not metrics.num_rows:
        return wrong
    for at, reason in faults(FigureColumns.of_table(metrics)).items():
        wrong.setdefault(str(metrics["attempt_id"][at]), reason)
    rows = attempts.filter(pc.is_in(attempts["attempt_id"], pa.array(list(wrong), pa.string())))
    titles = {
        row["attempt_id"]: " ".join(str(row[name]) for name in _TITLE) for row in rows.to_pylist()
    }
    return {key: f"{titles.get(key, key)}: {reason}" for key, reason in wrong.items()}


def merge_conflicts(attempts: pa.Table, metrics: pa.Table, present: Results) -> list[str]:
    """Cells to which new rows give other figures than those that are there. Imported ones are
    named; of measured ones, which are measured again on purpose, the number is."""
    stored = present.attempts()
    cells = attempts["cell_id"].combine_chunks()
    repeated = stored.filter(pc.is_in(stored["cell_id"], cells))
    if not repeated.num_rows:
        return []
    common = repeated["cell_id"].combine_chunks()
    together = pa.concat_tables([repeated, attempts.filter(pc.is_in(attempts["cell_id"], common))])
    imported = together.filter(
        pc.greater(pc.utf8_length(together["origin"]), pa.scalar(0, pa.int32()))
    )
    measured = len(pc.unique(together["cell_id"])) - len(pc.unique(imported["cell_id"]))
    lines = [_count(measured)] if measured else []
    if imported.num_rows:
        figures = pa.concat_tables([present.metrics(), metrics])
        figures = figures.filter(
            pc.is_in(figures["attempt_id"], imported["attempt_id"].combine_chunks())
        )
        rows = {"attempts": imported.to_pylist(), "metrics": figures.to_pylist()}
        lines += different_figures(cell_rows(rows))
    return lines


def _count(cells: int) -> str:
    return (
        f"{cells:,} cell{'' if cells == 1 else 's'} measured in both stores: "
        "all attempts are kept, the newest counts"
    )
