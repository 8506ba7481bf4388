"""Plays a sweep over a crew: hands out work as the policy says, and hears how it ends."""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple, Protocol

from grid.cells.measurement import Measurement, Status
from grid.engine import interrupts
from grid.errors import ClusterLost, InputError
from grid.hardware.node import Node
from grid.plan.plan import Plan
from grid.sweep.campaign import Campaign, pruned
from grid.sweep.dispatch.board import Board
from grid.sweep.dispatch.board import Outcome as Ending
from grid.sweep.dispatch.work import Place, Work
from grid.sweep.events import CellDone, Event, Note, Observed
from grid.sweep.executors.executor import Crew, Ended, Gathered, Heard, Joined, Left, Noted, Told
from grid.sweep.node_report import Report

HEAR_S = 1.0
"""Seconds between looks at whether what is left can still run anywhere."""

WAIT_FOR_NODES_S = 240.0
"""Seconds that cells wait for a node that could run them to come back: a host that was cut off is
started again by Ray after one to two minutes."""


class Happened(NamedTuple):
    """An event on a node. `again`: the cell that it ends will be tried once more elsewhere."""

    report: Report
    event: Event
    again: bool = False


class Crowd(NamedTuple):
    """A node joined, or left for a reason."""

    report: Report
    joined: bool
    reason: str = ""


class Grown(NamedTuple):
    """A profile was planned; the campaign has more cells, or the same in more places."""

    profile: str


class Unrunnable(NamedTuple):
    """No node of the grid can run a cell; `status` is `skipped`, or `lost` where one could."""

    cell_id: str
    status: Status
    reason: str


Outcome = Happened | Crowd | Grown | Unrunnable | Noted


class Planner(Protocol):
    """Knows what a sweep comes to on a node."""

    def settled(self, seen: Report, /) -> Report:
        """The report with the node as its rows know it."""
        ...

    def wants(self, node: Node, /) -> bool:
        """Whether the sweep is to run on a node."""
        ...

    def plan(self, seen: Report, free_bytes: int, /) -> Plan:
        """For nodes like the one that reports, of which the roomiest has so many bytes of memory
        free."""
        ...


class Conductor:
    """One sweep's run: `gather`, then `run`.

    Every cell of the campaign ends in exactly one CellDone that is not to be tried `again`, or in
    one Unrunnable.
    """

    def __init__(
        self, crew: Crew, planner: Planner, wait_for_nodes_s: float = WAIT_FOR_NODES_S
    ) -> None:
        self._crew = crew
        self._planner = planner
        self._wait_s = wait_for_nodes_s
        self.campaign = Campaign()
        self._board = Board((), self.campaign.costs())
        self._reports: dict[str, Report] = {}
        self._given: dict[str, set[str]] = {}
        self._open: set[str] = set()
        self._seen: set[str] = set()
        self._stuck_since: float | None = None
        self._news = -1
        self._told_aside: set[str] = set()

    @property
    def everyone(self) -> list[Report]:
        """Every node that is there, wanted or not."""
        return list(self._reports.values())

    @property
    def reports(self) -> dict[str, Report]:
        """The nodes that take part, by place."""
        wants = self._planner.wants
        return {place: one for place, one in self._reports.items() if wants(one.node)}

    def gather(self) -> Iterator[Noted | Told]:
        """Hear all nodes that are there at the start. Raises ClusterLost where there is none."""
        while not isinstance(heard := self._crew.hear(HEAR_S), Gathered):
            if isinstance(heard, Joined):
                self._reports[heard.place] = self._planner.settled(heard.report)
            elif isinstance(heard, Left):
                self._reports.pop(heard.place, None)
            elif isinstance(heard, Noted | Told):
                yield heard
        if not self._reports:
            raise ClusterLost("the cluster has no node that can run engines; `grid cluster status`")

    def plan(self) -> None:
        """Plan for every node that is there. Raises InputError where the sweep is wrong."""
        for report in self._reports.values():
            self._grow(report)

    def run(self) -> Iterator[Outcome]:
        """Run the campaign's cells, whatever happens to the nodes meanwhile."""
        self._crew.offer(self.campaign.read_cells())
        self._board = Board((), self.campaign.costs())
        self._queue(self.campaign.works())
        for place in self._reports:
            self._enter(place)
        yield from self._infeasible(self._open)
        self._assign()
        while self._open:
            interrupts.check()
            heard = self._crew.hear(HEAR_S)
            if heard is not None:
                yield from self._take(heard)
            if not isinstance(heard, Told) or self._board.news != self._news:
                self._assign()
                yield from self._set_aside()
                yield from self._give_up_waiting()

    def _take(self, heard: Heard) -> Iterator[Outcome]:
        match heard:
            case Noted():
                yield heard
            case Joined(place, report):
                yield from self._joined(place, report)
            case Left(place, reason) if place in self._reports:
                yield from self._left(place, reason)
            case Told(place, events) if place in self._reports:
                for event in events:
                    yield from self._heard(place, event)
            case Ended(place) if place in self._reports:
                yield from self._ended(place)
            case Told(_, events):  # a node that has not joined yet says what it makes ready
                yield from (Noted(one.text) for one in events if isinstance(one, Note))

    def _joined(self, place: str, report: Report) -> Iterator[Outcome]:
        report = self._reports[place] = self._planner.settled(report)
        yield Crowd(report, joined=True)
        try:
            new = self._grow(report)
            if new:
                self._crew.offer(self.campaign.read_cells())
        except (InputError, ClusterLost) as error:  # a file of the sweep changed since it began
            yield Noted(f"{report.node.name} gets no work: {error}")
            return
        before = set(self._open)
        self._queue(new)
        if new:
            yield Grown(report.profile)
        self._enter(place)
        yield from self._infeasible(self._open - before)

    def _left(self, place: str, reason: str) -> Iterator[Outcome]:
        report = self._reports.pop(place)
        yield Crowd(report, joined=False, reason=reason)
        self._given.pop(place, None)
        for cell_id, why in self._board.leave(place, reason).given_up.items():
            yield from self._close(report, _lost(cell_id, why))

    def _heard(self, place: str, event: Event) -> Iterator[Outcome]:
        report = self._reports[place]
        if isinstance(event, Observed):
            self._board.observe(place, event.artifact_id)
        if not isinstance(event, CellDone):
            yield Happened(report, event)
            return
        measurement = event.measurement
        if measurement.cell_id not in self._given.get(place, ()):
            return  # it was given to another node since
        self._given[place].discard(measurement.cell_id)
        ending = _ENDINGS.get(measurement.status, Ending.final)
        ended = self._board.done(place, measurement.cell_id, ending, measurement.wall_s)
        if ended:
            self._open.discard(measurement.cell_id)
        yield Happened(report, event, again=not ended)
        if measurement.status == "oom":
            yield from self._prune(report, measurement.cell_id)

    def _prune(self, report: Report, cell_id: str) -> Iterator[Outcome]:
        """What is larger than a cell that ran out of memory is not tried."""
        given = set().union(*self._given.values())
        failed = self.campaign.cell(cell_id, report.profile)
        for larger in self.campaign.larger(failed, report.profile, self._open - given):
            self._board.drop([larger])
            row = pruned(self.campaign.cell(larger, report.profile), failed, time.time())
            yield from self._close(report, row)

    def _ended(self, place: str) -> Iterator[Outcome]:
        """A cell of which a node said nothing until its batch's end was not run."""
        self._given.pop(place, None)
        for cell_id, why in self._board.idle(place).given_up.items():
            yield from self._close(self._reports[place], _lost(cell_id, why))

    def _close(self, report: Report, measurement: Measurement) -> Iterator[Outcome]:
        """The end of a cell that no node told of."""
        self._open.discard(measurement.cell_id)
        yield Happened(report, CellDone(measurement=measurement))

    def _grow(self, report: Report) -> list[Work]:
        if report.profile in self.campaign.plans or not self._planner.wants(report.node):
            return []
        alike = [one for one in self._reports.values() if one.profile == report.profile]
        plan = self._planner.plan(report, max(one.free_bytes for one in alike))
        return self.campaign.add(report.profile, plan)

    def _queue(self, works: Sequence[Work]) -> None:
        """New cells are open; of others, which may run in more places now, those that still are."""
        wanted = [work for work in works if work.cell_id in self._open or self._first(work)]
        self._board.add(wanted, self.campaign.costs())

    def _first(self, work: Work) -> bool:
        if work.cell_id in self._seen:
            return False
        self._seen.add(work.cell_id)
        self._open.add(work.cell_id)
        return True

    def _enter(self, place: str) -> None:
        report = self._reports[place]
        if self._planner.wants(report.node):
            self._board.join(_place(place, report))

    def _assign(self) -> None:
        self._news = self._board.news
        for place, report in self._reports.items():
            if place in self._given:
                continue
            chosen = self._board.choose(place)
            if chosen is not None:
                self._board.start(chosen)
                self._given[place] = set(chosen.cells)
                self._crew.give(place, self.campaign.sessions(report.profile, chosen.cells))

    def _infeasible(self, among: Container[str]) -> Iterator[Outcome]:
        """Cells that no node can run are not waited for."""
        for cell_id, reason in self._board.infeasible().items():
            if cell_id not in among:
                continue
            self._board.drop([cell_id])
            self._open.discard(cell_id)
            yield Unrunnable(cell_id, "skipped", reason)

    def _set_aside(self) -> Iterator[Outcome]:
        for place, reason in self._board.aside.items():
            if place not in self._told_aside and place in self._reports:
                self._told_aside.add(place)
                yield Noted(f"{self._reports[place].node.name} gets no more work: {reason}")

    def _give_up_waiting(self) -> Iterator[Outcome]:
        """Cells that no node can run any longer wait for one to come back, but not for ever."""
        if self._given or not self._open:
            self._stuck_since = None
            return
        now = time.monotonic()
        if self._stuck_since is None:
            self._stuck_since = now
            yield Noted(f"{len(self._open)} cells wait for a node that can run them")
        if now - self._stuck_since < self._wait_s:
            return
        for cell_id in sorted(self._open):
            self._board.drop([cell_id])
            self._open.discard(cell_id)
            yield Unrunnable(cell_id, "lost", LOST)


_ENDINGS = {"ok": Ending.ok, "error": Ending.failed}
"""Another node may do better than an error; a timeout costs too much to be tried twice in one
sweep."""

LOST = "every node that could run it is gone; the same command tries again"


def _place(place: str, report: Report) -> Place:
    node = report.node
    return Place(
        name=place,
        profile=report.profile,
        host_bytes=min(node.memory_bytes, report.free_bytes),
        device_bytes=sum(one.memory_bytes for one in node.accelerators),
        disk=frozenset(report.disk),
    )


def _lost(cell_id: str, reason: str) -> Measurement:
    text = f"{reason}; the same command tries again"
    return Measurement(cell_id=cell_id, status="lost", reason=text, started_at=time.time())
