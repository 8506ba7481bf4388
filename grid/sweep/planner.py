"""Plans for the nodes of a sweep: what it comes to on each, minus what the store holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from grid.backend import Backend
from grid.backend.registry import backend
from grid.cells.cell import Cell
from grid.cells.measurement import PRUNED, ItemResult, Measurement, Series
from grid.engine.environments import CPU
from grid.errors import InputError
from grid.hardware.node import Node
from grid.plan.fits import DiskRoom
from grid.plan.plan import Plan
from grid.plan.sweep import Sweep
from grid.plan.task_requests import NO_PREPARED_TASKS, PreparedTasks
from grid.results.reader import Results
from grid.sweep.earlier_runs import EarlierRuns, read_earlier_runs
from grid.sweep.node_report import Report


def backends_of(sweep: Sweep) -> dict[str, Backend]:
    """The backends of a sweep by name. Raises InputError with the place in its file."""
    try:
        return {name: backend(name) for name in sweep.backends}
    except InputError as error:
        raise InputError(f"{sweep.file}: backends: {error}") from None


class StoreSnapshot:
    """The contents of a store when this was made."""

    def __init__(self, store: str, fresh: bool = False, changed: bool = False) -> None:
        """`fresh` forgets what is measured, `changed` what another version of its engine
        measured."""
        self._results = Results(store, exact=True)
        self._fresh = fresh
        self._changed = changed

    def recorded_node(self, node: Node) -> Node:
        """The node with the bandwidth of its rows in the store: a second probe, on a busy day, must
        not give it another hardware class, whose cells would all be measured again."""
        rows = self._results.final()
        mine = rows.filter((pc.field("node") == node.name) & (pc.field("status") == "ok"))
        for row in mine.select(["hardware_class", "environment"]).slice(0, 1).to_pylist():
            bandwidth_bytes_s = float(dict(row["environment"] or []).get("bandwidth_bytes_s", 0))
            recorded = msgspec.structs.replace(node, bandwidth_bytes_s=bandwidth_bytes_s)
            if recorded.hardware_class == row["hardware_class"]:
                return recorded
        return node

    def finished_ids(self, report: Report, noise: Collection[str] = ()) -> set[str]:
        """Cells that need no run: those with a result (of the engines' versions on that node, where
        only those count), and those not tried because a smaller one ran out of memory. What ended
        early because it showed no noise is a result for a run for the noise floor only; `noise` are
        the ids of these."""
        if self._fresh:
            return set()
        # Of an environment that is still to be made no row has the version.
        versions = {name: state.version or "not made" for name, state in report.backends.items()}
        pruned = {
            c for c, (_, reason) in self.final_statuses().items() if reason.startswith(PRUNED)
        }
        finished = pruned | self._results.finished_ids(versions if self._changed else None)
        return finished - (self._results.ended_early_ids() - set(noise))

    def final_statuses(self) -> dict[str, tuple[str, str]]:
        """Status and reason of each cell's final attempt."""
        columns = self._results.final().select(["cell_id", "status", "reason"]).to_pydict()
        cells, states, reasons = columns.values()
        return dict(zip(cells, zip(states, reasons, strict=True), strict=True))

    def earlier_runs(self) -> EarlierRuns:
        """How far runs of the same cell lay apart."""
        return read_earlier_runs(self._results)

    def measured_seconds(self) -> dict[str, float]:
        """Wall time by cell id of the final attempts that gave a result."""
        final = self._results.final().select(["cell_id", "status", "wall_s"])
        return {row["cell_id"]: row["wall_s"] for row in final.to_pylist() if row["status"] == "ok"}

    def measurements(self, cell_ids: Collection[str]) -> Iterator[Measurement]:
        """What was measured of these cells, by their final attempts: samples, items and what
        disturbed them."""
        rows = self._results.final().select(["attempt_id", "cell_id", "status", "environment"])
        cells = pa.array(list(cell_ids), pa.string())
        rows = rows.filter((pc.field("status") == "ok") & pc.field("cell_id").isin(cells))
        ids = rows["attempt_id"].combine_chunks()
        samples = _by_attempt(
            self._results.read("samples", ["attempt_id", "name", "unit", "values"], ids)
        )
        items = _by_attempt(self._results.read("items", ["attempt_id", *_ITEM_FIELDS], ids))
        for row in rows.to_pylist():
            parts = samples.get(row["attempt_id"], [])
            yield Measurement(
                cell_id=row["cell_id"],
                status="ok",
                scalars={p["name"]: p["values"][0] for p in parts if len(p["values"]) == 1},
                series=tuple(Series(p["name"], p["unit"], tuple(p["values"])) for p in parts),
                items=tuple(
                    ItemResult(**{name: item[name] for name in _ITEM_FIELDS}, log_likelihoods=())
                    for item in items.get(row["attempt_id"], [])
                ),
                environment=dict(row["environment"] or ()),
            )


_ITEM_FIELDS = ("task_class", "item", "score", "chance", "chosen", "answer", "group")


def _by_attempt(table: pa.Table) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        rows.setdefault(row["attempt_id"], []).append(row)
    return rows


def plan_for_node(
    sweep: Sweep,
    report: Report,
    snapshot: StoreSnapshot,
    free_bytes: int | None = None,
    prepared: PreparedTasks = NO_PREPARED_TASKS,
) -> Plan:
    """What a sweep comes to on a node that reported, minus what the store has.

    `free_bytes`: memory that is free on the roomiest node like it, if it is not this one;
    `prepared`: the item sets of the tasks that it names.
    """
    from grid.plan.expand import expand

    backends = backends_of(sweep)
    states = report.backends
    obstacles = {name: state.obstacle for name, state in states.items()}
    on_cpu = {name for name, state in states.items() if state.device == CPU}
    free_bytes = free_bytes or report.free_bytes
    disk = DiskRoom(report.disk_room, report.disk)
    plan = expand(sweep, backends, report.node, free_bytes, obstacles, on_cpu, prepared, disk)
    environments = {
        n: state.environment for n, state in states.items() if state.environment is not None
    }
    environments = {**report.converters, **environments}
    plan = msgspec.structs.replace(plan, environments=environments)
    return plan.without_finished(snapshot.finished_ids(report, plan.noise))


class Planner:
    """Plans a sweep for one node after the other, over what its store holds."""

    def __init__(
        self,
        sweep: Sweep,
        store: str,
        fresh: bool = False,
        changed: bool = False,
        prepared: PreparedTasks = NO_PREPARED_TASKS,
    ) -> None:
        self.sweep = sweep
        self._prepared = prepared
        self._read = partial(StoreSnapshot, store, fresh, changed)
        self._snapshot = self._read()

    def with_recorded_bandwidth(self, report: Report) -> Report:
        """The report with the node as its rows have it."""
        return msgspec.structs.replace(report, node=self.recorded_node(report.node))

    def recorded_node(self, node: Node) -> Node:
        """A node with the bandwidth that its rows have."""
        return self._snapshot.recorded_node(node)

    def wants(self, node: Node) -> bool:
        """Whether the sweep is to run there: `nodes` are patterns of names or hardware classes."""
        names = (node.name.lower(), node.hardware_class.lower())
        patterns = [pattern.lower() for pattern in self.sweep.nodes]
        return not patterns or any(fnmatchcase(name, p) for p in patterns for name in names)

    def plan(self, report: Report, free_bytes: int | None = None) -> Plan:
        """For nodes like the one that reports."""
        return plan_for_node(self.sweep, report, self._snapshot, free_bytes, self._prepared)

    def refusal(self, nodes: Iterable[Node]) -> InputError:
        """The error where the sweep wants none of the nodes."""
        listed = "; ".join(dict.fromkeys(f"{node.name} ({node.hardware_class})" for node in nodes))
        patterns = " or ".join(map(repr, self.sweep.nodes))
        text = f"{self.sweep.file}: nodes: no node is like {patterns}; there are {listed}"
        return InputError(text)

    def replay(
        self, cells: Mapping[str, Cell], record: Callable[[Cell, Measurement], None]
    ) -> None:
        """Give `record` what the store has of these cells."""
        for measurement in self._snapshot.measurements(cells):
            record(cells[measurement.cell_id], measurement)

    def earlier_runs(self) -> EarlierRuns:
        """How far runs of the same cell lay apart in the store."""
        return self._snapshot.earlier_runs()

    def reread_store(self) -> StoreSnapshot:
        """Read the store again, now that nobody else can write to it."""
        self._snapshot = self._read()
        return self._snapshot
