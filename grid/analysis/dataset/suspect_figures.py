"""Suspect measurements: what drifted, strayed, or ran beside other programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from grid.analysis.dataset.columns import Column, environment_of, label_of
from grid.analysis.dataset.dataset import Dataset
from grid.analysis.variants import SPEED_MEASURES
from grid.results.metrics import METRICS

BUSY = 0.2
"""Share of the machine that other programs used during a speed cell, from which it is said."""

DRIFT, OUTLIERS, OTHERS = "drift", "outliers", "busy"

_COLUMNS = ("model", "quant", "label", "node", "status", "measure", "environment")

_DIAGNOSTICS = (DRIFT, "drift_change", OUTLIERS)
assert {*_DIAGNOSTICS} <= {*METRICS}


@dataclass(frozen=True, kw_only=True)
class SuspectFigure:
    """A measured figure that may be wrong: `kind` is drift, outliers or busy, `text` says why."""

    kind: str
    label: str
    node: str
    text: str
    attempt_id: str


def suspect_figures_on(dataset: Dataset, hardware_class: str) -> list[SuspectFigure]:
    """The suspect figures of one hardware class."""
    class_final = dataset.overview.final.filter(pc.field("hardware_class") == hardware_class)
    ids = class_final["attempt_id"].combine_chunks()
    final = dataset.results.read("attempts", _COLUMNS, ids)
    return suspect_figures(final, dataset.results.read("metrics", ["name", "value"], ids))


def suspect_figures(final: pa.Table, metrics: pa.Table) -> list[SuspectFigure]:
    """Repetitions with a trend, repetitions far off the others, and speed that was measured while
    other programs computed: of the attempts that count, in the order of their labels."""
    ok = final.filter(pc.field("status") == "ok")
    flagged: dict[str, dict[str, float]] = {}
    diagnostics = metrics.filter(pc.field("name").isin(list(_DIAGNOSTICS)))
    for row in diagnostics.select(["attempt_id", "name", "value"]).to_pylist():
        flagged.setdefault(row["attempt_id"], {})[row["name"]] = _finite_or_zero(row["value"])
    of_interest = {
        attempt_id
        for attempt_id, values in flagged.items()
        if values.get(DRIFT) or values.get(OUTLIERS)
    }
    columns = ["attempt_id", "model", "quant", "label", "node"]
    shares = ok.select(columns).append_column("share", _other_cpu_share(ok))
    wanted = pc.field("attempt_id").isin(pa.array(sorted(of_interest), pa.string())) | (
        pc.field("share") > BUSY
    )
    rows = shares.filter(wanted).to_pylist()
    suspects = [
        suspect for row in rows for suspect in _suspects_of(row, flagged.get(row["attempt_id"], {}))
    ]
    return sorted(suspects, key=lambda suspect: (suspect.kind, suspect.label))


def _suspects_of(row: dict[str, Any], diagnostics: Mapping[str, float]) -> list[SuspectFigure]:
    reasons = {}
    if diagnostics.get(DRIFT):
        reasons[DRIFT] = (
            f"{diagnostics.get('drift_change', 0.0):+.0%} from the first repetition to the last"
        )
    if count := round(diagnostics.get(OUTLIERS, 0.0)):
        reasons[OUTLIERS] = f"{count} repetition{'s' if count > 1 else ''} far from the median"
    if (row["share"] or 0.0) > BUSY:
        reasons[OTHERS] = f"other programs used {row['share']:.0%} of the machine"
    return [
        SuspectFigure(
            kind=kind,
            label=label_of(row),
            node=row["node"] or "",
            text=text,
            attempt_id=row["attempt_id"],
        )
        for kind, text in reasons.items()
    ]


def _other_cpu_share(ok: pa.Table) -> Column:
    """Share of the machine that other programs used, of speed cells; null elsewhere."""
    shares = environment_of(ok, "other_cpu_share")
    numeric = pc.match_substring_regex(shares, r"^[0-9]{0,3}[.]?[0-9]{1,20}$")
    speed: Column = pc.is_in(ok["measure"], pa.array(SPEED_MEASURES))
    meant = pc.fill_null(pc.and_(numeric, speed), pa.scalar(False))
    speed_shares: Column = pc.if_else(meant, shares, pa.scalar(None, pa.string()))
    return pc.cast(speed_shares, pa.float64())


def _finite_or_zero(value: float | None) -> float:
    return value if value is not None and isfinite(value) else 0.0
