"""Runs a sweep on an executor's nodes: assigns work as the policy says, and follows how it ends."""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from grid.cells.measurement import Measurement, Status
from grid.cells.workload import kind
from grid.engine import interrupts
from grid.errors import ClusterLost, InputError
from grid.sweep.dispatch.scheduler_state import AttemptOutcome, SchedulerState
from grid.sweep.dispatch.work import NodeSpec, Work
from grid.sweep.earlier_runs import EarlierRuns, with_earlier_runs
from grid.sweep.events import CellDone, Event, Notice, Observed, cell_done, for_progress
from grid.sweep.executors.executor import (
    Executor,
    ExecutorEvent,
    Gathered,
    Joined,
    Left,
    NodeEvent,
    NodeIdle,
)
from grid.sweep.merged_plan import MergedPlan
from grid.sweep.node_report import Report, with_disks_of
from grid.sweep.not_run import lost, pruned
from grid.sweep.planner import Planner
from grid.sweep.race import Race

POLL_S = 1.0
"""Seconds between looks at whether what is left can still run anywhere."""

WAIT_FOR_NODES_S = 240.0
"""Seconds that cells wait for a node that could run them to come back: a host that was cut off is
started again by Ray after one to two minutes."""


class CellsAdded(NamedTuple):
    """A profile was planned: there are more cells, or the same may run in more places."""


class Unrunnable(NamedTuple):
    """No node of the grid can run a cell; `status` is `skipped`, or `lost` where one could."""

    cell_id: str
    status: Status
    reason: str


Outcome = NodeEvent | Joined | Left | CellsAdded | Unrunnable | Notice


class SweepCoordinator:
    """One sweep's run: `gather`, then `run`.

    Every cell of the merged plan ends in exactly one CellDone without `will_retry`, or in one
    Unrunnable.
    """

    def __init__(
        self, executor: Executor, planner: Planner, wait_for_nodes_s: float = WAIT_FOR_NODES_S
    ) -> None:
        self._executor = executor
        self._planner = planner
        self._wait_s = wait_for_nodes_s
        self.merged_plan = MergedPlan()
        self._scheduler = SchedulerState((), self.merged_plan.costs())
        self._reports: dict[str, Report] = {}
        self._assigned_cells: dict[str, set[str]] = {}
        self._unfinished_cells: set[str] = set()
        self._queued_cells: set[str] = set()
        self._stuck_since: float | None = None
        self._assigned_at_news = -1
        self._reported_aside: set[str] = set()
        stops = planner.sweep.budget.stops_when_decided
        self._race = Race(self.merged_plan) if stops else None
        self._earlier_runs: EarlierRuns = {}

    @property
    def all_reports(self) -> list[Report]:
        """Every node that is there, wanted or not."""
        return list(self._reports.values())

    @property
    def reports(self) -> dict[str, Report]:
        """The nodes that take part, by place."""
        wants = self._planner.wants
        return {place: report for place, report in self._reports.items() if wants(report.node)}

    def gather(self) -> Iterator[Event]:
        """Wait for all nodes that are there at the start; yields events for the progress.
        Raises ClusterLost where there is none."""
        while not isinstance(event := self._executor.next_event(POLL_S), Gathered):
            match event:
                case Joined(place, report):
                    self._reports[place] = self._planner.with_recorded_bandwidth(report)
                case Left(place):
                    self._reports.pop(place, None)
                case NodeEvent(place, node_event):
                    yield for_progress(node_event, node=place)
                case Notice():
                    yield event
        if not self._reports:
            raise ClusterLost("the cluster has no node that can run engines; `grid cluster status`")

    def plan(self) -> None:
        """Plan for every node that is there. Raises InputError where the sweep is wrong."""
        for report in self._reports.values():
            self._add_plan(report)

    def run(self) -> Iterator[Outcome]:
        """Run the merged plan's cells while nodes join and leave."""
        self._executor.offer(self.merged_plan.read_cells())
        self._scheduler = SchedulerState((), self.merged_plan.costs())
        if self._race:
            self._earlier_runs = self._planner.earlier_runs()
            self._planner.replay(self.merged_plan.measured_cells(), self._race.record)
        self._queue(self.merged_plan.all_work())
        for place in self._reports:
            self._add_place(place)
        yield from self._drop_infeasible(self._unfinished_cells)
        self._assign()
        while self._unfinished_cells:
            interrupts.check()
            if self._race and self._race.is_waiting and not self._scheduler.left:
                yield from self._advance(self._race)
                continue
            event = self._executor.next_event(POLL_S)
            if event is not None:
                yield from self._handle(event)
            if not isinstance(event, NodeEvent) or self._scheduler.news != self._assigned_at_news:
                self._assign()
                yield from self._report_aside()
                yield from self._give_up_waiting()

    def _advance(self, race: Race) -> Iterator[Outcome]:
        """All cells so far have ended: drop what is not needed any more, and go on."""
        following = race.advance(self._unfinished_cells)
        for cell_id, reason in following.dropped.items():
            self._unfinished_cells.discard(cell_id)
            yield Unrunnable(cell_id, "skipped", reason)
        self._scheduler.add(following.works, self.merged_plan.costs())
        yield from self._drop_infeasible({work.cell_id for work in following.works})
        self._assign()

    def _handle(self, event: ExecutorEvent) -> Iterator[Outcome]:
        match event:
            case Notice():
                yield event
            case Joined(place, report):
                yield from self._add_node(place, report)
            case Left(place) if place in self._reports:
                yield from self._remove_node(event)
            case NodeEvent(place, node_event) if place in self._reports:
                yield from self._pass_on(place, node_event)
            case NodeIdle(place) if place in self._reports:
                yield from self._end_batch(place)
            case NodeEvent(place, Notice() as notice):  # of a node that has not joined yet
                yield for_progress(notice, node=place)

    def _add_node(self, place: str, report: Report) -> Iterator[Outcome]:
        report = self._reports[place] = self._planner.with_recorded_bandwidth(report)
        yield Joined(place, report)
        try:
            new = self._add_plan(report)
            if new:
                self._executor.offer(self.merged_plan.read_cells())
        except (InputError, ClusterLost) as error:  # a file of the sweep changed since it began
            yield Notice(text=f"{report.node.name} gets no work: {error}")
            return
        before = set(self._unfinished_cells)
        self._queue(new)
        if new:
            yield CellsAdded()
        self._add_place(place)
        yield from self._drop_infeasible(self._unfinished_cells - before)

    def _remove_node(self, left: Left) -> Iterator[Outcome]:
        del self._reports[left.place]
        yield left
        self._assigned_cells.pop(left.place, None)
        for cell_id, reason in self._scheduler.leave(left.place, left.reason).given_up.items():
            yield self._end_cell(left.place, lost(cell_id, reason))

    def _pass_on(self, place: str, event: Event) -> Iterator[Outcome]:
        if isinstance(event, Observed):
            self._scheduler.note_artifact(place, event.artifact_id)
        if not isinstance(event, CellDone):
            yield NodeEvent(place, event)
            return
        if event.cell_id not in self._assigned_cells.get(place, ()):
            return  # it was given to another node since
        self._assigned_cells[place].discard(event.cell_id)
        outcome = _OUTCOMES.get(event.status, AttemptOutcome.final)
        final = self._scheduler.record_end(place, event.cell_id, outcome, event.wall_s)
        if final:
            self._unfinished_cells.discard(event.cell_id)
        if self._race and event.measurement:
            profile = self._reports[place].profile
            cell = self.merged_plan.cell(event.cell_id, profile)
            earlier = self._earlier_runs.get((cell.scope, kind(cell.workload)))
            self._race.record(cell, with_earlier_runs(event.measurement, earlier))
        yield NodeEvent(place, replace(event, will_retry=not final))
        if event.status == "oom":
            yield from self._prune(place, event.cell_id)

    def _prune(self, place: str, cell_id: str) -> Iterator[Outcome]:
        """Cells larger than one that ran out of memory are not tried."""
        running = set().union(*self._assigned_cells.values())
        profile = self._reports[place].profile
        failed = self.merged_plan.cell(cell_id, profile)
        for larger in self.merged_plan.larger(failed, profile, self._unfinished_cells - running):
            self._scheduler.drop([larger])
            row = pruned(self.merged_plan.cell(larger, profile), failed.workload.size)
            yield self._end_cell(place, row)

    def _end_batch(self, place: str) -> Iterator[Outcome]:
        """Cells that the node did not report before its assignment ended were not run."""
        self._assigned_cells.pop(place, None)
        for cell_id, reason in self._scheduler.end_batch(place).given_up.items():
            yield self._end_cell(place, lost(cell_id, reason))

    def _end_cell(self, place: str, measurement: Measurement) -> NodeEvent:
        """The end of a cell that its node did not report."""
        self._unfinished_cells.discard(measurement.cell_id)
        return NodeEvent(place, cell_done(self.merged_plan.cell(measurement.cell_id), measurement))

    def _add_plan(self, report: Report) -> list[Work]:
        if report.profile in self.merged_plan.plans or not self._planner.wants(report.node):
            return []
        twins = [twin for twin in self._reports.values() if twin.profile == report.profile]
        free_bytes = max(twin.free_bytes for twin in twins)
        plan = self._planner.plan(with_disks_of(report, twins), free_bytes)
        return self.merged_plan.add(report.profile, plan)

    def _queue(self, works: Sequence[Work]) -> None:
        """Queue new cells, and unfinished ones that may now run in more places."""
        wanted = [
            work for work in works if work.cell_id in self._unfinished_cells or self._is_new(work)
        ]
        admitted = self._race.admit(wanted) if self._race else wanted
        self._scheduler.add(admitted, self.merged_plan.costs())

    def _is_new(self, work: Work) -> bool:
        if work.cell_id in self._queued_cells:
            return False
        self._queued_cells.add(work.cell_id)
        self._unfinished_cells.add(work.cell_id)
        return True

    def _add_place(self, place: str) -> None:
        report = self._reports[place]
        if self._planner.wants(report.node):
            self._scheduler.join(_node_spec(place, report))

    def _assign(self) -> None:
        self._assigned_at_news = self._scheduler.news
        for place, report in self._reports.items():
            if place in self._assigned_cells:
                continue
            assignment = self._scheduler.choose(place)
            if assignment is not None:
                self._scheduler.start(assignment)
                self._assigned_cells[place] = set(assignment.cells)
                self._executor.start(
                    place, self.merged_plan.sessions(report.profile, assignment.cells)
                )

    def _drop_infeasible(self, among: Container[str]) -> Iterator[Outcome]:
        """Drop cells that no node can run."""
        for cell_id, reason in self._scheduler.infeasible().items():
            if cell_id not in among:
                continue
            self._scheduler.drop([cell_id])
            self._unfinished_cells.discard(cell_id)
            yield Unrunnable(cell_id, "skipped", reason)

    def _report_aside(self) -> Iterator[Outcome]:
        for place, reason in self._scheduler.set_aside.items():
            if place not in self._reported_aside and place in self._reports:
                self._reported_aside.add(place)
                yield Notice(text=f"{self._reports[place].node.name} gets no more work: {reason}")

    def _give_up_waiting(self) -> Iterator[Outcome]:
        """Drop cells that no node can run any longer, after waiting for one to come back."""
        if self._assigned_cells or not self._scheduler.left:
            self._stuck_since = None
            return
        now = time.monotonic()
        if self._stuck_since is None:
            self._stuck_since = now
            yield Notice(
                text=f"{len(self._unfinished_cells)} cells wait for a node that can run them"
            )
        if now - self._stuck_since < self._wait_s:
            return
        for cell_id in sorted(self._unfinished_cells):
            self._scheduler.drop([cell_id])
            self._unfinished_cells.discard(cell_id)
            yield Unrunnable(cell_id, "lost", LOST)


_OUTCOMES = {"ok": AttemptOutcome.ok, "error": AttemptOutcome.failed}
"""Another node may do better than an error; a timeout costs too much to be tried twice in one
sweep."""

LOST = "every node that could run it is gone; the same command tries again"


def _node_spec(place: str, report: Report) -> NodeSpec:
    node = report.node
    return NodeSpec(
        name=place,
        profile=report.profile,
        host_bytes=min(node.memory_bytes, report.free_bytes),
        device_bytes=sum(device.memory_bytes for device in node.accelerators),
        disk=frozenset(report.disk),
    )
