"""Dispatch: which place runs which cells next; one policy for every executor.

A `Board` knows the cells, the places and what happened. `choose` is pure: it reads the board, and
neither clocks nor files nor Ray. Every executor does the same:

    board = Board(works, costs, places)
    board.infeasible()                      # cells that no place can run, each with the reason
    while board.left:
        assignment = board.choose(name)     # for a free place; if None, again when `news` changed
        board.start(assignment)
        board.done(name, cell_id, outcome)  # for each of its cells; True where that was its end
        board.idle(name)                    # the batch is over
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from grid.sweep.dispatch.agenda import Agenda
from grid.sweep.dispatch.places import Batch, Places, Seat, fits
from grid.sweep.dispatch.policy import View, choose
from grid.sweep.dispatch.queue import EngineQueue, Queues
from grid.sweep.dispatch.shares import Shares
from grid.sweep.dispatch.work import Assignment, Costs, Outcome, Place, Returned, Work
from grid.units import format_bytes

__all__ = ["Assignment", "Board", "Costs", "Outcome", "Place", "Returned", "Work"]

MAX_LOSSES = 3
"""Times that a cell may be under way on a place that is lost, or an engine be open there with no
cell done: once is chance, twice bad luck, three times is the cell, or the engine."""


class Board:
    """Cells, places and what happened so far."""

    def __init__(
        self, works: Iterable[Work], costs: Costs | None = None, places: Iterable[Place] = ()
    ) -> None:
        self.news = 0
        """Changes when a place that was given nothing may be given something."""
        self.left = 0
        """Cells without an end."""
        self._queues = Queues()
        self._places = Places()
        self._agenda = Agenda(self._queues, costs or Costs())
        self._avoid: dict[str, dict[str, str]] = {}
        self._losses: dict[str, int] = {}
        self._engine_losses: dict[tuple[str, str], int] = {}
        """Times in a row that a place was lost with an engine open, by engine and profile."""
        self._first_at: dict[str, str] = {}
        """The place of its first try, for a cell that failed there."""
        self._closed: set[str] = set()
        self._view = View(
            queues=self._queues,
            agenda=self._agenda,
            places=self._places,
            costs=costs or Costs(),
            avoid=self._avoid,
        )
        self._shares = Shares(self._view)
        for place in places:
            self._places.join(place)
        self.add(works)

    @property
    def aside(self) -> Mapping[str, str]:
        """Places that get nothing any more, each with the reason."""
        return self._places.aside

    def choose(self, name: str) -> Assignment | None:
        """The next batch of a place with a free slot; None where there is nothing for it now.
        Changes nothing."""
        return choose(self._view, name)

    def start(self, assignment: Assignment) -> None:
        """The place takes these cells. Raises KeyError where one of them does not wait."""
        seat = self._places.seats[assignment.place]
        profile = seat.place.profile
        touched: dict[str, None] = {}
        for cell_id in assignment.cells:
            group = self._queues.take(cell_id)
            self._agenda.spend(group, profile, self._queues.works[cell_id].seconds[profile])
            touched.update(dict.fromkeys(group.profiles))
        seat.batches[assignment.engine] = Batch(assignment, self._queues.works)
        seat.engine = assignment.engine
        self._places.need(assignment.place, self._queues.engines[assignment.engine].artifact)
        self._count(assignment.engine, profile, 1)
        self._agenda.relist(self._queues.engines[assignment.engine], touched)
        if self._shares.stale():
            self._share()

    def done(self, name: str, cell_id: str, outcome: Outcome, seconds: float = 0.0) -> bool:
        """A cell of a running batch ended, after so many seconds if that is known. False where it
        is queued once more, for another place, and this attempt is not its end."""
        seat = self._places.seats[name]
        work = self._queues.works[cell_id]
        del seat.batches[work.engine].pending[cell_id]
        if outcome is Outcome.ok:
            self._shares.learn(seat.place.profile, work, seconds)
            self._engine_losses.pop((work.engine, seat.place.profile), None)
        if outcome is not Outcome.final:
            self._judge(seat, work, ok=outcome is Outcome.ok)
        if outcome is Outcome.failed and self._try_elsewhere(work, name):
            self._requeue(work)
            self.news += 1
            return False
        self._close(cell_id)
        return True

    def idle(self, name: str, engine: str = "") -> Returned:
        """The place's batch of the engine is over, or all its batches. Cells of it that did not end
        are queued again; the first of them counts as lost."""
        seat = self._places.seats[name]
        engines = [engine] if engine else list(seat.batches)
        over = [seat.batches.pop(key) for key in engines if key in seat.batches]
        return self._end(seat, over, "its batch ended without it")

    def join(self, place: Place) -> bool:
        """A place comes, for the first time or again; False where it was set aside before. Raises
        ValueError where it is there."""
        welcome = self._places.join(place)
        self._changed()
        return welcome

    def leave(self, name: str, reason: str) -> Returned:
        """A place is gone, or its worker is. Its cells are queued again; the one that was under way
        counts as lost."""
        seat = self._places.seats.get(name)
        if seat is None:
            return Returned()
        returned = self._end(seat, self._places.leave(name, reason), reason)
        self._changed()
        return returned

    def observe(self, name: str, artifact: str) -> None:
        """The artifact is now on the place's disk."""
        self._places.observe(name, artifact)

    def add(self, works: Iterable[Work], costs: Costs | None = None) -> None:
        """More cells, or more profiles for cells that are there; ended ones are left out. `costs`
        take the place of those before."""
        if costs is not None:
            self._view.costs = self._agenda.costs = costs
        for work in works:
            if work.cell_id in self._closed:
                continue
            if work.cell_id not in self._queues.works:
                self.left += 1
                self._queues.put(work)
            elif work.cell_id in self._queues.waiting:
                self._queues.take(work.cell_id)
                self._queues.put(work)
            else:
                self._queues.works[work.cell_id] = work
        self._share()

    def drop(self, cell_ids: Iterable[str]) -> tuple[str, ...]:
        """Nobody is to run these; those of them that waited."""
        dropped = tuple(cell_id for cell_id in cell_ids if cell_id in self._queues.waiting)
        for cell_id in dropped:
            group = self._queues.take(cell_id)
            self._agenda.relist(self._queues.engines[group.engine], group.profiles)
            self._close(cell_id)
        return dropped

    def infeasible(self) -> dict[str, str]:
        """Waiting cells that no present place can run, each with the reason in one line."""
        found: dict[str, str] = {}
        for group in self._queues.groups:
            seats = [s for p in group.profiles for s in self._places.usable.get(p, {}).values()]
            for work in group:
                if not any(fits(work, seat.place) for seat in seats):
                    found[work.cell_id] = self._why(work, seats)
        return found

    def _why(self, work: Work, seats: list[Seat]) -> str:
        """Why none of these places, which have profiles that could, is able to run it."""
        if not seats:
            return self._why_nobody(work)
        device = max(seat.place.device_bytes for seat in seats)
        if work.device_bytes > device:
            return (
                f"needs {format_bytes(work.device_bytes)} of device memory, "
                f"the largest node for it has {format_bytes(device)}"
            )
        host = max(s.place.host_bytes for s in seats if s.place.device_bytes >= work.device_bytes)
        return (
            f"needs {format_bytes(work.host_bytes)} of memory, "
            f"the largest node for it has {format_bytes(host)}"
        )

    def _why_nobody(self, work: Work) -> str:
        for name, reason in self._places.aside.items():
            seat = self._places.seats.get(name)
            if seat is None or seat.place.profile in work.seconds:
                return f"no node is left for it; {name} was set aside: {reason}"
        if not work.seconds:
            return "no node of the grid can run it"
        return f"no node of the class {' or '.join(sorted(work.seconds))} is in the grid"

    def _count(self, engine: str, profile: str, change: int) -> None:
        """Batches that run of an engine at a profile."""
        running = self._agenda.running
        running[engine, profile] = running.get((engine, profile), 0) + change
        if not running[engine, profile]:
            del running[engine, profile]
            if not running:
                self.news += 1  # now the last cells go to whoever can, however slow

    def _judge(self, seat: Seat, work: Work, ok: bool) -> None:
        """Whether places work. A cell that fails on two of them says nothing against either."""
        if ok or work.cell_id not in self._first_at:
            self._places.ended(seat, work.engine, ok)
        else:
            self._places.forgive(self._first_at[work.cell_id], work.engine)
        if self._places.distrust():
            self._changed()

    def _try_elsewhere(self, work: Work, name: str) -> bool:
        """Whether a failed cell gets its second try, at another place."""
        if work.cell_id in self._first_at or not self._places.able(work, but=name):
            return False
        self._first_at[work.cell_id] = name
        self._avoid.setdefault(work.engine, {})[work.cell_id] = name
        return True

    def _end(self, seat: Seat, batches: list[Batch], reason: str) -> Returned:
        """Batches are over; their cells without an end are queued again or given up."""
        requeued: list[str] = []
        given_up: dict[str, str] = {}
        for batch in batches:
            engine = self._queues.engines[batch.assignment.engine]
            self._count(engine.key, seat.place.profile, -1)
            for number, cell_id in enumerate(batch.pending):
                work = self._queues.works[cell_id]
                if number == 0 and self._lost(work):
                    self._close(cell_id)
                    given_up[cell_id] = f"lost {MAX_LOSSES} times; the last time: {reason}"
                else:
                    self._requeue(work)
                    requeued.append(cell_id)
            if batch.pending:
                given_up |= self._give_up_engine(engine, seat.place.profile, reason)
            self._agenda.relist(engine, engine.profiles)
        if requeued:
            self.news += 1
        kept = tuple(cell_id for cell_id in requeued if cell_id not in given_up)
        return Returned(requeued=kept, given_up=given_up)

    def _give_up_engine(self, engine: EngineQueue, profile: str, reason: str) -> dict[str, str]:
        """Count a loss of a place that had the engine open; the cells that only this profile could
        run, each with the reason, where it was one too many."""
        key = (engine.key, profile)
        self._engine_losses[key] = self._engine_losses.get(key, 0) + 1
        if self._engine_losses[key] < MAX_LOSSES:
            return {}
        why = f"{MAX_LOSSES} nodes were lost with its engine open, no cell done: {reason}"
        groups = [group for group in engine.at(profile) if len(group.profiles) == 1]
        cells = [work.cell_id for group in groups for work in group]
        self.drop(cells)
        return dict.fromkeys(cells, why)

    def _lost(self, work: Work) -> bool:
        """Count a loss of the cell that was under way; True where it was one too many."""
        self._losses[work.cell_id] = self._losses.get(work.cell_id, 0) + 1
        return self._losses[work.cell_id] >= MAX_LOSSES

    def _requeue(self, work: Work) -> None:
        group = self._queues.put(work)
        self._agenda.relist(self._queues.engines[work.engine], group.profiles)

    def _close(self, cell_id: str) -> None:
        """The cell has its end."""
        self._closed.add(cell_id)
        self._avoid.get(self._queues.works[cell_id].engine, {}).pop(cell_id, None)
        self.left -= 1

    def _changed(self) -> None:
        """Cells or places came or went."""
        for engine, avoid in list(self._avoid.items()):
            for cell_id, name in list(avoid.items()):
                if not self._places.able(self._queues.works[cell_id], but=name):
                    del self._avoid[engine][cell_id]  # better there again than nowhere
        if self._shares.stale():
            self._share()
        self.news += 1

    def _share(self) -> None:
        self._shares.divide()
        self.news += 1
