"""Measured figures to look at twice: what drifted, strayed, or ran beside other programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from grid.analysis.dataset.columns import Column, environment_of, label_of
from grid.analysis.dataset.dataset import Dataset
from grid.results.metrics import METRICS

BUSY = 0.2
"""Share of the machine that other programs used during a speed cell, from which it is said."""

SPEED = ("memory", "prefill", "decode", "latency")

DRIFT, OUTLIERS, OTHERS = "drift", "outliers", "busy"

_LOOKED_AT = ("model", "quant", "label", "node", "status", "measure", "environment")

_DOUBTS = (DRIFT, "drift_change", OUTLIERS)
assert {*_DOUBTS} <= {*METRICS}


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A measured figure to look at twice: `kind` is drift, outliers or busy, `text` says why."""

    kind: str
    label: str
    node: str
    text: str
    attempt_id: str


def doubts_on(dataset: Dataset, hardware_class: str) -> list[Doubt]:
    """The doubts on one hardware class's figures."""
    here = dataset.overview.final.filter(pc.field("hardware_class") == hardware_class)
    ids = here["attempt_id"].combine_chunks()
    final = dataset.results.read("attempts", _LOOKED_AT, ids)
    return doubts(final, dataset.results.read("metrics", ["name", "value"], ids))


def doubts(final: pa.Table, metrics: pa.Table) -> list[Doubt]:
    """Repetitions with a trend, repetitions far off the others, and speed that was measured while
    other programs computed: of the attempts that count, in the order of their labels."""
    ok = final.filter(pc.field("status") == "ok")
    flagged: dict[str, dict[str, float]] = {}
    known = metrics.filter(pc.field("name").isin(list(_DOUBTS)))
    for row in known.select(["attempt_id", "name", "value"]).to_pylist():
        flagged.setdefault(row["attempt_id"], {})[row["name"]] = _told(row["value"])
    of_interest = {one for one, told in flagged.items() if told.get(DRIFT) or told.get(OUTLIERS)}
    columns = ["attempt_id", "model", "quant", "label", "node"]
    told = ok.select(columns).append_column("share", _others(ok))
    wanted = pc.field("attempt_id").isin(pa.array(sorted(of_interest), pa.string())) | (
        pc.field("share") > BUSY
    )
    rows = told.filter(wanted).to_pylist()
    found = [one for row in rows for one in _doubts(row, flagged.get(row["attempt_id"], {}))]
    return sorted(found, key=lambda one: (one.kind, one.label))


def _doubts(row: dict[str, Any], told: Mapping[str, float]) -> list[Doubt]:
    said = {}
    if told.get(DRIFT):
        said[DRIFT] = f"{told.get('drift_change', 0.0):+.0%} from the first repetition to the last"
    if count := round(told.get(OUTLIERS, 0.0)):
        said[OUTLIERS] = f"{count} repetition{'s' if count > 1 else ''} far from the median"
    if (row["share"] or 0.0) > BUSY:
        said[OTHERS] = f"other programs used {row['share']:.0%} of the machine"
    return [
        Doubt(
            kind=kind,
            label=label_of(row),
            node=row["node"] or "",
            text=text,
            attempt_id=row["attempt_id"],
        )
        for kind, text in said.items()
    ]


def _others(ok: pa.Table) -> Column:
    """Share of the machine that other programs used, of speed cells; null elsewhere."""
    told = environment_of(ok, "other_cpu_share")
    numeric = pc.match_substring_regex(told, r"^[0-9]{0,3}[.]?[0-9]{1,20}$")
    speed: Column = pc.is_in(ok["measure"], pa.array(SPEED))
    meant = pc.fill_null(pc.and_(numeric, speed), pa.scalar(False))
    kept: Column = pc.if_else(meant, told, pa.scalar(None, pa.string()))
    return pc.cast(kept, pa.float64())


def _told(value: float | None) -> float:
    return value if value is not None and isfinite(value) else 0.0
