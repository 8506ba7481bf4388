"""The rows that count: of a store's four tables, the newest final attempt of each cell."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from grid.measurement import RETRIED
from grid.statistics import Interval
from grid.statistics.interval import Floats

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Tables:
    """Arrow tables of the schema in grid/results/schema.py; `samples` and `items` may be empty."""

    attempts: pa.Table
    metrics: pa.Table
    samples: pa.Table
    items: pa.Table


@dataclass(frozen=True)
class Attempt:
    """One attempt that counts: its row, its workload's fields, its metrics and raw series."""

    row: Mapping[str, Any]
    workload: Mapping[str, Any]
    metrics: Mapping[str, Interval]
    series: Mapping[str, Floats]

    @property
    def id(self) -> str:
        return str(self.row["attempt_id"])

    @property
    def measure(self) -> str:
        return str(self.row["measure"])

    @property
    def newness(self) -> tuple[float, str]:
        """Sorts by time; the id decides between equals, so that the order of rows does not."""
        started = self.row["started_at"]
        return (started.timestamp() if started else 0.0, self.id)


def final_attempts(tables: Tables) -> list[Attempt]:
    """Attempts with status `ok` that are the newest final one of their cell.

    A later `error`, `timeout` or `lost` does not take back a result: those are tried again.
    """
    rows = _newest_final(tables.attempts)
    wanted = [row["attempt_id"] for row in rows]
    metrics = _metrics(_of_attempts(tables.metrics, wanted))
    series = _series(tables.samples, wanted)
    return [
        Attempt(row, json.loads(row["workload"]), metrics[name], series[name])
        for name, row in zip(wanted, rows, strict=True)
    ]


def _newest_final(attempts: pa.Table) -> list[dict[str, Any]]:
    newest: dict[str, tuple[tuple[float, str], dict[str, Any]]] = {}
    for row in attempts.to_pylist():
        if row["status"] in RETRIED:
            continue
        started = row["started_at"].timestamp() if row["started_at"] else 0.0
        age = (started, row["attempt_id"])
        known = newest.get(row["cell_id"])
        if known is None or age > known[0]:
            newest[row["cell_id"]] = (age, row)
    kept = [row for _, row in newest.values() if row["status"] == "ok"]
    return sorted(kept, key=lambda row: str(row["attempt_id"]))


def _of_attempts(table: pa.Table, wanted: Iterable[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    names = pa.array(list(wanted), type=pa.string())
    return table.filter(pc.is_in(table["attempt_id"], value_set=names))


def _metrics(table: pa.Table) -> defaultdict[str, dict[str, Interval]]:
    found: defaultdict[str, dict[str, Interval]] = defaultdict(dict)
    for row in table.to_pylist():
        if row["value"] is not None:
            parts = (row[key] for key in ("value", "low", "high", "sd", "n", "method"))
            found[row["attempt_id"]][row["name"]] = Interval(*parts)
    return found


def _series(table: pa.Table, wanted: Iterable[str]) -> defaultdict[str, dict[str, Floats]]:
    """Only the short series of speed runs: analysis reads no per-token values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found: defaultdict[str, dict[str, Floats]] = defaultdict(dict)
    short = pa.array(["prefill_s", "decode_s"], type=pa.string())
    speed = table.filter(pc.is_in(table["name"], value_set=short))
    for row in _of_attempts(speed, wanted).to_pylist():
        found[row["attempt_id"]][row["name"]] = np.array(row["values"], dtype=np.float64)
    return found


@dataclass(frozen=True)
class ItemRows:
    """Items of one attempt, columns of length n."""

    ids: tuple[str, ...]
    scores: Floats
    chances: Floats


def item_rows(tables: Tables, attempts: Iterable[Attempt]) -> dict[str, ItemRows]:
    """By attempt id, sorted by item. Ids are qualified with the hash of the item set, so that items
    of the same name but other content are never paired."""
    sources = {attempt.id: str(attempt.workload.get("items_sha256") or "") for attempt in attempts}
    table = _of_attempts(tables.items, sources).sort_by(
        [("attempt_id", "ascending"), ("item", "ascending")]
    )
    names, items = table["attempt_id"].to_pylist(), table["item"].to_pylist()
    scores, chances = (np.array(table[c].to_pylist(), dtype=float) for c in ("score", "chance"))
    found, start = {}, 0
    for name, run in groupby(names):
        end = start + len(list(run))
        ids = tuple(f"{sources[str(name)]}/{item}" for item in items[start:end])
        found[str(name)] = ItemRows(ids, scores[start:end], chances[start:end])
        start = end
    return found
