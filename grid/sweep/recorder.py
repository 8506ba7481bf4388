"""A sweep's account: each attempt becomes rows, is counted, and is told to the progress."""

from __future__ import annotations

import os
import platform
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from grid.cells.cell import Cell
from grid.cells.measurement import RETRIED, Measurement, Metric, Status
from grid.cells.workload import kind
from grid.errors import StoreLost
from grid.models.artifact import ArtifactFacts
from grid.plan.estimate import cell_seconds
from grid.results.derive import metrics_of
from grid.results.heartbeat import Sign
from grid.sweep.campaign import Campaign
from grid.sweep.coordinator import Crowd, Grown, Happened, Outcome, Unrunnable
from grid.sweep.events import CellDone, CellStarted, Event, Observed, Prepared, Preparing
from grid.sweep.events import Note as Remark
from grid.sweep.executors.executor import Noted
from grid.sweep.node_report import Report
from grid.sweep.progress import Finished, Nodes, Note, Planned, Progress, Started, Step
from grid.sweep.progress import Prepared as MadeReady
from grid.sweep.progress import Preparing as MakingReady
from grid.sweep.progress.pace import Pace

if TYPE_CHECKING:
    from grid.results.store import Writer

TICK_S = 1.0
"""Seconds between looks at whether waiting rows are due."""


class Tally:
    """Takes what happens in a campaign: writes rows, counts, and tells the progress."""

    def __init__(
        self,
        campaign: Campaign,
        writer: Writer,
        progress: Progress,
        *,
        sweep: str,
        sweep_id: str,
        nodes: Callable[[], Mapping[str, Report]],
    ) -> None:
        """`nodes` gives those that take part now, by place; more than one are named in the
        progress."""
        self._campaign = campaign
        self._writer = writer
        self._progress = progress
        self._sweep = sweep
        self._sweep_id = sweep_id
        self._nodes = nodes
        there = nodes()
        self._named = len(there) > 1
        self._seen = {one.profile: one for one in there.values()}
        """A node of each profile that was there."""
        self._facts: dict[str, ArtifactFacts] = {}
        self._recorded: Mapping[str, tuple[str, str]] = {}
        self._skips: set[str] = set()
        self._writing = threading.Lock()
        self._sign = Sign(writer.location, sweep, sweep_id)
        self._pace = Pace()
        self._doing = ""
        self._there: tuple[str, ...] = ()
        self._before = 0
        self._first = self._last = time.perf_counter()
        self._begun = False
        self.nodes = len(there)
        self.measured = self.failed = self.skipped = 0
        self.engine_s = 0.0

    @property
    def span_s(self) -> float:
        """Seconds from the first cell's beginning to the last one's end."""
        return self._last - self._first

    def begin(self, recorded: Mapping[str, tuple[str, str]]) -> None:
        """Tell the plan, and write a row for each skipped cell, unless the store says the same or
        has a final result; `recorded` has status and reason by cell id."""
        self._recorded = recorded
        self._sign.begin()
        self._write_skips()
        self._tell_plan()
        self._tell_nodes()
        self._say_running()

    def _write_skips(self) -> None:
        for skip, profile in self._campaign.skipped():
            if skip.cell.id not in self._skips:
                self._skips.add(skip.cell.id)
                self.skipped += 1
                if self._is_news(skip.cell.id, skip.reason):
                    row = _never_ran(skip.cell.id, "skipped", skip.reason)
                    self._write(skip.cell, row, self._seen[profile])

    def _is_news(self, cell_id: str, reason: str) -> bool:
        """Whether the store does not say yet that a cell is skipped for this reason."""
        status, known = self._recorded.get(cell_id, ("", ""))
        return status in ("", *RETRIED) or (status == "skipped" and known != reason)

    def hear(self, outcome: Outcome) -> None:
        match outcome:
            case Happened(report, event, again):
                self._hear(report, event, again)
            case Noted(text):
                self._tell(Note(text=text))
            case Crowd(report, joined, reason):
                self._named = True
                self._seen.setdefault(report.profile, report)
                self.nodes = max(self.nodes, len(self._nodes()))
                told = f"{report.node.name} joined" if joined else reason
                self._tell(Note(text=told))
                self._tell_nodes()
            case Grown():
                self._write_skips()
                self._tell_plan()
            case Unrunnable(cell_id, status, reason):
                profile = self._campaign.profile_of(cell_id)
                row = _never_ran(cell_id, status, reason)
                news = status == "lost" or self._is_news(cell_id, reason)
                self._done(row, self._seen[profile], profile, again=False, write=news)

    def tick(self) -> None:
        """Flush rows that have waited long enough, and say in the store how far the sweep is."""
        with self._writing:
            self._writer.tick()
        self._say_running()

    def end(self) -> None:
        """Nothing more comes: no sign of a running sweep stays in the store."""
        self._sign.end()

    def _say_running(self) -> None:
        # plain values only: this runs beside the events, which change the campaign
        self._sign.tell(
            cells=self._pace.total,
            done=self._pace.done,
            failed=self.failed,
            skipped=self.skipped,
            measured=self._before,
            eta_s=self._pace.eta_s,
            nodes=self._there,
            now=self._doing,
        )

    def _tell(self, step: Step) -> None:
        self._pace.count(step)
        self._progress.tell(step)

    def _hear(self, report: Report, event: Event, again: bool) -> None:
        node = report.node.name if self._named else ""
        match event:
            case Remark():
                self._tell(Note(text=event.text))
            case Prepared(what=what, label=label, wall_s=wall_s):
                self._begin(wall_s)  # it is told when it is done
                self.engine_s += event.engine_s
                self._tell(MadeReady(what=what, label=label, wall_s=wall_s, node=node))
            case Preparing(what=what, label=label, line=line):
                self._tell(MakingReady(what=what, label=label, line=line, node=node))
            case Observed():
                self._facts[event.artifact_id] = event.facts
            case CellStarted(cell_id=cell_id):
                self._begin()
                label = self._doing = self._campaign.cell(cell_id).label
                self._tell(Started(cell=cell_id, label=label, node=node))
            case CellDone(measurement=measurement):
                self._done(measurement, report, report.profile, again)

    def _begin(self, ago_s: float = 0.0) -> None:
        if not self._begun:
            self._begun = True
            self._first = time.perf_counter() - ago_s

    def _done(
        self,
        measurement: Measurement,
        report: Report,
        profile: str,
        again: bool,
        write: bool = True,
    ) -> None:
        cell = self._campaign.cell(measurement.cell_id, profile)
        self._last = time.perf_counter()
        self.engine_s += measurement.engine_s
        status = self._write(cell, measurement, report) if write else measurement.status
        if not again:
            self.measured += status == "ok"
            self.skipped += status == "skipped"
            self.failed += status not in ("ok", "skipped")
        self._tell(
            Finished(
                cell=cell.id,
                label=cell.label,
                status=measurement.status,
                reason=measurement.reason,
                wall_s=measurement.wall_s,
                modelled_s=cell_seconds(self._campaign.plans[profile], cell),
                node=report.node.name if self._named else "",
                again=again,
            )
        )

    def _write(self, cell: Cell, measurement: Measurement, report: Report) -> str:
        """Write the attempt and return its status: samples that no figure can be derived from make
        it an error, and the sweep goes on."""
        metrics: list[Metric] = []
        try:
            metrics = metrics_of(kind(cell.workload), cell.workload, measurement)
        except ValueError as error:
            reason = f"no figure can be derived: {error}"
            measurement = msgspec.structs.replace(measurement, status="error", reason=reason)
        environment = {**environment_of(report), **measurement.environment}
        with self._writing:
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
        campaign = self._campaign
        self._before = campaign.measured()
        self._tell(
            Planned(
                cells=campaign.cells,
                skipped=len(campaign.skipped()),
                measured=self._before,
                modelled_s=campaign.modelled_s(),
            )
        )

    def _tell_nodes(self) -> None:
        self._there = tuple(sorted(one.node.name for one in self._nodes().values()))
        if self._named:
            self._tell(Nodes(names=self._there))


@contextmanager
def flushing(tally: Tally) -> Iterator[None]:
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


def environment_of(report: Report) -> dict[str, str]:
    """What every row says of the installation and the system that it comes from."""
    overridden = ", ".join(report.node.overridden)
    return {
        "quantgrid": report.quantgrid or version("quantgrid"),
        "python": report.python or platform.python_version(),
        "system": report.system or platform.platform(),
        "git_revision": _git_revision(),
        "bandwidth_bytes_s": f"{report.node.bandwidth_bytes_s:.4g}",
        "llc_bytes": str(report.node.llc_bytes),
        **({"node_toml": overridden} if overridden else {}),
    }


def _never_ran(cell_id: str, status: Status, reason: str) -> Measurement:
    return Measurement(cell_id=cell_id, status=status, reason=reason, started_at=time.time())


@cache
def _git_revision() -> str:
    """Revision of the checkout that the driver runs from; empty for an installed one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", os.fspath(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
