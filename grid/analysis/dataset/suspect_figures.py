"""Suspect measurements: what drifted, strayed, or ran beside other programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from grid.analysis.dataset.columns import Column, environment_of, label_of
from grid.analysis.dataset.dataset import Dataset
from grid.analysis.variants import SPEED_MEASURES
from grid.models.display_names import visible
from grid.results.metrics import METRICS

BUSY = 0.2
"""Share of the machine that other programs used during a speed cell, from which it is said: of
rows that do not say themselves whether their repetitions were disturbed."""

SLOWER = 0.1
"""Share by which the machine computed slower beside a cell than beside the node's other cells,
from which it is said; where nothing disturbs it, it varies by 1 %."""

ENOUGH = 4
"""Cells of a node from which it is known how fast it computes."""

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
    return suspect_figures_of_classes(dataset, [hardware_class])[hardware_class]


def suspect_figures_of_classes(
    dataset: Dataset, hardware_classes: Sequence[str]
) -> dict[str, list[SuspectFigure]]:
    """Those of several classes, by class, which are read together. Attempts at quality and tasks
    have none, so that they are left out."""
    final = dataset.overview.final
    wanted = pc.field("hardware_class").isin(pa.array(hardware_classes, pa.string()))
    timed = final.filter(wanted & pc.field("measure").isin(list(SPEED_MEASURES)))
    ids = timed["attempt_id"].combine_chunks()
    rows = dataset.results.read("attempts", _COLUMNS, ids)
    metrics = dataset.results.read("metrics", ["name", "value"], ids)
    places = (map(str, timed[name].to_pylist()) for name in ("attempt_id", "hardware_class"))
    class_of = dict(zip(*places, strict=True))
    by_class: dict[str, list[SuspectFigure]] = {name: [] for name in hardware_classes}
    for suspect in suspect_figures(rows, metrics):
        by_class[class_of[suspect.attempt_id]].append(suspect)
    return by_class


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
    shares = ok.select(columns).append_column("others", _other_programs(ok))
    wanted = pc.field("attempt_id").isin(pa.array(sorted(of_interest), pa.string())) | (
        pc.field("others") != ""
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
    if row["others"]:
        reasons[OTHERS] = visible(row["others"])
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


def _other_programs(ok: pa.Table) -> Column:
    """What disturbed each speed cell, in words; empty where nothing did, and of other measures."""
    stated = pc.fill_null(environment_of(ok, "disturbed"), pa.scalar(""))
    counted: Column = pc.is_valid(environment_of(ok, "stopped"))  # it states what disturbed it
    shares: Column = pc.fill_null(_number_of(ok, "other_cpu_share"), pa.scalar(0.0))
    texts = [
        text or ("" if states or share <= BUSY else _busy(share)) or slower
        for text, states, share, slower in zip(
            stated.to_pylist(), counted.to_pylist(), shares.to_pylist(), _slower(ok), strict=True
        )
    ]
    speed = [measure in SPEED_MEASURES for measure in ok["measure"].to_pylist()]
    words = [text if of_speed else "" for text, of_speed in zip(texts, speed, strict=True)]
    return pa.array(words, pa.string())


def _busy(share: float) -> str:
    return f"other programs used {share:.0%} of the machine"


def _slower(ok: pa.Table) -> list[str]:
    """Of each row, that its machine computed slower than the node's median; empty where not."""
    seconds = _number_of(ok, "machine_compute_s").to_pylist()
    nodes = ok["node"].to_pylist()
    by_node: dict[str | None, list[float]] = {}
    for node, value in zip(nodes, seconds, strict=True):
        if value:
            by_node.setdefault(node, []).append(value)
    usual = {node: median(of_node) for node, of_node in by_node.items() if len(of_node) >= ENOUGH}
    excess = [
        value / usual[node] - 1 if value and node in usual else 0.0
        for node, value in zip(nodes, seconds, strict=True)
    ]
    return [
        f"the machine computed {share:.0%} slower than beside other cells" if share > SLOWER else ""
        for share in excess
    ]


def _number_of(ok: pa.Table, name: str) -> Column:
    """A number of the rows' environment; null where it is none."""
    text = environment_of(ok, name)
    numeric = pc.match_substring_regex(text, r"^[0-9]{0,3}[.]?[0-9]{1,20}$")
    meant = pc.fill_null(numeric, pa.scalar(False))
    return pc.cast(pc.if_else(meant, text, pa.scalar(None, pa.string())), pa.float64())


def _finite_or_zero(value: float | None) -> float:
    return value if value is not None and isfinite(value) else 0.0
