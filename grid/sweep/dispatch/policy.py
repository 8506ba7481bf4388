"""The policy: what a free node does next. Pure: reads, and changes nothing.

1. Go on with the engine that the node has open, unless another has cells that are much longer.
2. Else open the engine with the longest cells that no other node of the profile has open; among
   those of nearly that length, one whose artifact is on the disk; and not yet those whose artifact
   is being made by another node. With a single node, the order given.
3. Else help where most is left for each node that works on it, if the help comes before they are
   done.
4. Else take work that was meant for other profiles, if it ends before the grid does.

An engine's exclusive cells come before its shared ones, and cells in the order of their rank; but
where there are several nodes, a cell that is long beside the time that is left goes before its
rank, so that the last cells are short ones and all nodes end together. So are the last batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from heapq import merge, nlargest
from itertools import islice

import msgspec

from grid.sweep.dispatch.cell_queues import CellGroup, CellQueues, EngineQueue
from grid.sweep.dispatch.node_slots import NodeSlot, NodeSlots
from grid.sweep.dispatch.waiting_queues import WaitingQueues
from grid.sweep.dispatch.work import Assignment, Costs, Work

BATCH_S = 60.0
"""Most seconds of a batch: what goes with a node that is lost, and how late a node sees that
others need help."""

BATCH_CELLS = 256
"""Most cells of a batch: as many as the store writes at once."""

BATCH_PART = 4
"""A batch is at most this part of what each node of the profile still has to do, so that batches
shrink toward the end and nodes end together."""

LONGER, WORTH = 2.0, 0.25
"""A cell so much longer than what a node would do else is worth opening an engine for, if that
takes no more than this part of it."""

STRAGGLING = 5.0
"""Times its estimate that a cell may well take. One that would then end after all others is begun
at once where one profile can run it, and is left to the fastest where several can."""

LONG_PART = 20.0
"""A cell that takes more than this part of what each node still has to do goes before its rank:
started late, it would end after all others, the more so where it takes longer than estimated."""

NEAR = 0.7
"""An engine this near to the longest is as good where its artifact is on the disk."""

LOOKED_AT = 32
"""Candidates whose disk is asked about, or whose help is weighed."""


Ranked = Iterable[tuple[str, float]]
"""Engines with their weights, the heaviest first."""


class PolicyView(msgspec.Struct, kw_only=True):
    """All that the policy reads."""

    queues: CellQueues
    waiting: WaitingQueues
    nodes: NodeSlots
    costs: Costs
    avoid: Mapping[str, Mapping[str, str]]
    """Nodes that a failed cell is not to be tried at again, by engine and cell."""


def choose(view: PolicyView, name: str) -> Assignment | None:
    """The node's next batch, or None where there is nothing for it now."""
    node = view.nodes.present.get(name)
    if node is None or name in view.nodes.set_aside or node.runs_exclusive:
        return None
    if len(node.batches) >= node.spec.slots:
        return None
    assignment = _first_choice(view, node)
    if assignment is not None and assignment.exclusive and node.batches:
        return None  # it waits until the node is empty, and nothing is put before it
    return assignment


def _first_choice(view: PolicyView, node: NodeSlot) -> Assignment | None:
    profile = node.spec.profile
    for engine, fallback in _candidates(view, node, profile):
        if engine in node.batches:
            continue
        take = _shortest_cell if fallback else _next_batch
        assignment = take(view, node, view.queues.engines[engine])
        if assignment is not None:
            return assignment
    return None


def _candidates(view: PolicyView, node: NodeSlot, profile: str) -> Iterator[tuple[str, bool]]:
    """Engines to try, best first; True where the work was meant for other profiles."""
    waiting = view.waiting
    fresh = waiting.fresh.get(profile, ())
    yield from ((engine, False) for engine in _urgent_engines(view, node, fresh))
    if waiting.has_work(node.engine, profile):
        yield node.engine, False
    yield from ((engine, False) for engine in _unopened_engines(view, node, fresh))
    yield from ((engine, False) for engine in _engines_to_help(view, node, profile))
    yield from ((engine, True) for engine in _engines_to_take_over(view, node, profile))


def _urgent_engines(view: PolicyView, node: NodeSlot, fresh: Ranked) -> Iterator[str]:
    """Engines with cells so much longer than what the node would do else that they cannot wait."""
    waiting, profile = view.waiting, node.spec.profile
    if not waiting.longest_first or profile not in waiting.open:
        return
    ranked: Ranked = waiting.open[profile]
    if waiting.has_work(node.engine, profile):
        own = view.queues.engines[node.engine]
        next_s = waiting.longest_s(own, profile)
        ranked = merge(fresh, ranked, key=lambda row: -row[1])
    else:
        next_s = next((weight for _, weight in fresh), 0.0)
    least = max(LONGER * next_s, _left_s(view, profile) / STRAGGLING)
    for engine, longest in islice(ranked, LOOKED_AT):
        if longest <= least:
            return
        if engine != node.engine and _time_to_open_s(view, node, engine) <= WORTH * longest:
            yield engine


def _unopened_engines(view: PolicyView, node: NodeSlot, fresh: Ranked) -> Iterator[str]:
    """Engines that nobody has open, the longest first, but for what is here or not yet anywhere."""
    if not view.waiting.longest_first:
        yield from (engine for engine, _ in fresh)
        return
    yield from _engines_on_disk(view, node, fresh)
    late: list[tuple[float, str]] = []
    for engine, _ in fresh:
        artifact = view.queues.engines[engine].artifact
        if view.nodes.is_being_made(artifact):
            late.append((view.costs.make_s(artifact, node.spec.profile), engine))
        else:
            yield engine
    yield from (engine for _, engine in sorted(late))


def _engines_on_disk(view: PolicyView, node: NodeSlot, fresh: Ranked) -> Iterator[str]:
    """Of the longest engines, those whose artifact is here."""
    longest = next((weight for _, weight in fresh), 0.0)
    for engine, weight in islice(fresh, LOOKED_AT):
        if weight < NEAR * longest:
            return
        if view.queues.engines[engine].artifact in node.disk:
            yield engine


def _engines_to_help(view: PolicyView, node: NodeSlot, profile: str) -> Iterator[str]:
    """Open engines of which a cell would end here before those who have them end all."""
    waiting = view.waiting
    left = {
        engine: waiting.demand_s(engine, profile) / waiting.batches_running[engine, profile]
        for engine, _ in waiting.open.get(profile, ())
        if engine != node.engine
    }
    for engine in nlargest(LOOKED_AT, left, key=left.__getitem__):
        cell_s = waiting.longest_s(view.queues.engines[engine], profile)
        if engine in view.avoid or cell_s + _time_to_open_s(view, node, engine) <= left[engine]:
            yield engine


def _engines_to_take_over(view: PolicyView, node: NodeSlot, profile: str) -> Iterator[str]:
    """Engines that other profiles were to do, of which a cell would end here before those do."""
    waiting, nodes = view.waiting, view.nodes
    spare = waiting.spare.get(profile, {})
    idle = not any(waiting.batches_running.values())
    if idle:
        yield from spare  # better late than never
        return
    left = {owner: waiting.left_s.get(owner, 0.0) / n for owner, n in nodes.count().items()}
    candidates = islice(spare, LOOKED_AT)
    for engine in (node.engine, *candidates) if node.engine in spare else candidates:
        groups = [group for group in view.queues.engines[engine].groups_at(profile) if group]
        end_s = max(left.get(owner, 0.0) for group in groups for owner in group.profiles)
        cell_s = min(group.shortest_s(profile) for group in groups)
        if cell_s + _time_to_open_s(view, node, engine) <= end_s / STRAGGLING:
            yield engine


def _time_to_open_s(view: PolicyView, node: NodeSlot, name: str) -> float:
    """Seconds until the engine would be open here."""
    if name == node.engine:
        return 0.0
    engine, profile = view.queues.engines[name], node.spec.profile
    if engine.artifact in node.disk:
        return view.costs.load_s(name, profile)
    return opening_s(view, engine, profile)


def opening_s(view: PolicyView, engine: EngineQueue, profile: str) -> float:
    """Seconds to open an engine whose artifact is not on the disk. A copy of what another node has
    takes about as long as reading it does then."""
    load_s = view.costs.load_s(engine.key, profile)
    if view.nodes.was_available(engine.artifact):
        return 2 * load_s
    return load_s + view.costs.make_s(engine.artifact, profile)


def _next_batch(view: PolicyView, node: NodeSlot, engine: EngineQueue) -> Assignment | None:
    """The engine's next cells of those that the profile is to do, of one kind."""
    profile = node.spec.profile
    long_s = _left_s(view, profile) / LONG_PART if view.waiting.longest_first else float("inf")

    def order(group: CellGroup) -> tuple[float, bool, tuple[tuple[int, ...], int]]:
        longest = group.longest_s(profile)
        return (-longest if longest > long_s else 0.0, not group.exclusive, group.head)

    groups = [group for group in engine.groups_at(profile) if view.waiting.is_for(group, profile)]
    for group in sorted(groups, key=order):
        cells_in_order: Iterable[Work] = group
        if group.longest_s(profile) > long_s:
            cells_in_order = sorted(group, key=lambda work: -work.seconds[profile])
        cell_ids = _fitting_cells(view, node, group, cells_in_order, _batch_s(view, profile))
        if cell_ids:
            return _assignment(node, group, cell_ids)
    return None


def _shortest_cell(view: PolicyView, node: NodeSlot, engine: EngineQueue) -> Assignment | None:
    """The engine's shortest cell, whoever was to do it."""
    profile = node.spec.profile
    groups = [group for group in engine.groups_at(profile) if group]
    for group in sorted(groups, key=lambda group: group.shortest_s(profile)):
        cells_in_order = sorted(group, key=lambda work: work.seconds[profile])
        cell_ids = _fitting_cells(view, node, group, cells_in_order, 0.0)
        if cell_ids:
            return _assignment(node, group, cell_ids[:1])
    return None


def _assignment(node: NodeSlot, group: CellGroup, cells: tuple[str, ...]) -> Assignment:
    return Assignment(
        node=node.spec.name, engine=group.engine, cells=cells, exclusive=group.exclusive
    )


def _batch_s(view: PolicyView, profile: str) -> float:
    return min(BATCH_S, _left_s(view, profile) / BATCH_PART)


def _left_s(view: PolicyView, profile: str) -> float:
    """Seconds that each node of the profile still has to do of what waits."""
    return view.waiting.left_s.get(profile, 0.0) / len(view.nodes.usable[profile])


def _fitting_cells(
    view: PolicyView,
    node: NodeSlot,
    group: CellGroup,
    cells_in_order: Iterable[Work],
    limit_s: float,
) -> tuple[str, ...]:
    """At least one cell, if any is for this node, and then as many as end within the limit."""
    host, device = node.free_memory() if not group.exclusive else _whole_memory(node)
    avoid = view.avoid.get(group.engine, {})
    profile, name = node.spec.profile, node.spec.name
    cell_ids: list[str] = []
    total_s = 0.0
    for work in cells_in_order:
        if work.host_bytes > host or work.device_bytes > device or avoid.get(work.cell_id) == name:
            continue
        total_s += work.seconds[profile]
        if cell_ids and total_s > limit_s:
            break
        cell_ids.append(work.cell_id)
        if len(cell_ids) == BATCH_CELLS:
            break
    return tuple(cell_ids)


def _whole_memory(node: NodeSlot) -> tuple[int, int]:
    return node.spec.host_bytes, node.spec.device_bytes
