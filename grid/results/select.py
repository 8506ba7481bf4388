"""Table -> table: the rows that count, and the wide view of them. Pure, no row-wise Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from grid.cells.measurement import RETRIED, Status
from grid.results.schema import TABLES

MEASURED: tuple[Status, ...] = ("ok", "oom", "unsupported")
"""Statuses that answer a cell: it has a number, or cannot have one here."""

_BOUNDS = ("low", "high")


def deduplicate(parts: Sequence[pa.Table], table: str) -> pa.Table:
    """One table of the files' rows, each attempt from the first file that holds it.

    An interrupted compaction leaves rows both in its new file and in the old ones; all of an
    attempt's rows in one table are in one file, so the first file that has it has them all.
    """
    if not parts:
        return TABLES[table].empty_table()
    whole = pa.concat_tables(parts)
    if len(parts) == 1 and table != "attempts":
        return whole
    codes = _codes(whole["attempt_id"])
    if table == "attempts":
        first = np.unique(codes, return_index=True)[1]
        keep = np.zeros(len(codes), dtype=bool)
        keep[first] = True
    else:
        origin = np.repeat(np.arange(len(parts)), [part.num_rows for part in parts])
        earliest = np.full(codes.max(initial=-1) + 1, len(parts))
        np.minimum.at(earliest, codes, origin)
        keep = origin == earliest[codes]
    return whole if keep.all() else whole.filter(pa.array(keep))


def final(attempts: pa.Table) -> pa.Table:
    """One row a cell, sorted by cell id: the attempt that counts.

    The newest that is ok, oom or unsupported; without one the newest that is skipped; without
    either the newest of all. Of equally old ones the greater attempt id is taken, so that every
    reader takes the same.
    """
    status = attempts["status"]
    tier = np.where(_is_in(status, MEASURED), 0, np.where(_is_in(status, tuple(RETRIED)), 2, 1))
    keys = pa.Table.from_arrays(
        [attempts["cell_id"], pa.array(tier), attempts["started_at"], attempts["attempt_id"]],
        names=["cell", "tier", "at", "id"],
    )
    order = pc.sort_indices(
        keys,
        sort_keys=[
            ("cell", "ascending"),
            ("tier", "ascending"),
            ("at", "descending"),
            ("id", "descending"),
        ],
    ).to_numpy()
    codes = _codes(keys["cell"])[order]
    leads = np.ones(len(codes), dtype=bool)
    leads[1:] = codes[1:] != codes[:-1]
    return attempts.take(pa.array(order[leads]))


def version_mask(attempts: pa.Table, version: str | Mapping[str, str]) -> pa.BooleanArray:
    """Mask of the attempts of one engine version, or of each backend's own version."""
    if isinstance(version, str):
        return pa.array(_is_in(attempts["engine_version"], [version]))
    mask = np.zeros(attempts.num_rows, dtype=bool)
    for backend, engine in version.items():
        ours = _is_in(attempts["backend"], [backend])
        mask |= ours & _is_in(attempts["engine_version"], [engine])
    return pa.array(mask)


def wide(attempts: pa.Table, metrics: pa.Table) -> pa.Table:
    """The attempts with each metric as columns `<name>`, `<name>_low` and `<name>_high`.

    Bounds have a column only where some row has one. A metric whose name an attempt's column has
    already is called `<name>_metric`. Absent values are null.
    """
    ids = attempts["attempt_id"].combine_chunks()
    row = pc.index_in(metrics["attempt_id"], ids)
    metrics = metrics.append_column("row", row).filter(pc.is_valid(row))
    taken = {name.lower() for name in attempts.column_names}
    for name in sorted(filter(None, pc.unique(metrics["name"]).to_pylist())):
        values = metrics.filter(pc.equal(metrics["name"], name))
        free = _free_name(name, taken)
        attempts = attempts.append_column(free, _metric_column(values, "value", attempts.num_rows))
        for bound in _BOUNDS:
            if values[bound].null_count < values.num_rows:
                column = _metric_column(values, bound, attempts.num_rows)
                attempts = attempts.append_column(_free_name(f"{free}_{bound}", taken), column)
    return attempts


def _metric_column(metric: pa.Table, column: str, rows: int) -> pa.Array[Any]:
    """A column of `rows` values, those of `metric[column]` at their attempt's row, else null."""
    values = np.zeros(rows)
    absent = np.ones(rows, dtype=bool)
    at = metric["row"].to_numpy()[::-1]  # reversed: of two rows of one name the first stays
    values[at] = metric[column].to_numpy()[::-1]
    absent[at] = metric[column].is_null().to_numpy()[::-1]
    return pa.array(values, pa.float64(), mask=absent)


def _free_name(name: str, taken: set[str]) -> str:
    # SQL does not tell `A` from `a`
    while name.lower() in taken:
        name += "_metric"
    taken.add(name.lower())
    return name


def _is_in(column: pa.ChunkedArray[Any], values: Sequence[str]) -> npt.NDArray[np.bool_]:
    mask: npt.NDArray[np.bool_] = pc.is_in(column, pa.array(values, pa.string())).to_numpy()
    return mask


def _codes(column: pa.ChunkedArray[Any]) -> npt.NDArray[np.int64]:
    """The column's values as small integers, equal where they are equal."""
    encoded = column.combine_chunks().dictionary_encode()
    codes: npt.NDArray[np.int64] = encoded.indices.to_numpy().astype(np.int64)
    return codes
