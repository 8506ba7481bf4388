"""A sweep from start to end: gather nodes, plan, run what is not measured yet, write each row as it
comes."""

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
from grid.sweep.coordinator import Conductor
from grid.sweep.events import Note as Remark
from grid.sweep.events import Preparing as BeingPrepared
from grid.sweep.events import Settings
from grid.sweep.executors.executor import Crew, InlineCrew, Noted
from grid.sweep.executors.executor_name import ExecutorName
from grid.sweep.node_report import Report
from grid.sweep.planner import Planner
from grid.sweep.progress import Ended, Note, Preparing, Progress
from grid.sweep.recorder import Tally, flushing

if TYPE_CHECKING:
    from grid.sweep.executors.ray_executor import RayCrew


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


class Done(NamedTuple):
    """A sweep that ended, and what it came to on each profile of nodes."""

    summary: Summary
    plans: tuple[Plan, ...]
    broken: bool
    """Whether some node could not make a backend's environment."""


def crew_here(sweep: Sweep, seen: Report, executor: ExecutorName) -> Crew:
    """This machine, which reported: in an actor of a local Ray, or driven from this process."""
    if executor is ExecutorName.inline:
        return InlineCrew(seen, settings_of(sweep))
    from grid.sweep.executors.ray_executor import RayCrew

    return RayCrew(settings_of(sweep), sweep.backends, None, seen)


def crew_at(sweep: Sweep, address: str) -> RayCrew:
    """All nodes of the Ray cluster at an address, of which this machine is one. Raises
    ClusterLost."""
    from grid.sweep.executors.ray_executor import RayCrew

    return RayCrew(settings_of(sweep), sweep.backends, address)


def run_sweep(crew: Crew, planner: Planner, store: str, progress: Progress) -> Done:
    """Plan for a crew's nodes, run the cells and write their rows; the crew is closed then.

    Rows are safe as soon as they are flushed: an interrupt, a full disk or a dead cluster leaves a
    valid store, and the same sweep goes on from there. Raises InputError and StoreError before
    anything runs, StoreLost or ClusterLost while it does.
    """
    started = time.perf_counter()
    sweep_id = uuid4().hex
    with closing(crew):
        cache_limit()  # a wrong one is said before anything starts
        conductor = _planned(crew, planner, progress)
        campaign = conductor.campaign
        with open_for_writing(store).writer() as writer:
            known = planner.read_again()  # another sweep may have ended between plan and lock
            seen = conductor.reports.values()
            campaign.minus({one.profile: known.finished(one) for one in seen})
            tally = Tally(
                campaign,
                writer,
                progress,
                sweep=planner.sweep.name,
                sweep_id=sweep_id,
                nodes=lambda: conductor.reports,
            )
            if writer.note:
                progress.tell(Note(text=writer.note))
            try:
                tally.begin(known.recorded())
                with flushing(tally):
                    for outcome in conductor.run():
                        tally.hear(outcome)
            finally:
                tally.end()
                progress.tell(Ended())
    summary = Summary(
        sweep_id=sweep_id,
        measured=tally.measured,
        failed=tally.failed,
        skipped=tally.skipped,
        already=campaign.measured(),
        span_s=tally.span_s,
        engine_s=tally.engine_s,
        wall_s=time.perf_counter() - started,
        driver_peak_bytes=own_peak_bytes(),
        nodes=tally.nodes,
    )
    broken = any(one.broken for one in conductor.reports.values())
    return Done(summary, tuple(campaign.plans.values()), broken)


def settings_of(sweep: Sweep) -> Settings:
    """The limits under which a sweep's cells run. Raises InputError for an unreadable text."""
    return Settings(
        cell_timeout_s=sweep.budget.cell_timeout_s,
        memory_limit=sweep.budget.memory_bytes,
        calibration=sweep.calibration_set,
    )


def _planned(crew: Crew, planner: Planner, progress: Progress) -> Conductor:
    """A conductor with the plans of all nodes that are there."""
    conductor = Conductor(crew, planner)
    for heard in conductor.gather():
        if isinstance(heard, Noted):
            progress.tell(Note(text=heard.text))
            continue
        for event in heard.events:
            if isinstance(event, Remark):
                progress.tell(Note(text=event.text))
            elif isinstance(event, BeingPrepared):
                progress.tell(
                    Preparing(what=event.what, label=event.label, line=event.line, node=heard.place)
                )
    conductor.plan()
    if not conductor.campaign.plans:
        raise planner.refuse(one.node for one in conductor.everyone)
    return conductor
