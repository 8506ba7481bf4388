"""Records a sweep: writes each attempt as rows, counts it, and shows it in the progress."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from grid.cells.cell import Cell
from grid.cells.measurement import RETRIED, Measurement, Metric
from grid.cells.workload import kind
from grid.errors import StoreLost
from grid.models.artifact import ArtifactFacts
from grid.plan.estimate import cell_seconds
from grid.results.derive import metrics_of
from grid.results.heartbeat import Heartbeat
from grid.sweep.coordinator import CellsAdded, Outcome, Unrunnable
from grid.sweep.earlier_runs import EarlierRuns, with_earlier_runs
from grid.sweep.events import (
    CellDone,
    CellStarted,
    Event,
    Nodes,
    Notice,
    Observed,
    Planned,
    Prepared,
    cell_done,
    for_progress,
)
from grid.sweep.executors.executor import Joined, Left, NodeEvent
from grid.sweep.merged_plan import MergedPlan
from grid.sweep.node_report import Report
from grid.sweep.not_run import not_run
from grid.sweep.progress import Progress
from grid.sweep.progress.pace import Pace
from grid.sweep.row_environment import environment_of

if TYPE_CHECKING:
    from grid.results.store import Writer

TICK_S = 1.0
"""Seconds between looks at whether waiting rows are due."""


class SweepRecorder:
    """Writes rows for the outcomes of a sweep, counts them, and passes them to the progress."""

    def __init__(
        self,
        merged_plan: MergedPlan,
        writer: Writer,
        progress: Progress,
        *,
        sweep: str,
        sweep_id: str,
        nodes: Callable[[], Mapping[str, Report]],
    ) -> None:
        """`nodes` gives those that take part now, by place; more than one are named in the
        progress."""
        self._merged_plan = merged_plan
        self._writer = writer
        self._progress = progress
        self._sweep = sweep
        self._sweep_id = sweep_id
        self._nodes = nodes
        self._reports = dict(nodes())
        """Every node that took part, by place, those that left included."""
        self._names_nodes = len(self._reports) > 1
        self._first_reports = {report.profile: report for report in self._reports.values()}
        """A node of each profile that was there."""
        self._facts: dict[str, ArtifactFacts] = {}
        self._recorded: Mapping[str, tuple[str, str]] = {}
        self._earlier: EarlierRuns = {}
        self._skipped_ids: set[str] = set()
        self._write_lock = threading.Lock()
        self._heartbeat = Heartbeat(writer.location, sweep, sweep_id)
        self._pace = Pace()
        self._current_label = ""
        self._node_names: tuple[str, ...] = ()
        self._measured_before = 0
        self._first_start = self._last_end = time.perf_counter()
        self._has_started = False
        self.most_nodes = len(self._reports)
        self.measured = self.failed = self.skipped = 0
        self.engine_s = 0.0

    @property
    def span_s(self) -> float:
        """Seconds from the first cell's beginning to the last one's end."""
        return self._last_end - self._first_start

    def begin(
        self, recorded: Mapping[str, tuple[str, str]], earlier: EarlierRuns | None = None
    ) -> None:
        """Show the plan, and write a row for each skipped cell, unless the store has the same row
        or a final result; `recorded` has status and reason by cell id, `earlier` how far the
        store's runs lie apart."""
        self._recorded = recorded
        self._earlier = earlier or {}
        self._heartbeat.begin()
        self._write_skips()
        self._tell_plan()
        self._tell_nodes()
        self._beat()

    def _write_skips(self) -> None:
        for skip, profile in self._merged_plan.unrunnable_skips():
            if skip.cell.id not in self._skipped_ids:
                self._skipped_ids.add(skip.cell.id)
                self.skipped += 1
                if self._is_unrecorded(skip.cell.id, skip.reason):
                    row = not_run(skip.cell.id, "skipped", skip.reason)
                    self._write(skip.cell, row, self._first_reports[profile])

    def _is_unrecorded(self, cell_id: str, reason: str) -> bool:
        """Whether the store has no row yet that a cell is skipped for this reason."""
        status, recorded_reason = self._recorded.get(cell_id, ("", ""))
        return status in ("", *RETRIED) or (status == "skipped" and recorded_reason != reason)

    def record(self, outcome: Outcome) -> None:
        match outcome:
            case NodeEvent(place, event):
                self._record_event(self._reports[place], event)
            case Notice():
                self._tell(outcome)
            case Joined(place, report):
                self._reports[place] = report
                self._first_reports.setdefault(report.profile, report)
                self._change_nodes(f"{report.node.name} joined")
            case Left(_, reason):
                self._change_nodes(reason)
            case CellsAdded():
                self._write_skips()
                self._tell_plan()
            case Unrunnable(cell_id, status, reason):
                report = self._first_reports[self._merged_plan.profile_of(cell_id)]
                row = not_run(cell_id, status, reason)
                write = status == "lost" or self._is_unrecorded(cell_id, reason)
                self._end_cell(report, cell_done(self._merged_plan.cell(cell_id), row), write)

    def tick(self) -> None:
        """Flush rows that have waited long enough, and update the heartbeat in the store."""
        with self._write_lock:
            self._writer.tick()
        self._beat()

    def end(self) -> None:
        """Remove the heartbeat: the sweep runs no longer."""
        self._heartbeat.end()

    def _beat(self) -> None:
        # plain values only: this runs beside the events, which change the plan
        self._heartbeat.update(
            cells=self._pace.total,
            done=self._pace.done,
            failed=self.failed,
            skipped=self.skipped,
            measured=self._measured_before,
            eta_s=self._pace.eta_s,
            nodes=self._node_names,
            now=self._current_label,
        )

    def _tell(self, event: Event) -> None:
        self._pace.count(event)
        self._progress.tell(event)

    def _record_event(self, report: Report, event: Event) -> None:
        match event:
            case CellDone():
                self._end_cell(report, event)
                return
            case Observed():
                self._facts[event.artifact_id] = event.facts
                return
            case Prepared():
                self._start_clock(event.wall_s)  # the event comes at its end
                self.engine_s += event.engine_s or 0.0
            case CellStarted():
                self._start_clock()
                self._current_label = event.label
        self._tell(for_progress(event, self._name(report)))

    def _start_clock(self, ago_s: float = 0.0) -> None:
        if not self._has_started:
            self._has_started = True
            self._first_start = time.perf_counter() - ago_s

    def _end_cell(self, report: Report, event: CellDone, write: bool = True) -> None:
        assert event.measurement
        cell = self._merged_plan.cell(event.cell_id, report.profile)
        self._last_end = time.perf_counter()
        self.engine_s += event.measurement.engine_s
        status = self._write(cell, event.measurement, report) if write else event.status
        if not event.will_retry:
            self.measured += status == "ok"
            self.skipped += status == "skipped"
            self.failed += status not in ("ok", "skipped")
        modelled_s = cell_seconds(self._merged_plan.plans[report.profile], cell)
        self._tell(for_progress(event, self._name(report), modelled_s=modelled_s))

    def _name(self, report: Report) -> str:
        """What the progress calls a node; empty where there is one only."""
        return report.node.name if self._names_nodes else ""

    def _write(self, cell: Cell, measurement: Measurement, report: Report) -> str:
        """Write the attempt and return its status: samples that no figure can be derived from make
        it an error, and the sweep goes on."""
        metrics: list[Metric] = []
        if measurement.status == "ok":
            earlier = self._earlier.get((report.node.hardware_class, kind(cell.workload)))
            measurement = with_earlier_runs(measurement, earlier)
        try:
            metrics = metrics_of(kind(cell.workload), cell.workload, measurement)
        except ValueError as error:
            reason = f"no figure can be derived: {error}"
            measurement = msgspec.structs.replace(measurement, status="error", reason=reason)
        environment = {**environment_of(report), **measurement.environment}
        with self._write_lock:
            self._writer.add(
                cell,
                msgspec.structs.replace(measurement, environment=environment),
                metrics,
                node=report.node,
                sweep_id=self._sweep_id,
                sweep=self._sweep,
                facts=self._facts.get(cell.artifact.id),
            )
        return measurement.status

    def _tell_plan(self) -> None:
        merged_plan = self._merged_plan
        self._measured_before = merged_plan.measured_count()
        self._tell(
            Planned(
                cells=merged_plan.cell_count,
                skipped=len(merged_plan.unrunnable_skips()),
                measured=self._measured_before,
                modelled_s=merged_plan.modelled_s(),
                optional=merged_plan.optional_count(),
            )
        )

    def _change_nodes(self, notice: str) -> None:
        self._names_nodes = True
        self.most_nodes = max(self.most_nodes, len(self._nodes()))
        self._tell(Notice(text=notice))
        self._tell_nodes()

    def _tell_nodes(self) -> None:
        self._node_names = tuple(sorted(report.node.name for report in self._nodes().values()))
        if self._names_nodes:
            self._tell(Nodes(names=self._node_names))


@contextmanager
def flush_in_background(recorder: SweepRecorder) -> Iterator[None]:
    """Rows reach the store also while one cell takes an hour: a thread ticks beside the events.

    Raises StoreLost on leaving where such a flush found the store lost; the writer itself raises it
    at the next row.
    """
    done = threading.Event()
    errors: list[StoreLost] = []

    def tick() -> None:
        try:
            while not done.wait(TICK_S):
                recorder.tick()
        except StoreLost as error:
            errors.append(error)

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    if errors:
        raise errors[0]
