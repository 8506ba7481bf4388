"""A sweep from start to end: plan, run what is not measured yet, write each row as it comes."""

from __future__ import annotations

import os
import platform
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec
import pyarrow.compute as pc

from grid import __version__
from grid.artifact import ArtifactFacts
from grid.backend import Backend
from grid.cell import Cell
from grid.derive import metrics_of
from grid.environments import CPU, HERE, device_of, engine_version, found, obstacle
from grid.errors import InputError, StoreLost
from grid.measure.process import own_peak_bytes
from grid.measurement import PRUNED, RETRIED, Measurement, Metric
from grid.node import Node
from grid.plan.plan import Plan
from grid.plan.sweep import Sweep
from grid.probe import available_memory
from grid.progress import Progress
from grid.registry import backend
from grid.results import open_for_writing, open_store
from grid.schedule.events import (
    CellDone,
    CellStarted,
    Event,
    Observed,
    Prepared,
    Preparing,
    Settings,
)
from grid.schedule.executor import Executor, InlineExecutor
from grid.schedule.kinds import ExecutorName
from grid.workload import kind

if TYPE_CHECKING:
    from grid.results.reader import Results
    from grid.results.store import Writer


TICK_S = 1.0
"""Seconds between looks at whether waiting rows are due."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep did. Times in seconds; `engine_s` is what was inside engine calls (load,
    quantize, compute) of the `span_s` between the first and the last cell."""

    sweep_id: str
    measured: int
    failed: int
    skipped: int
    already: int
    span_s: float
    engine_s: float
    wall_s: float
    driver_peak_bytes: int
    """Most memory that this process itself held."""


def settled(node: Node, store: str) -> Node:
    """The node with the bandwidth that this machine's rows in the store say: another probe, on a
    busy day, must not make it another hardware class whose cells are all measured again."""
    rows = open_store(store).final()
    mine = rows.filter((pc.field("node") == node.name) & (pc.field("status") == "ok"))
    for row in mine.select(["hardware_class", "environment"]).slice(0, 1).to_pylist():
        told = float(dict(row["environment"] or []).get("bandwidth_bytes_s", 0))
        known = msgspec.structs.replace(node, bandwidth_bytes_s=told)
        if known.hardware_class == row["hardware_class"]:
            return known
    return node


def backends_of(sweep: Sweep) -> dict[str, Backend]:
    """The backends of a sweep by name. Raises InputError with the place in its file."""
    try:
        return {name: backend(name) for name in sweep.backends}
    except InputError as error:
        raise InputError(f"{sweep.file}: backends: {error}") from None


def make_plan(
    sweep: Sweep,
    node: Node,
    store: str,
    fresh: bool = False,
    changed: bool = False,
    broken: Mapping[str, str] = MappingProxyType({}),
) -> Plan:
    """The plan of a sweep on a node, minus what the store holds.

    `fresh` measures all again, `changed` what another version of its engine measured; `broken` says
    of backends whose environment cannot be made, why.
    """
    from grid.plan.expand import expand

    asked = backends_of(sweep)
    obstacles = {name: broken.get(name) or obstacle(name, node) for name in sweep.backends}
    on_cpu = {name for name in asked if device_of(name, node) == CPU}
    plan = expand(sweep, asked, node, available_memory(), obstacles, on_cpu)
    own = {name: there for name in asked if (there := found(name, node)) != HERE}
    made = {name: interpreter is not None for name, interpreter in own.items()}
    plan = msgspec.structs.replace(plan, environments=made)
    return plan if fresh else plan.minus(finished_ids(sweep, node, store, changed))


def finished_ids(sweep: Sweep, node: Node, store: str, changed: bool = False) -> set[str]:
    """Cells that need no run: those with a result (with `changed`, of the engine's present
    version), and those not tried because a smaller one ran out of memory."""
    results = open_store(store)
    # Of an environment that is still to be made no row has the version.
    versions = {name: engine_version(name, node) or "not made" for name in sweep.backends}
    pruned = {c for c, (_, reason) in _recorded(results).items() if reason.startswith(PRUNED)}
    return pruned | results.finished_ids(versions if changed else None)


def run_sweep(
    sweep: Sweep,
    plan: Plan,
    node: Node,
    store: str,
    executor: ExecutorName,
    progress: Progress,
    again: Callable[[], set[str]] | None = None,
) -> Summary:
    """Run a plan's cells and write their rows.

    `again` gives the finished ids once more, when nobody else can write any longer.

    Rows are safe as soon as they are flushed: an interrupt, a full disk or a dead cluster leaves a
    valid store, and the same sweep goes on from there. Raises StoreError before anything runs,
    StoreLost or ClusterLost while it does.
    """
    started = time.perf_counter()
    sweep_id = uuid4().hex
    with open_for_writing(store).writer() as writer:
        if again is not None:  # another sweep may have ended between the plan and the lock
            plan = plan.minus(again())
        tally = _Tally(plan, node, writer, sweep_id, progress)
        tally.skip(_recorded(open_store(store)))
        if writer.note:
            progress.note(writer.note)
        progress.planned(plan)
        try:
            if plan.cells:
                with _executor(executor, node, sweep) as runner, _flushing(tally):
                    for event in runner.run(plan.sessions):
                        tally.hear(event)
        finally:
            progress.ended()
    return Summary(
        sweep_id=sweep_id,
        measured=tally.measured,
        failed=tally.failed,
        skipped=len(plan.skipped),
        already=len(plan.measured),
        span_s=tally.span_s,
        engine_s=tally.engine_s,
        wall_s=time.perf_counter() - started,
        driver_peak_bytes=own_peak_bytes(),
    )


class _Tally:
    """Takes events: writes rows, counts, and tells the progress."""

    def __init__(
        self, plan: Plan, node: Node, writer: Writer, sweep_id: str, progress: Progress
    ) -> None:
        self._plan = plan
        self._sweep_id = sweep_id
        self._cells = {cell.id: cell for cell in plan.cells}
        self._facts: dict[str, ArtifactFacts] = {}
        self._node = node
        self._writer = writer
        self._progress = progress
        self._environment = {
            **driver_environment(),
            "bandwidth_bytes_s": f"{node.bandwidth_bytes_s:.4g}",
            "llc_bytes": str(node.llc_bytes),
        }
        self._writing = threading.Lock()
        self._first = self._last = time.perf_counter()
        self._begun = False
        self.measured = self.failed = 0
        self.engine_s = 0.0

    @property
    def span_s(self) -> float:
        return self._last - self._first

    def skip(self, recorded: Mapping[str, tuple[str, str]]) -> None:
        """A row for each skipped cell, unless the store says the same or has a final result;
        `recorded` has status and reason by cell id."""
        for skip in self._plan.skipped:
            cell, reason = skip.cell, skip.reason
            status, known = recorded.get(cell.id, ("", ""))
            if status in ("", *RETRIED) or (status == "skipped" and known != reason):
                measurement = Measurement(
                    cell_id=cell.id, status="skipped", reason=reason, started_at=time.time()
                )
                self._write(cell, measurement)

    def hear(self, event: Event) -> None:
        match event:
            case Prepared():
                self._begin(event.wall_s)  # it is told when it is done
                self.engine_s += event.engine_s
                self._progress.prepared(event)
            case Preparing():
                self._progress.preparing(event)
            case Observed():
                self._facts[event.artifact_id] = event.facts
            case CellStarted():
                self._begin()
                self._progress.started(self._cells[event.cell_id])
            case CellDone():
                self._done(event.measurement)

    def tick(self) -> None:
        """Flush rows that have waited long enough."""
        with self._writing:
            self._writer.tick()

    def _begin(self, ago_s: float = 0.0) -> None:
        if not self._begun:
            self._begun = True
            self._first = time.perf_counter() - ago_s

    def _done(self, measurement: Measurement) -> None:
        cell = self._cells[measurement.cell_id]
        self._last = time.perf_counter()
        self.engine_s += measurement.engine_s
        full = msgspec.structs.replace(
            measurement, environment={**self._environment, **measurement.environment}
        )
        status = self._write(cell, full)
        self.measured += status == "ok"
        self.failed += status not in ("ok", "skipped")
        self._progress.finished(cell, measurement)

    def _write(self, cell: Cell, measurement: Measurement) -> str:
        """Write the attempt and return its status: samples that no figure can be derived from make
        it an error, and the sweep goes on."""
        metrics: list[Metric] = []
        try:
            metrics = metrics_of(kind(cell.workload), cell.workload, measurement)
        except ValueError as error:
            reason = f"no figure can be derived: {error}"
            measurement = msgspec.structs.replace(measurement, status="error", reason=reason)
        with self._writing:
            self._writer.add(
                cell,
                measurement,
                metrics,
                node=self._node,
                sweep_id=self._sweep_id,
                sweep=self._plan.sweep,
                facts=self._facts.get(cell.artifact.id),
            )
        return measurement.status


@contextmanager
def _flushing(tally: _Tally) -> Iterator[None]:
    """Rows reach the store also while one cell takes an hour: a thread ticks beside the events.

    Raises StoreLost on leaving where such a flush found the store lost; the writer itself raises it
    at the next row.
    """
    done = threading.Event()
    lost: list[StoreLost] = []

    def tick() -> None:
        try:
            while not done.wait(TICK_S):
                tally.tick()
        except StoreLost as error:
            lost.append(error)

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    if lost:
        raise lost[0]


@contextmanager
def _executor(name: ExecutorName, node: Node, sweep: Sweep) -> Iterator[Executor]:
    made = _make_executor(name, node, _settings(sweep))
    try:
        yield made
    finally:
        made.close()


def _make_executor(name: ExecutorName, node: Node, settings: Settings) -> Executor:
    if name is ExecutorName.inline:
        return InlineExecutor(node, settings)
    from grid.schedule.local_ray import LocalRayExecutor

    return LocalRayExecutor(node, settings)


def _settings(sweep: Sweep) -> Settings:
    return Settings(
        cell_timeout_s=sweep.budget.cell_timeout_s,
        memory_limit=sweep.budget.memory_bytes,
        calibration=sweep.calibration_set,
    )


def _recorded(results: Results) -> dict[str, tuple[str, str]]:
    """Status and reason of each cell's final attempt."""
    columns = results.final().select(["cell_id", "status", "reason"]).to_pydict()
    cells, states, reasons = columns.values()
    return dict(zip(cells, zip(states, reasons, strict=True), strict=True))


def measured_seconds(store: str) -> dict[str, float]:
    """Wall time by cell id of the final attempts that gave a result."""
    final = open_store(store).final().select(["cell_id", "status", "wall_s"])
    return {row["cell_id"]: row["wall_s"] for row in final.to_pylist() if row["status"] == "ok"}


def driver_environment() -> dict[str, str]:
    """What every row says of this installation and system."""
    return {
        "quantgrid": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "git_revision": _git_revision(),
    }


def _git_revision() -> str:
    """Revision of the checkout that this package runs from; empty for an installed one."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", os.fspath(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
