"""The executor in virtual time: the policy against machines that are only described.

It drives a `Board` as every executor does, by its public interface, with durations that the board
does not know. It checks the board as it goes: an exclusive batch is alone on its place, memory is
never exceeded, and no cell ends twice.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping

import msgspec

from grid.sweep.dispatch.board import Assignment, Board, Costs, Outcome, Place, Work


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done, and what will really happen. Times in seconds from the start."""

    works: tuple[Work, ...]
    costs: Costs
    places: tuple[Place, ...]
    pace: Mapping[str, float]
    """How much longer than its class everything takes, by place."""
    truth: Mapping[str, float]
    """Real seconds for an estimated one, by cell."""
    bias: Mapping[str, float]
    """The same by profile, for cells as for opening engines."""
    peer_s: Mapping[str, float]
    """Until an artifact is on a disk, once another place has it."""
    failing: Mapping[str, int] = msgspec.field(default_factory=dict)
    """Attempts that fail before one succeeds, by cell."""
    failed_part: float = 0.5
    """Part of a cell's time after which it fails."""
    leaves: tuple[tuple[float, str], ...] = ()
    joins: tuple[tuple[float, Place], ...] = ()

    def cell_s(self, work: Work, profile: str) -> float:
        """Real seconds of a whole attempt on a place of pace 1."""
        return work.seconds[profile] * self.truth[work.cell_id] * self.bias[profile]


class Outcomes(msgspec.Struct, frozen=True, kw_only=True):
    """How a simulation went."""

    makespan_s: float
    ended: Mapping[str, str]
    """`ok`, `failed` or `given up`, by cell."""
    attempts: int
    loads: int
    makes: int
    aside: Mapping[str, str]


class _Running:
    """A batch on a place, cell after cell."""

    __slots__ = ("at", "bytes", "dead", "started_s", "work")

    def __init__(self, work: Assignment, host: int, device: int) -> None:
        self.work = work
        self.bytes = (host, device)
        self.at = 0
        self.started_s = 0.0
        self.dead = False


class _Machine:
    """A place as it is: what is open and on its disk, whatever the board thinks."""

    __slots__ = ("disk", "held", "place", "running")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.disk = set(place.disk)
        self.held: dict[str, None] = {}
        self.running: list[_Running] = []


class Simulation:
    """One run of a scenario. `run` gives its outcomes."""

    def __init__(self, scenario: Scenario, board: Board | None = None) -> None:
        self._scenario = scenario
        self._board = board or Board(scenario.works, scenario.costs, scenario.places)
        self._works = {work.cell_id: work for work in scenario.works}
        self._machines = {place.name: _Machine(place) for place in scenario.places}
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
        """Play it to the end. Raises AssertionError where the board broke a rule."""
        for time, name in self._scenario.leaves:
            self._at(time, name)
        for time, place in self._scenario.joins:
            self._at(time, place)
        for cell_id in self._board.infeasible():
            raise AssertionError(f"{cell_id} cannot run anywhere")
        self._idle = dict.fromkeys(self._machines)
        self._offer_idle()
        while self._board.left:
            if not self._events:
                raise AssertionError(f"{self._board.left} cells wait and nothing runs")
            self._now, _, event = heapq.heappop(self._events)
            self._happen(event)
            self._offer_idle()
        return Outcomes(
            makespan_s=self._last_end,
            ended=self._ended,
            attempts=self._attempts,
            loads=self._loads,
            makes=self._makes,
            aside=dict(self._board.aside),
        )

    def _at(self, time: float, event: object) -> None:
        self._number += 1
        heapq.heappush(self._events, (time, self._number, event))

    def _happen(self, event: object) -> None:
        match event:
            case _Running():
                if not event.dead:
                    self._cell_ends(event)
            case Place():
                self._machines[event.name] = _Machine(event)
                self._board.join(event)
                self._idle[event.name] = None
            case (str(name), str(artifact)):
                if name in self._machines:
                    self._board.observe(name, artifact)
            case str():
                self._leave(event)

    def _leave(self, name: str) -> None:
        machine = self._machines.pop(name)
        self._idle.pop(name, None)
        for running in machine.running:
            running.dead = True
        for cell_id in self._board.leave(name, "it left").given_up:
            self._end(cell_id, "given up")

    def _offer_idle(self) -> None:
        """Ask for the places that have nothing, where asking could have another answer."""
        while self._news != self._board.news:
            self._news = self._board.news
            for name in list(self._idle):
                self._offer(name)

    def _offer(self, name: str) -> None:
        machine = self._machines[name]
        while (assignment := self._board.choose(name)) is not None:
            self._board.start(assignment)
            self._start(machine, assignment)
        if machine.running:
            self._idle.pop(name, None)
        else:
            self._idle[name] = None

    def _start(self, machine: _Machine, assignment: Assignment) -> None:
        works = [self._works[cell_id] for cell_id in assignment.cells]
        running = _Running(
            assignment, max(w.host_bytes for w in works), max(w.device_bytes for w in works)
        )
        machine.running.append(running)
        _check(machine, works)
        ready_s = self._now + self._open_s(machine, works[0])
        self._begin(running, machine, ready_s)

    def _begin(self, running: _Running, machine: _Machine, time: float) -> None:
        """The batch's next cell begins."""
        work = self._works[running.work.cells[running.at]]
        part = self._scenario.failed_part if self._failures_left.get(work.cell_id) else 1.0
        place = machine.place
        seconds = self._scenario.cell_s(work, place.profile) * self._scenario.pace[place.name]
        running.started_s = time
        self._attempts += 1
        self._at(time + part * seconds, running)

    def _open_s(self, machine: _Machine, work: Work) -> float:
        """Seconds until the engine is open; the artifact comes from whoever has it first."""
        if work.engine in machine.held:
            return 0.0
        place, costs = machine.place, self._scenario.costs
        if len(machine.held) >= place.slots:
            del machine.held[next(iter(machine.held))]
        machine.held[work.engine] = None
        self._loads += 1
        pace = self._scenario.pace[place.name]
        bias = self._scenario.bias[place.profile]
        wait_s = 0.0
        if work.artifact not in machine.disk:
            machine.disk.add(work.artifact)
            make_s = pace * bias * costs.make_s(work.artifact, place.profile)
            wait_s = self._get_s(work.artifact, make_s, pace)
            self._at(self._now + wait_s, (place.name, work.artifact))
        return wait_s + pace * bias * costs.load_s(work.engine, place.profile)

    def _get_s(self, artifact: str, make_s: float, pace: float) -> float:
        """Seconds to make the artifact, or to wait for the one who makes it and copy it."""
        made_s = self._made_s.get(artifact)
        if made_s is None:
            self._makes += 1
            self._made_s[artifact] = self._now + make_s
            return make_s
        return max(0.0, made_s - self._now) + pace * self._scenario.peer_s[artifact]

    def _cell_ends(self, running: _Running) -> None:
        name = running.work.place
        cell_id = running.work.cells[running.at]
        outcome = Outcome.ok
        if self._failures_left.get(cell_id):
            self._failures_left[cell_id] -= 1
            outcome = Outcome.failed
        if self._board.done(name, cell_id, outcome, self._now - running.started_s):
            self._end(cell_id, outcome)
        running.at += 1
        if running.at < len(running.work.cells):
            self._begin(running, self._machines[name], self._now)
            return
        self._machines[name].running.remove(running)
        self._board.idle(name, running.work.engine)
        self._offer(name)

    def _end(self, cell_id: str, how: str) -> None:
        assert cell_id not in self._ended, f"{cell_id} ended twice"
        self._ended[cell_id] = how
        self._last_end = self._now


def _check(machine: _Machine, works: list[Work]) -> None:
    """The newest batch on the machine, of these cells, breaks no rule."""
    name, running = machine.place.name, machine.running
    alone = len(running) == 1
    exclusive = any(one.work.exclusive for one in running)
    assert alone or not exclusive, f"an exclusive batch is not alone on {name}"
    assert len(running) <= machine.place.slots, f"{name} has more batches than slots"
    assert all(machine.place.profile in work.seconds for work in works), f"not for {name}"
    host, device = (sum(one.bytes[kind] for one in running) for kind in (0, 1))
    assert host <= machine.place.host_bytes, f"the memory of {name} is exceeded"
    assert device <= machine.place.device_bytes, f"the device memory of {name} is exceeded"
