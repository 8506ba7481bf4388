"""Summaries of what was run: sweeps, failures with their reasons, and nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from grid.analysis.dataset.columns import by_time, distinct, groups, label_of, span_of, text_of
from grid.analysis.dataset.dataset import Dataset

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class SweepSummary:
    """One sweep's attempts in a store. `cells` by status, each cell as its last attempt in this
    sweep ended; `engine_share` is the part of the cells' time that was inside engine calls, None
    where nothing ran; `first` and `last` are None where no row has a time. `origin` names where
    imported rows are from."""

    name: str
    id: str
    first: datetime | None
    last: datetime | None
    cells: Mapping[str, int]
    nodes: tuple[str, ...]
    hardware_classes: tuple[str, ...]
    engine_share: float | None
    origin: str = ""

    @property
    def total(self) -> int:
        return sum(self.cells.values())


@dataclass(frozen=True, kw_only=True)
class FailureGroup:
    """Cells whose attempt that counts ended alike. `labels` are the cells' names."""

    status: str
    reason: str
    labels: tuple[str, ...]
    nodes: tuple[str, ...]
    last: datetime | None


@dataclass(frozen=True, kw_only=True)
class NodeSummary:
    """A node as its newest rows describe it. `versions` are those that any of its sweeps had, by
    what they are of; `overridden` are facts that its owner has set by hand."""

    name: str
    hardware_classes: tuple[str, ...]
    device_kinds: tuple[str, ...]
    attempts: int
    first: datetime | None
    last: datetime | None
    bandwidth_bytes_s: float | None
    system: str
    versions: Mapping[str, tuple[str, ...]]
    overridden: str = ""


@dataclass(frozen=True)
class RunsReport:
    """A store's sweeps, failures and nodes."""

    sweeps: list[SweepSummary]
    failures: list[FailureGroup]
    nodes: list[NodeSummary]


def runs_report(dataset: Dataset) -> RunsReport:
    """The report, for which only the newest environment of each node and sweep is read."""
    attempts = dataset.overview.attempts
    ids = pa.array(_newest_by_node(attempts), pa.string())
    rows = dataset.results.read("attempts", ["environment"], ids).to_pylist()
    environments = {row["attempt_id"]: dict(row["environment"] or []) for row in rows}
    return RunsReport(
        sweep_summaries(attempts),
        failure_groups(dataset.overview.final),
        node_summaries(attempts, environments),
    )


def sweep_summaries(attempts: pa.Table) -> list[SweepSummary]:
    """The sweeps that a table of attempts of any status is of, the newest first."""
    summaries = []
    for rows in groups(attempts, "sweep_id"):
        ran = rows.filter(pc.field("status") != "skipped")
        wall, engine = (sum(filter(None, ran[name].to_pylist())) for name in ("wall_s", "engine_s"))
        first, last = span_of(rows)
        summaries.append(
            SweepSummary(
                name=rows["sweep"][0].as_py() or "",
                id=rows["sweep_id"][0].as_py() or "",
                first=first,
                last=last,
                cells=_last_statuses(rows),
                nodes=distinct(rows, "node"),
                hardware_classes=distinct(rows, "hardware_class"),
                engine_share=engine / wall if wall > 0 else None,
                origin=", ".join(distinct(rows, "origin")),
            )
        )
    return sorted(summaries, key=lambda sweep: sweep.last or _LONG_AGO, reverse=True)


def failure_groups(final: pa.Table) -> list[FailureGroup]:
    """Attempts that count but have no figure, by status and reason: failures before skips, the
    most frequent first."""
    missing = final.filter(pc.field("status") != "ok")
    status, reason = (text_of(missing, name) for name in ("status", "reason"))
    key = pc.binary_join_element_wise(status, reason, pa.scalar("\0"))
    failures = [
        FailureGroup(
            status=rows["status"][0].as_py(),
            reason=rows["reason"][0].as_py() or "",
            labels=tuple(map(label_of, rows.select(["model", "quant", "label"]).to_pylist())),
            nodes=distinct(rows, "node"),
            last=span_of(rows)[1],
        )
        for rows in groups(missing.append_column("key", key), "key")
    ]
    return sorted(
        failures, key=lambda group: (group.status == "skipped", -len(group.labels), group.reason)
    )


def node_summaries(
    attempts: pa.Table, environments: Mapping[str, Mapping[str, str]]
) -> list[NodeSummary]:
    """The nodes that gave rows, by name. `environments` are of some attempts, by id."""
    measured = attempts.filter(pc.field("origin").is_null() | (pc.field("origin") == ""))
    summaries = [
        _node_summary(rows, environments)
        for rows in groups(measured, "node")
        if rows["node"][0].as_py()
    ]
    return sorted(summaries, key=lambda node: node.name)


def _newest_by_node(attempts: pa.Table) -> list[str]:
    """Id of the last attempt of each node in each sweep."""
    return [
        by_time(rows)[-1:]["attempt_id"][0].as_py()
        for sweep in groups(attempts, "sweep_id")
        for rows in groups(sweep, "node")
    ]


def _node_summary(rows: pa.Table, environments: Mapping[str, Mapping[str, str]]) -> NodeSummary:
    ordered = by_time(rows)
    ids: list[str] = ordered["attempt_id"].to_pylist()  # type: ignore[assignment]
    described = [environments[attempt_id] for attempt_id in ids if attempt_id in environments]
    facts = described[-1] if described else {}
    versions: dict[str, tuple[str, ...]] = {
        name: tuple(
            sorted({environment[name] for environment in described if environment.get(name)})
        )
        for name in ("quantgrid", "python")
    }
    for engine in groups(rows, "backend"):
        if name := engine["backend"][0].as_py():
            versions[name] = distinct(engine, "engine_version")
    first, last = span_of(rows)
    return NodeSummary(
        name=rows["node"][0].as_py(),
        hardware_classes=distinct(rows, "hardware_class"),
        device_kinds=distinct(rows, "device_kind"),
        attempts=rows.num_rows,
        first=first,
        last=last,
        bandwidth_bytes_s=_number(facts.get("bandwidth_bytes_s")),
        system=facts.get("system", ""),
        versions={name: values for name, values in versions.items() if values},
        overridden=facts.get("node_toml", ""),
    )


def _last_statuses(rows: pa.Table) -> dict[str, int]:
    """How many cells ended in each status, by their last attempt."""
    slim = by_time(rows.select(["cell_id", "status", "started_at"]))
    cells, statuses = slim["cell_id"].to_pylist(), slim["status"].to_pylist()
    last = dict(zip(cells, statuses, strict=True))
    return dict(sorted(Counter(str(status) for status in last.values()).items()))


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
