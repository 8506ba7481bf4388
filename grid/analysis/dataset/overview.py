"""The attempts of a store with the columns that all pages need, and no more."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from grid.analysis.ladder_names import with_ladder_names
from grid.analysis.tables import workload_of
from grid.results import select
from grid.results.schema import ATTEMPTS

DEFERRED = (
    "environment", "kv_cache", "context_length", "licence", "bpw_file", "bpw_layer",
    "artifact_sha256", "model_source", "model_revision", "quantizer", "active_parameters",
    "parameters_from", "layers", "experts", "experts_used", "shared_experts", "expert_layers",
    "leading_dense_layers", "expert_parameters", "weight_parts",
)  # fmt: skip
"""Columns of attempts that are read only for the attempts that are looked at: most of the bytes."""

OVERVIEW = tuple(name for name in ATTEMPTS.names if name not in DEFERRED)

FAILED = ("error", "timeout", "oom", "lost")


@dataclass(frozen=True)
class HardwareClass:
    """A hardware class of the store: attempts of every status, those that are `ok`, and those that
    `failed` (error, timeout, oom, lost). `origins` holds the empty text where quantgrid measured;
    `newest` is when the last attempt began."""

    name: str
    device_kind: str
    attempts: int
    ok: int
    failed: int
    models: tuple[str, ...]
    origins: tuple[str, ...]
    newest: datetime | None

    @property
    def has_imports(self) -> bool:
        """True where some of its figures were measured by others."""
        return any(self.origins)


class Overview:
    """All attempts, columns OVERVIEW, in one chunk each; `final` are those that count, `ok` those
    of them that have figures."""

    def __init__(self, attempts: pa.Table) -> None:
        self.attempts = attempts.combine_chunks()

    @cached_property
    def final(self) -> pa.Table:
        return self.attempts.filter(self._counts)

    @cached_property
    def ok(self) -> pa.Table:
        return self.attempts.filter(pc.and_(self._counts, equal(self.attempts, "status", "ok")))

    @cached_property
    def _counts(self) -> pa.BooleanArray:
        deciding = self.attempts.select(["cell_id", "attempt_id", "status", "started_at"])
        return of_attempts(self.attempts, select.final(deciding)["attempt_id"])


def overview(attempts: pa.Table, condition: pc.Expression | None = None) -> Overview:
    """Of the attempts for which a condition holds."""
    attempts = with_ladder_names(attempts)
    return Overview(attempts if condition is None else attempts.filter(condition))


def equal(rows: pa.Table, column: str, value: str) -> pa.BooleanArray:
    """Mask of the rows with a value; much faster than a filter by an expression."""
    return pc.equal(rows[column], pa.scalar(value, pa.string()))


def of_attempts(rows: pa.Table, ids: pa.ChunkedArray[Any]) -> pa.BooleanArray:
    """Mask of the rows of attempts."""
    return pc.is_in(rows["attempt_id"], value_set=ids.combine_chunks())


def task_classes(ok: pa.Table) -> set[str]:
    """Task classes that any attempt was asked."""
    tasks = pc.unique(ok["workload"].filter(equal(ok, "measure", "tasks"))).to_pylist()
    return {str(name) for text in tasks if (name := workload_of(text).get("task_class"))}


def hardware_classes(attempts: pa.Table, ok: pa.Table) -> tuple[HardwareClass, ...]:
    """Measured ones first, then those with a capability, then by number of ok attempts."""
    scored = _places_with_tasks(ok)
    keys = ["hardware_class", "device_kind", "status", "model", "origin"]
    counted = attempts.select([*keys, "attempt_id", "started_at"]).group_by(keys)
    groups: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in counted.aggregate([("attempt_id", "count"), ("started_at", "max")]).to_pylist():
        if row["hardware_class"]:
            groups[row["hardware_class"]].append(row)
    classes = (_hardware_class(name, rows) for name, rows in groups.items())
    return tuple(sorted(classes, key=lambda hardware_class: _rank(hardware_class, scored)))


def _places_with_tasks(ok: pa.Table) -> set[tuple[str, str]]:
    """Where tasks were run: (device kind, origin). Machines of a kind share them."""
    keys = ["device_kind", "origin"]
    tasks = ok.filter(equal(ok, "measure", "tasks")).group_by(keys).aggregate([])
    return {(row["device_kind"] or "", row["origin"] or "") for row in tasks.to_pylist()}


def _rank(
    hardware_class: HardwareClass, scored: set[tuple[str, str]]
) -> tuple[bool, bool, int, str]:
    imported = "" not in hardware_class.origins
    has_tasks = any((hardware_class.device_kind, name) in scored for name in hardware_class.origins)
    return imported, not has_tasks, -hardware_class.ok, hardware_class.name


def _hardware_class(name: str, rows: list[dict[str, Any]]) -> HardwareClass:
    kinds: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        kinds[row["device_kind"] or ""] += row["attempt_id_count"]
    times = [row["started_at_max"] for row in rows if row["started_at_max"] is not None]
    return HardwareClass(
        name,
        min(kinds, key=lambda kind: (-kinds[kind], kind)),
        sum(kinds.values()),
        sum(row["attempt_id_count"] for row in rows if row["status"] == "ok"),
        sum(row["attempt_id_count"] for row in rows if row["status"] in FAILED),
        tuple(sorted({row["model"] for row in rows if row["model"]})),
        tuple(sorted({row["origin"] or "" for row in rows})),
        max(times, default=None),
    )
