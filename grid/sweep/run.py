"""A sweep from start to end: gather nodes, plan, run the cells that the store lacks, write each row
as it comes."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

import msgspec

from grid.engine.measure.process import own_peak_bytes
from grid.plan.plan import Plan
from grid.plan.sweep import Sweep
from grid.results import open_for_writing
from grid.sweep.artifacts.eviction import cache_limit
from grid.sweep.coordinator import SweepCoordinator
from grid.sweep.events import Notice, Settings, SweepEnded
from grid.sweep.executors.executor import Executor, InlineExecutor
from grid.sweep.executors.executor_name import ExecutorName
from grid.sweep.node_report import Report
from grid.sweep.planner import Planner
from grid.sweep.progress import Progress
from grid.sweep.recorder import SweepRecorder, flush_in_background

if TYPE_CHECKING:
    from grid.sweep.executors.ray_executor import RayExecutor


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep did. Times in seconds; `engine_s` is what was inside engine calls (load,
    quantize, compute), on all nodes together, of the `span_s` between the first and the last
    cell."""

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
    nodes: int = 1
    """The most that took part at a time."""


class SweepResult(NamedTuple):
    """A sweep that ended, and what it came to on each profile of nodes."""

    summary: Summary
    plans: tuple[Plan, ...]
    broken: bool
    """Whether some node could not make a backend's environment."""


def local_executor(sweep: Sweep, report: Report, executor: ExecutorName) -> Executor:
    """This machine, which reported: in an actor of a local Ray, or driven from this process."""
    if executor is ExecutorName.inline:
        return InlineExecutor(report, settings_of(sweep))
    from grid.sweep.executors.ray_executor import RayExecutor

    return RayExecutor(settings_of(sweep), sweep.backends, None, report)


def cluster_executor(sweep: Sweep, address: str) -> RayExecutor:
    """All nodes of the Ray cluster at an address, of which this machine is one. Raises
    ClusterLost."""
    from grid.sweep.executors.ray_executor import RayExecutor

    return RayExecutor(settings_of(sweep), sweep.backends, address)


def run_sweep(executor: Executor, planner: Planner, store: str, progress: Progress) -> SweepResult:
    """Plan for an executor's nodes, run the cells and write their rows, and close the executor.

    Rows are safe as soon as they are flushed: an interrupt, a full disk or a dead cluster leaves a
    valid store, and the same sweep goes on from there. Raises InputError and StoreError before
    anything runs, StoreLost or ClusterLost while it does.
    """
    started = time.perf_counter()
    sweep_id = uuid4().hex
    with closing(executor):
        cache_limit()  # refuse a wrong one before anything starts
        coordinator = _plan(executor, planner, progress)
        merged_plan = coordinator.merged_plan
        with open_for_writing(store).writer() as writer:
            snapshot = planner.reread_store()  # another sweep may have ended between plan and lock
            reports = coordinator.reports.values()
            noise = merged_plan.noise_ids()
            merged_plan.remove_finished(
                {report.profile: snapshot.finished_ids(report, noise) for report in reports}
            )
            recorder = SweepRecorder(
                merged_plan,
                writer,
                progress,
                sweep=planner.sweep.name,
                sweep_id=sweep_id,
                nodes=lambda: coordinator.reports,
            )
            if writer.note:
                progress.tell(Notice(text=writer.note))
            for note in merged_plan.notes():
                progress.tell(Notice(text=note))
            try:
                recorder.begin(snapshot.final_statuses(), snapshot.earlier_runs())
                with flush_in_background(recorder):
                    for outcome in coordinator.run():
                        recorder.record(outcome)
            finally:
                recorder.end()
                progress.tell(SweepEnded())
    summary = Summary(
        sweep_id=sweep_id,
        measured=recorder.measured,
        failed=recorder.failed,
        skipped=recorder.skipped,
        already=merged_plan.measured_count(),
        span_s=recorder.span_s,
        engine_s=recorder.engine_s,
        wall_s=time.perf_counter() - started,
        driver_peak_bytes=own_peak_bytes(),
        nodes=recorder.most_nodes,
    )
    broken = any(report.broken for report in coordinator.reports.values())
    return SweepResult(summary, tuple(merged_plan.plans.values()), broken)


def settings_of(sweep: Sweep) -> Settings:
    """The limits under which a sweep's cells run. Raises InputError for an unreadable text."""
    return Settings(
        cell_timeout_s=sweep.budget.cell_timeout_s,
        extends_timeout=sweep.budget.cell_timeout is None,
        memory_limit=sweep.budget.memory_bytes,
        calibration=sweep.calibration_set,
        run_code=sweep.tasks.run_code,
        judge=sweep.tasks.judge,
    )


def _plan(executor: Executor, planner: Planner, progress: Progress) -> SweepCoordinator:
    """A coordinator with the plans of all nodes that are there."""
    coordinator = SweepCoordinator(executor, planner)
    for event in coordinator.gather():
        progress.tell(event)
    coordinator.plan()
    if not coordinator.merged_plan.plans:
        raise planner.refusal(report.node for report in coordinator.all_reports)
    return coordinator
