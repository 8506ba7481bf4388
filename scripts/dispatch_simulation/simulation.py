"""Runs the dispatch policy in virtual time on described machines.

It drives a `SchedulerState` as every executor does, by its public interface, with durations that
the state does not know. It checks the state as it goes: an exclusive batch is alone on its node,
memory is never exceeded, and no cell ends twice.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping

import msgspec

from grid.sweep.dispatch.scheduler_state import (
    Assignment,
    AttemptOutcome,
    Costs,
    NodeSpec,
    SchedulerState,
    Work,
)


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done, and what will really happen. Times in seconds from the start."""

    works: tuple[Work, ...]
    costs: Costs
    nodes: tuple[NodeSpec, ...]
    pace: Mapping[str, float]
    """How much longer than its class everything takes, by node."""
    truth: Mapping[str, float]
    """Real seconds for an estimated one, by cell."""
    bias: Mapping[str, float]
    """The same by profile, for cells as for opening engines."""
    peer_s: Mapping[str, float]
    """Until an artifact is on a disk, once another node has it."""
    failing: Mapping[str, int] = msgspec.field(default_factory=dict)
    """Attempts that fail before one succeeds, by cell."""
    failed_part: float = 0.5
    """Part of a cell's time after which it fails."""
    leaves: tuple[tuple[float, str], ...] = ()
    joins: tuple[tuple[float, NodeSpec], ...] = ()

    def cell_s(self, work: Work, profile: str) -> float:
        """Real seconds of a whole attempt on a node of pace 1."""
        return work.seconds[profile] * self.truth[work.cell_id] * self.bias[profile]


class Outcomes(msgspec.Struct, frozen=True, kw_only=True):
    """The results of a simulation."""

    makespan_s: float
    ended: Mapping[str, str]
    """`ok`, `failed` or `given up`, by cell."""
    attempts: int
    loads: int
    makes: int
    aside: Mapping[str, str]


class _RunningBatch:
    """A batch on a node, cell after cell."""

    __slots__ = ("at", "bytes", "dead", "started_s", "work")

    def __init__(self, work: Assignment, host: int, device: int) -> None:
        self.work = work
        self.bytes = (host, device)
        self.at = 0
        self.started_s = 0.0
        self.dead = False


class _Machine:
    """A node as it is: what is open and on its disk, whatever the state thinks."""

    __slots__ = ("disk", "open_engines", "running", "spec")

    def __init__(self, spec: NodeSpec) -> None:
        self.spec = spec
        self.disk = set(spec.disk)
        self.open_engines: dict[str, None] = {}
        self.running: list[_RunningBatch] = []


class Simulation:
    """One run of a scenario. `run` gives its outcomes."""

    def __init__(self, scenario: Scenario, state: SchedulerState | None = None) -> None:
        self._scenario = scenario
        self._state = state or SchedulerState(scenario.works, scenario.costs, scenario.nodes)
        self._works = {work.cell_id: work for work in scenario.works}
        self._machines = {spec.name: _Machine(spec) for spec in scenario.nodes}
        self._failures_left = dict(scenario.failing)
        self._made_s: dict[str, float] = {}
        self._ended: dict[str, str] = {}
        self._events: list[tuple[float, int, object]] = []
        self._number = 0
        self._idle: dict[str, None] = {}
        self._news = -1
        self._now = self._last_end = 0.0
        self._attempts = self._loads = self._makes = 0

    def run(self) -> Outcomes:
        """Play it to the end. Raises AssertionError where the state broke a rule."""
        for time, name in self._scenario.leaves:
            self._at(time, name)
        for time, spec in self._scenario.joins:
            self._at(time, spec)
        for cell_id in self._state.infeasible():
            raise AssertionError(f"{cell_id} cannot run anywhere")
        self._idle = dict.fromkeys(self._machines)
        self._offer_idle()
        while self._state.left:
            if not self._events:
                raise AssertionError(f"{self._state.left} cells wait and nothing runs")
            self._now, _, event = heapq.heappop(self._events)
            self._happen(event)
            self._offer_idle()
        return Outcomes(
            makespan_s=self._last_end,
            ended=self._ended,
            attempts=self._attempts,
            loads=self._loads,
            makes=self._makes,
            aside=dict(self._state.set_aside),
        )

    def _at(self, time: float, event: object) -> None:
        self._number += 1
        heapq.heappush(self._events, (time, self._number, event))

    def _happen(self, event: object) -> None:
        match event:
            case _RunningBatch():
                if not event.dead:
                    self._cell_ends(event)
            case NodeSpec():
                self._machines[event.name] = _Machine(event)
                self._state.join(event)
                self._idle[event.name] = None
            case (str(name), str(artifact)):
                if name in self._machines:
                    self._state.note_artifact(name, artifact)
            case str():
                self._leave(event)

    def _leave(self, name: str) -> None:
        machine = self._machines.pop(name)
        self._idle.pop(name, None)
        for running in machine.running:
            running.dead = True
        for cell_id in self._state.leave(name, "it left").given_up:
            self._end(cell_id, "given up")

    def _offer_idle(self) -> None:
        """Ask for the nodes that have nothing, where asking could have another answer."""
        while self._news != self._state.news:
            self._news = self._state.news
            for name in list(self._idle):
                self._offer(name)

    def _offer(self, name: str) -> None:
        machine = self._machines[name]
        while (assignment := self._state.choose(name)) is not None:
            self._state.start(assignment)
            self._start(machine, assignment)
        if machine.running:
            self._idle.pop(name, None)
        else:
            self._idle[name] = None

    def _start(self, machine: _Machine, assignment: Assignment) -> None:
        works = [self._works[cell_id] for cell_id in assignment.cells]
        running = _RunningBatch(
            assignment, max(w.host_bytes for w in works), max(w.device_bytes for w in works)
        )
        machine.running.append(running)
        _check(machine, works)
        ready_s = self._now + self._open_s(machine, works[0])
        self._begin(running, machine, ready_s)

    def _begin(self, running: _RunningBatch, machine: _Machine, time: float) -> None:
        """The batch's next cell begins."""
        work = self._works[running.work.cells[running.at]]
        part = self._scenario.failed_part if self._failures_left.get(work.cell_id) else 1.0
        spec = machine.spec
        seconds = self._scenario.cell_s(work, spec.profile) * self._scenario.pace[spec.name]
        running.started_s = time
        self._attempts += 1
        self._at(time + part * seconds, running)

    def _open_s(self, machine: _Machine, work: Work) -> float:
        """Seconds until the engine is open; the artifact comes from whoever has it first."""
        if work.engine in machine.open_engines:
            return 0.0
        spec, costs = machine.spec, self._scenario.costs
        if len(machine.open_engines) >= spec.slots:
            del machine.open_engines[next(iter(machine.open_engines))]
        machine.open_engines[work.engine] = None
        self._loads += 1
        pace = self._scenario.pace[spec.name]
        bias = self._scenario.bias[spec.profile]
        wait_s = 0.0
        if work.artifact not in machine.disk:
            machine.disk.add(work.artifact)
            make_s = pace * bias * costs.make_s(work.artifact, spec.profile)
            wait_s = self._get_s(work.artifact, make_s, pace)
            self._at(self._now + wait_s, (spec.name, work.artifact))
        return wait_s + pace * bias * costs.load_s(work.engine, spec.profile)

    def _get_s(self, artifact: str, make_s: float, pace: float) -> float:
        """Seconds to make the artifact, or to wait for the one who makes it and copy it."""
        made_s = self._made_s.get(artifact)
        if made_s is None:
            self._makes += 1
            self._made_s[artifact] = self._now + make_s
            return make_s
        return max(0.0, made_s - self._now) + pace * self._scenario.peer_s[artifact]

    def _cell_ends(self, running: _RunningBatch) -> None:
        name = running.work.node
        cell_id = running.work.cells[running.at]
        outcome = AttemptOutcome.ok
        if self._failures_left.get(cell_id):
            self._failures_left[cell_id] -= 1
            outcome = AttemptOutcome.failed
        if self._state.record_end(name, cell_id, outcome, self._now - running.started_s):
            self._end(cell_id, outcome)
        running.at += 1
        if running.at < len(running.work.cells):
            self._begin(running, self._machines[name], self._now)
            return
        self._machines[name].running.remove(running)
        self._state.end_batch(name, running.work.engine)
        self._offer(name)

    def _end(self, cell_id: str, how: str) -> None:
        assert cell_id not in self._ended, f"{cell_id} ended twice"
        self._ended[cell_id] = how
        self._last_end = self._now


def _check(machine: _Machine, works: list[Work]) -> None:
    """The newest batch on the machine, of these cells, breaks no rule."""
    name, running = machine.spec.name, machine.running
    alone = len(running) == 1
    exclusive = any(batch.work.exclusive for batch in running)
    assert alone or not exclusive, f"an exclusive batch is not alone on {name}"
    assert len(running) <= machine.spec.slots, f"{name} has more batches than slots"
    assert all(machine.spec.profile in work.seconds for work in works), f"not for {name}"
    host, device = (sum(batch.bytes[kind] for batch in running) for kind in (0, 1))
    assert host <= machine.spec.host_bytes, f"the memory of {name} is exceeded"
    assert device <= machine.spec.device_bytes, f"the device memory of {name} is exceeded"
