"""Dispatch: which node runs which cells next; one policy for every executor.

A `SchedulerState` knows the cells, the nodes and what happened. `choose` is pure: it reads the
state, and neither clocks nor files nor Ray. Every executor does the same:

    state = SchedulerState(works, costs, nodes)
    state.infeasible()                  # cells that no node can run, each with the reason
    while state.left:
        assignment = state.choose(name) # for a free node; if None, again when `news` changed
        state.start(assignment)
        state.record_end(name, cell_id, outcome)  # for each of its cells; True: that was its end
        state.end_batch(name)           # the batch is over
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from grid.sweep.dispatch.cell_queues import CellQueues, EngineQueue
from grid.sweep.dispatch.node_slots import Batch, NodeSlot, NodeSlots, fits
from grid.sweep.dispatch.policy import PolicyView, choose
from grid.sweep.dispatch.shared_work import SharedWork
from grid.sweep.dispatch.waiting_queues import WaitingQueues
from grid.sweep.dispatch.work import Assignment, AttemptOutcome, Costs, NodeSpec, Returned, Work
from grid.units import format_bytes

__all__ = [
    "Assignment",
    "AttemptOutcome",
    "Costs",
    "NodeSpec",
    "Returned",
    "SchedulerState",
    "Work",
]

MAX_LOSSES = 3
"""Times that a cell may be under way on a node that is lost, or an engine be open there with no
cell done: once is chance, twice bad luck, three times is the cell, or the engine."""


class SchedulerState:
    """The cells, the nodes and what happened so far; all that dispatch decides by."""

    def __init__(
        self, works: Iterable[Work], costs: Costs | None = None, nodes: Iterable[NodeSpec] = ()
    ) -> None:
        self.news = 0
        """Changes when a node that was given nothing may be given something."""
        self.left = 0
        """Cells without an end."""
        self._queues = CellQueues()
        self._nodes = NodeSlots()
        self._waiting = WaitingQueues(self._queues, costs or Costs())
        self._avoid: dict[str, dict[str, str]] = {}
        self._losses: dict[str, int] = {}
        self._engine_losses: dict[tuple[str, str], int] = {}
        """Times in a row that a node was lost with an engine open, by engine and profile."""
        self._first_node: dict[str, str] = {}
        """The node of its first try, for a cell that failed there."""
        self._closed: set[str] = set()
        self._view = PolicyView(
            queues=self._queues,
            waiting=self._waiting,
            nodes=self._nodes,
            costs=costs or Costs(),
            avoid=self._avoid,
        )
        self._shares = SharedWork(self._view)
        for spec in nodes:
            self._nodes.join(spec)
        self.add(works)

    @property
    def set_aside(self) -> Mapping[str, str]:
        """Nodes that get nothing any more, each with the reason."""
        return self._nodes.set_aside

    def choose(self, name: str) -> Assignment | None:
        """The next batch of a node with a free slot; None where there is nothing for it now.
        Changes nothing."""
        return choose(self._view, name)

    def start(self, assignment: Assignment) -> None:
        """The node takes these cells. Raises KeyError where one of them does not wait."""
        node = self._nodes.present[assignment.node]
        profile = node.spec.profile
        touched: dict[str, None] = {}
        for cell_id in assignment.cells:
            group = self._queues.remove(cell_id)
            self._waiting.use_quota(group, profile, self._queues.works[cell_id].seconds[profile])
            touched.update(dict.fromkeys(group.profiles))
        node.batches[assignment.engine] = Batch(assignment, self._queues.works)
        node.engine = assignment.engine
        self._nodes.note_need(assignment.node, self._queues.engines[assignment.engine].artifact)
        self._count(assignment.engine, profile, 1)
        self._waiting.relist(self._queues.engines[assignment.engine], touched)
        if self._shares.is_stale():
            self._divide_shared_work()

    def record_end(
        self, name: str, cell_id: str, outcome: AttemptOutcome, seconds: float = 0.0
    ) -> bool:
        """A cell of a running batch ended, after so many seconds if that is known. False where it
        is queued once more, for another node, and this attempt is not its end."""
        node = self._nodes.present[name]
        work = self._queues.works[cell_id]
        del node.batches[work.engine].pending[cell_id]
        if outcome is AttemptOutcome.ok:
            self._shares.observe_duration(node.spec.profile, work, seconds)
            self._engine_losses.pop((work.engine, node.spec.profile), None)
        if outcome is not AttemptOutcome.final:
            self._judge(node, work, ok=outcome is AttemptOutcome.ok)
        if outcome is AttemptOutcome.failed and self._try_elsewhere(work, name):
            self._requeue(work)
            self.news += 1
            return False
        self._close(cell_id)
        return True

    def end_batch(self, name: str, engine: str = "") -> Returned:
        """The node's batch of the engine is over, or all its batches. Cells of it that did not end
        are queued again; the first of them counts as lost."""
        node = self._nodes.present[name]
        engines = [engine] if engine else list(node.batches)
        over = [node.batches.pop(key) for key in engines if key in node.batches]
        return self._end(node, over, "its batch ended without it")

    def join(self, spec: NodeSpec) -> bool:
        """A node comes, for the first time or again; False where it was set aside before. Raises
        ValueError where it is there."""
        welcome = self._nodes.join(spec)
        self._on_membership_change()
        return welcome

    def leave(self, name: str, reason: str) -> Returned:
        """A node is gone, or its worker is. Its cells are queued again; the one that was under way
        counts as lost."""
        node = self._nodes.present.get(name)
        if node is None:
            return Returned()
        returned = self._end(node, self._nodes.leave(name, reason), reason)
        self._on_membership_change()
        return returned

    def note_artifact(self, name: str, artifact: str) -> None:
        """The artifact is now on the node's disk."""
        self._nodes.note_artifact(name, artifact)

    def add(self, works: Iterable[Work], costs: Costs | None = None) -> None:
        """More cells, or more profiles for cells that are there; ended ones are left out. `costs`
        replace those before."""
        if costs is not None:
            self._view.costs = self._waiting.costs = costs
        for work in works:
            if work.cell_id in self._closed:
                continue
            if work.cell_id not in self._queues.works:
                self.left += 1
                self._queues.insert(work)
            elif work.cell_id in self._queues.waiting:
                self._queues.remove(work.cell_id)
                self._queues.insert(work)
            else:
                self._queues.works[work.cell_id] = work
        self._divide_shared_work()

    def drop(self, cell_ids: Iterable[str]) -> tuple[str, ...]:
        """Nobody is to run these; those of them that waited."""
        dropped = tuple(cell_id for cell_id in cell_ids if cell_id in self._queues.waiting)
        for cell_id in dropped:
            group = self._queues.remove(cell_id)
            self._waiting.relist(self._queues.engines[group.engine], group.profiles)
            self._close(cell_id)
        return dropped

    def infeasible(self) -> dict[str, str]:
        """Waiting cells that no present node can run, each with the reason in one line."""
        reasons: dict[str, str] = {}
        for group in self._queues.groups:
            slots = [s for p in group.profiles for s in self._nodes.usable.get(p, {}).values()]
            for work in group:
                if not any(fits(work, node.spec) for node in slots):
                    reasons[work.cell_id] = self._why(work, slots)
        return reasons

    def _why(self, work: Work, slots: list[NodeSlot]) -> str:
        """Why none of these nodes, which have profiles that could, is able to run it."""
        if not slots:
            return self._why_nobody(work)
        device = max(node.spec.device_bytes for node in slots)
        if work.device_bytes > device:
            return (
                f"needs {format_bytes(work.device_bytes)} of device memory, "
                f"the largest node for it has {format_bytes(device)}"
            )
        host = max(s.spec.host_bytes for s in slots if s.spec.device_bytes >= work.device_bytes)
        return (
            f"needs {format_bytes(work.host_bytes)} of memory, "
            f"the largest node for it has {format_bytes(host)}"
        )

    def _why_nobody(self, work: Work) -> str:
        for name, reason in self._nodes.set_aside.items():
            node = self._nodes.present.get(name)
            if node is None or node.spec.profile in work.seconds:
                return f"no node is left for it; {name} was set aside: {reason}"
        if not work.seconds:
            return "no node of the grid can run it"
        return f"no node of the class {' or '.join(sorted(work.seconds))} is in the grid"

    def _count(self, engine: str, profile: str, change: int) -> None:
        """Batches that run of an engine at a profile."""
        running = self._waiting.batches_running
        running[engine, profile] = running.get((engine, profile), 0) + change
        if not running[engine, profile]:
            del running[engine, profile]
            if not running:
                self.news += 1  # now the last cells go to whoever can, however slow

    def _judge(self, node: NodeSlot, work: Work, ok: bool) -> None:
        """Whether nodes work. A cell that fails on two of them says nothing against either."""
        if ok or work.cell_id not in self._first_node:
            self._nodes.note_end(node, work.engine, ok)
        else:
            self._nodes.forgive(self._first_node[work.cell_id], work.engine)
        if self._nodes.set_suspects_aside():
            self._on_membership_change()

    def _try_elsewhere(self, work: Work, name: str) -> bool:
        """Whether a failed cell gets its second try, at another node."""
        if work.cell_id in self._first_node or not self._nodes.can_run(work, except_node=name):
            return False
        self._first_node[work.cell_id] = name
        self._avoid.setdefault(work.engine, {})[work.cell_id] = name
        return True

    def _end(self, node: NodeSlot, batches: list[Batch], reason: str) -> Returned:
        """Batches are over; their cells without an end are queued again or given up."""
        requeued: list[str] = []
        given_up: dict[str, str] = {}
        for batch in batches:
            engine = self._queues.engines[batch.assignment.engine]
            self._count(engine.key, node.spec.profile, -1)
            for number, cell_id in enumerate(batch.pending):
                work = self._queues.works[cell_id]
                if number == 0 and self.count_loss(work):
                    self._close(cell_id)
                    given_up[cell_id] = f"lost {MAX_LOSSES} times; the last time: {reason}"
                else:
                    self._requeue(work)
                    requeued.append(cell_id)
            if batch.pending:
                given_up |= self._give_up_engine(engine, node.spec.profile, reason)
            self._waiting.relist(engine, engine.profiles)
        if requeued:
            self.news += 1
        still_queued = tuple(cell_id for cell_id in requeued if cell_id not in given_up)
        return Returned(requeued=still_queued, given_up=given_up)

    def _give_up_engine(self, engine: EngineQueue, profile: str, reason: str) -> dict[str, str]:
        """Count a loss of a node that had the engine open; the cells that only this profile could
        run, each with the reason, where it was one too many."""
        key = (engine.key, profile)
        self._engine_losses[key] = self._engine_losses.get(key, 0) + 1
        if self._engine_losses[key] < MAX_LOSSES:
            return {}
        why = f"{MAX_LOSSES} nodes were lost with its engine open, no cell done: {reason}"
        groups = [group for group in engine.groups_at(profile) if len(group.profiles) == 1]
        cells = [work.cell_id for group in groups for work in group]
        self.drop(cells)
        return dict.fromkeys(cells, why)

    def count_loss(self, work: Work) -> bool:
        """Count a loss of the cell that was under way; True where it was one too many."""
        self._losses[work.cell_id] = self._losses.get(work.cell_id, 0) + 1
        return self._losses[work.cell_id] >= MAX_LOSSES

    def _requeue(self, work: Work) -> None:
        group = self._queues.insert(work)
        self._waiting.relist(self._queues.engines[work.engine], group.profiles)

    def _close(self, cell_id: str) -> None:
        """The cell has its end."""
        self._closed.add(cell_id)
        self._avoid.get(self._queues.works[cell_id].engine, {}).pop(cell_id, None)
        self.left -= 1

    def _on_membership_change(self) -> None:
        """Cells or nodes came or went."""
        for engine, avoid in list(self._avoid.items()):
            for cell_id, name in list(avoid.items()):
                if not self._nodes.can_run(self._queues.works[cell_id], except_node=name):
                    del self._avoid[engine][cell_id]  # better there again than nowhere
        if self._shares.is_stale():
            self._divide_shared_work()
        self.news += 1

    def _divide_shared_work(self) -> None:
        self._shares.divide()
        self.news += 1
