"""How far runs of the same cell lay apart in a store: for the intervals of the next one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from math import log
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from grid.cells.measurement import DISTURBED, Measurement
from grid.results.statistics import BetweenRuns, earlier_runs

if TYPE_CHECKING:
    from grid.results.reader import Results

RATES = {"prefill": "prefill_tps", "decode": "decode_tps"}
"""The metric of each measure of speed."""

LATEST = 500
"""Newest runs of cells with several that are looked at."""

_COLUMNS = (
    "attempt_id", "cell_id", "hardware_class", "measure", "environment", "status", "origin",
    "started_at",
)  # fmt: skip

EarlierRuns = Mapping[tuple[str, str], BetweenRuns]
"""By hardware class and measure."""


def read_earlier_runs(results: Results) -> EarlierRuns:
    """The spread of undisturbed runs of the same cell, pooled over the cells of a class that have
    several; rows that do not say whether they were disturbed are left out."""
    attempts = results.attempts().select(list(_COLUMNS))
    speed = attempts.filter(
        pc.field("measure").isin(list(RATES)) & (pc.field("status") == "ok") & ~_is_imported()
    )
    counts = speed.group_by("cell_id").aggregate([("cell_id", "count")])
    several = counts.filter(pc.field("cell_id_count") > 1)["cell_id"]
    repeated = speed.filter(pc.is_in(speed["cell_id"], value_set=several.combine_chunks()))
    repeated = repeated.sort_by([("started_at", "descending")]).slice(0, LATEST)
    if not repeated.num_rows:
        return {}
    ids = repeated["attempt_id"].combine_chunks()
    rows = {row["attempt_id"]: row for row in repeated.to_pylist()}
    by_cell: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)
    for figure in results.read("metrics", ["name", "value"], ids).to_pylist():
        row = rows[figure["attempt_id"]]
        facts = dict(row["environment"] or ())
        if figure["name"] != RATES[row["measure"]] or not (figure["value"] or 0) > 0:
            continue
        if "stopped" in facts and DISTURBED not in facts:
            key = (row["hardware_class"], row["measure"], row["cell_id"])
            by_cell[key].append(log(figure["value"]))
    by_class: defaultdict[tuple[str, str], list[list[float]]] = defaultdict(list)
    for (hardware_class, measure, _), rates in by_cell.items():
        by_class[hardware_class, measure].append(rates)
    pooled = {key: earlier_runs(cells) for key, cells in by_class.items()}
    return {key: between for key, between in pooled.items() if between is not None}


def with_earlier_runs(measurement: Measurement, earlier: BetweenRuns | None) -> Measurement:
    """The measurement with what runs before it showed, so that its figures stay derivable."""
    if earlier is None:
        return measurement
    scalars = {
        "earlier_run_sd": earlier.variance**0.5,
        "earlier_run_degrees": earlier.degrees,
    }
    return msgspec.structs.replace(measurement, scalars={**measurement.scalars, **scalars})


def _is_imported() -> pc.Expression:
    return pc.field("origin") != pa.scalar("")
