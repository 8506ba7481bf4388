"""One machine's rates among those of others of its hardware class.

Each bundle counts as one machine; those that share a measurement are one. A ratio is of the own
rate over the geometric mean of the others, with a 95 % interval from the spread of the others and
of the own runs.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from grid.results.bundles.contents import plain_options
from grid.results.statistics import Interval
from grid.results.statistics.interval import t_quantile
from grid.results.statistics.runs import QUIET_SD

FEWEST = 3
"""Other machines from which a place among them is given."""

RATES = ("decode_tps", "prefill_tps")

_KEY = ("model", "quant", "artifact_bytes", "backend", "engine_version", "label")


class Placing(NamedTuple):
    """A rate among others' (token/s): `percentile` is the share of them that are slower, in %;
    `ratio` is over their geometric mean. Both None where fewer than `FEWEST` machines have it."""

    cell: str
    engine: str
    rate: float
    machines: int
    middle: float | None
    percentile: float | None
    ratio: Interval | None


class ClassPlacings(NamedTuple):
    """Placings of one hardware class; `others` counts other machines of it."""

    hardware: str
    placings: list[Placing]
    others: int


def place(
    attempts: pa.Table, metrics: pa.Table, others: Sequence[Mapping[str, pa.Table]]
) -> list[ClassPlacings]:
    """Where the rates of own final attempts stand among those of other machines' tables."""
    mine = _rates(attempts, metrics)
    theirs = [
        _rates(tables["attempts"], tables["metrics"]) for tables in _distinct(attempts, others)
    ]
    by_class: defaultdict[str, list[Placing]] = defaultdict(list)
    for key, (rate, spread, label) in sorted(mine.items()):
        rates = [machine[key][0] for machine in theirs if key in machine]
        by_class[key[0]].append(_placing(label, f"{key[4]} {key[5]}", rate, spread, rates))
    classes = [{key[0] for key in machine} for machine in theirs]
    return [
        ClassPlacings(name, placings, sum(name in names for names in classes))
        for name, placings in sorted(by_class.items())
    ]


def _distinct(
    attempts: pa.Table, others: Sequence[Mapping[str, pa.Table]]
) -> list[Mapping[str, pa.Table]]:
    """Bundles without those that share a measurement with this store or with an earlier bundle:
    they are of the same machine."""
    seen_ids = set(attempts["attempt_id"].to_pylist())
    distinct = []
    for tables in others:
        ids = set(tables["attempts"]["attempt_id"].to_pylist())
        if seen_ids.isdisjoint(ids):
            distinct.append(tables)
        seen_ids |= ids
    return distinct


Key = tuple[str, ...]


def _rates(attempts: pa.Table, metrics: pa.Table) -> dict[Key, tuple[float, float, str]]:
    """Rate, spread between runs (of logs) and label by what makes cells the same."""
    rows = {row["attempt_id"]: row for row in attempts.to_pylist() if not row["origin"]}
    spreads: dict[str, float] = {}
    rates: dict[Key, tuple[float, float, str]] = {}
    figures = metrics.select(["attempt_id", "name", "value"]).to_pylist()
    for figure in figures:
        if figure["name"] == "between_run_sd" and figure["value"]:
            spreads[figure["attempt_id"]] = figure["value"]
    for figure in figures:
        row, value = rows.get(figure["attempt_id"]), figure["value"]
        if figure["name"] not in RATES or row is None or row["status"] != "ok":
            continue
        if not value or value <= 0 or _is_disturbed(row):
            continue
        options = plain_options(row["options"])
        key = (str(row["hardware_class"]), *(str(row[name] or "") for name in _KEY), options)
        label = " ".join(str(row[name]) for name in ("model", "quant", "label"))
        rates[key] = (value, spreads.get(figure["attempt_id"], QUIET_SD), label)
    return rates


def _is_disturbed(row: Mapping[str, Any]) -> bool:
    return "disturbed" in dict(row["environment"] or ())


def _placing(
    label: str, engine: str, rate: float, spread: float, rates: Sequence[float]
) -> Placing:
    count = len(rates)
    if count < FEWEST:
        return Placing(label, engine, rate, count, None, None, None)
    logs = np.log(rates)
    slower = sum(other_rate < rate for other_rate in rates)
    level = sum(other_rate == rate for other_rate in rates)
    change = math.log(rate) - float(logs.mean())
    error = (float(logs.var(ddof=1)) / count + spread**2) ** 0.5
    half = t_quantile(count - 1) * error
    low, value, high = (math.exp(min(end, 700.0)) for end in (change - half, change, change + half))
    ratio = Interval(value, low, high, error, count, "Student t on logs, over machines")
    middle = math.exp(float(logs.mean()))
    return Placing(label, engine, rate, count, middle, 100 * (slower + level / 2) / count, ratio)
