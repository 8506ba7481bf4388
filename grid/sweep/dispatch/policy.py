"""The policy: what a free place does next. Pure: reads, and changes nothing.

1. Go on with the engine that the place has open, unless another has cells that are much longer.
2. Else open the engine with the longest cells that no other place of the profile has open; among
   those of nearly that length, one whose artifact is on the disk; and not yet those whose artifact
   is being made by another place. With a single place, the order given.
3. Else help where most is left for each place that works on it, if the help comes before they are
   done.
4. Else take work that was meant for other profiles, if it ends before the grid does.

An engine's exclusive cells come before its shared ones, and cells in the order of their rank; but
where there are several places, a cell that is long beside the time that is left goes before its
rank, so that the last cells are short ones and all places end together. So are the last batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from heapq import merge, nlargest
from itertools import islice

import msgspec

from grid.sweep.dispatch.agenda import Agenda
from grid.sweep.dispatch.places import Places, Seat
from grid.sweep.dispatch.queue import EngineQueue, Group, Queues
from grid.sweep.dispatch.work import Assignment, Costs, Work

BATCH_S = 60.0
"""Most seconds of a batch: what goes with a place that is lost, and how late a place sees that
others need help."""

BATCH_CELLS = 256
"""Most cells of a batch: as many as the store writes at once."""

BATCH_PART = 4
"""A batch is at most this part of what each place of the profile still has to do, so that batches
shrink toward the end and places end together."""

LONGER, WORTH = 2.0, 0.25
"""A cell so much longer than what a place would do else is worth opening an engine for, if that
takes no more than this part of it."""

STRAGGLING = 5.0
"""Times its estimate that a cell may well take. One that would then end after all others is begun
at once where one profile can run it, and is left to the fastest where several can."""

LONG_PART = 20.0
"""A cell that takes more than this part of what each place still has to do goes before its rank:
started late, it would end after all others, the more so where it takes longer than estimated."""

NEAR = 0.7
"""An engine this near to the longest is as good where its artifact is on the disk."""

LOOKED_AT = 32
"""Candidates whose disk is asked about, or whose help is weighed."""


Ranked = Iterable[tuple[str, float]]
"""Engines with their weights, the heaviest first."""


class View(msgspec.Struct, kw_only=True):
    """All that the policy reads."""

    queues: Queues
    agenda: Agenda
    places: Places
    costs: Costs
    avoid: Mapping[str, Mapping[str, str]]
    """Places that a failed cell is not to be tried at again, by engine and cell."""


def choose(view: View, name: str) -> Assignment | None:
    """The place's next batch, or None where there is nothing for it now."""
    seat = view.places.seats.get(name)
    if seat is None or name in view.places.aside or seat.alone:
        return None
    if len(seat.batches) >= seat.place.slots:
        return None
    found = _first(view, seat)
    if found is not None and found.exclusive and seat.batches:
        return None  # it waits until the place is empty, and nothing is put before it
    return found


def _first(view: View, seat: Seat) -> Assignment | None:
    profile = seat.place.profile
    for engine, fallback in _candidates(view, seat, profile):
        if engine in seat.batches:
            continue
        take = _single if fallback else _batch
        found = take(view, seat, view.queues.engines[engine])
        if found is not None:
            return found
    return None


def _candidates(view: View, seat: Seat, profile: str) -> Iterator[tuple[str, bool]]:
    """Engines to try, best first; True where the work was meant for other profiles."""
    agenda = view.agenda
    fresh = agenda.fresh.get(profile, ())
    yield from ((engine, False) for engine in _long(view, seat, fresh))
    if agenda.wants(seat.engine, profile):
        yield seat.engine, False
    yield from ((engine, False) for engine in _fresh(view, seat, fresh))
    yield from ((engine, False) for engine in _worth_helping(view, seat, profile))
    yield from ((engine, True) for engine in _worth_taking(view, seat, profile))


def _long(view: View, seat: Seat, fresh: Ranked) -> Iterator[str]:
    """Engines with cells so much longer than what the place would do else that they cannot wait."""
    agenda, profile = view.agenda, seat.place.profile
    if not agenda.longest_first or profile not in agenda.open:
        return
    ranked: Ranked = agenda.open[profile]
    if agenda.wants(seat.engine, profile):
        own = view.queues.engines[seat.engine]
        next_s = agenda.longest_s(own, profile)
        ranked = merge(fresh, ranked, key=lambda row: -row[1])
    else:
        next_s = next((weight for _, weight in fresh), 0.0)
    least = max(LONGER * next_s, _left_s(view, profile) / STRAGGLING)
    for engine, longest in islice(ranked, LOOKED_AT):
        if longest <= least:
            return
        if engine != seat.engine and _beside_s(view, seat, engine) <= WORTH * longest:
            yield engine


def _fresh(view: View, seat: Seat, fresh: Ranked) -> Iterator[str]:
    """Engines that nobody has open, the longest first, but for what is here or not yet anywhere."""
    if not view.agenda.longest_first:
        yield from (engine for engine, _ in fresh)
        return
    yield from _on_disk(view, seat, fresh)
    late: list[tuple[float, str]] = []
    for engine, _ in fresh:
        artifact = view.queues.engines[engine].artifact
        if view.places.made_elsewhere(artifact):
            late.append((view.costs.make_s(artifact, seat.place.profile), engine))
        else:
            yield engine
    yield from (engine for _, engine in sorted(late))


def _on_disk(view: View, seat: Seat, fresh: Ranked) -> Iterator[str]:
    """Of the longest engines, those whose artifact is here."""
    longest = next((weight for _, weight in fresh), 0.0)
    for engine, weight in islice(fresh, LOOKED_AT):
        if weight < NEAR * longest:
            return
        if view.queues.engines[engine].artifact in seat.disk:
            yield engine


def _worth_helping(view: View, seat: Seat, profile: str) -> Iterator[str]:
    """Open engines of which a cell would end here before those who have them end all."""
    agenda = view.agenda
    left = {
        engine: agenda.demand_s(engine, profile) / agenda.running[engine, profile]
        for engine, _ in agenda.open.get(profile, ())
        if engine != seat.engine
    }
    for engine in nlargest(LOOKED_AT, left, key=left.__getitem__):
        cell_s = agenda.longest_s(view.queues.engines[engine], profile)
        if engine in view.avoid or cell_s + _beside_s(view, seat, engine) <= left[engine]:
            yield engine


def _worth_taking(view: View, seat: Seat, profile: str) -> Iterator[str]:
    """Engines that other profiles were to do, of which a cell would end here before those do."""
    agenda, places = view.agenda, view.places
    spare = agenda.spare.get(profile, {})
    idle = not any(agenda.running.values())
    if idle:
        yield from spare  # better late than never
        return
    left = {other: agenda.left_s.get(other, 0.0) / n for other, n in places.count().items()}
    candidates = islice(spare, LOOKED_AT)
    for engine in (seat.engine, *candidates) if seat.engine in spare else candidates:
        groups = [group for group in view.queues.engines[engine].at(profile) if group]
        end_s = max(left.get(other, 0.0) for group in groups for other in group.profiles)
        cell_s = min(group.shortest_s(profile) for group in groups)
        if cell_s + _beside_s(view, seat, engine) <= end_s / STRAGGLING:
            yield engine


def _beside_s(view: View, seat: Seat, name: str) -> float:
    """Seconds until the engine would be open here."""
    if name == seat.engine:
        return 0.0
    engine, profile = view.queues.engines[name], seat.place.profile
    if engine.artifact in seat.disk:
        return view.costs.load_s(name, profile)
    return opening_s(view, engine, profile)


def opening_s(view: View, engine: EngineQueue, profile: str) -> float:
    """Seconds to open an engine whose artifact is not on the disk. A copy of what another place has
    takes about as long as reading it does then."""
    load_s = view.costs.load_s(engine.key, profile)
    if view.places.made(engine.artifact):
        return 2 * load_s
    return load_s + view.costs.make_s(engine.artifact, profile)


def _batch(view: View, seat: Seat, engine: EngineQueue) -> Assignment | None:
    """The engine's next cells of those that the profile is to do, of one kind."""
    profile = seat.place.profile
    long_s = _left_s(view, profile) / LONG_PART if view.agenda.longest_first else float("inf")

    def order(group: Group) -> tuple[float, bool, tuple[tuple[int, ...], int]]:
        longest = group.longest_s(profile)
        return (-longest if longest > long_s else 0.0, not group.exclusive, group.head)

    groups = [group for group in engine.at(profile) if view.agenda.wanted(group, profile)]
    for group in sorted(groups, key=order):
        waiting: Iterable[Work] = group
        if group.longest_s(profile) > long_s:
            waiting = sorted(group, key=lambda work: -work.seconds[profile])
        cells = _cells(view, seat, group, waiting, _batch_s(view, profile))
        if cells:
            return _assignment(seat, group, cells)
    return None


def _single(view: View, seat: Seat, engine: EngineQueue) -> Assignment | None:
    """The engine's shortest cell, whoever was to do it."""
    profile = seat.place.profile
    groups = [group for group in engine.at(profile) if group]
    for group in sorted(groups, key=lambda group: group.shortest_s(profile)):
        waiting = sorted(group, key=lambda work: work.seconds[profile])
        cells = _cells(view, seat, group, waiting, 0.0)
        if cells:
            return _assignment(seat, group, cells[:1])
    return None


def _assignment(seat: Seat, group: Group, cells: tuple[str, ...]) -> Assignment:
    return Assignment(
        place=seat.place.name, engine=group.engine, cells=cells, exclusive=group.exclusive
    )


def _batch_s(view: View, profile: str) -> float:
    return min(BATCH_S, _left_s(view, profile) / BATCH_PART)


def _left_s(view: View, profile: str) -> float:
    """Seconds that each place of the profile still has to do of what waits."""
    return view.agenda.left_s.get(profile, 0.0) / len(view.places.usable[profile])


def _cells(
    view: View, seat: Seat, group: Group, waiting: Iterable[Work], limit_s: float
) -> tuple[str, ...]:
    """At least one cell, if any is for this place, and then as many as end within the limit."""
    host, device = seat.room() if not group.exclusive else _all_of(seat)
    avoid = view.avoid.get(group.engine, {})
    profile, name = seat.place.profile, seat.place.name
    cells: list[str] = []
    total_s = 0.0
    for work in waiting:
        if work.host_bytes > host or work.device_bytes > device or avoid.get(work.cell_id) == name:
            continue
        total_s += work.seconds[profile]
        if cells and total_s > limit_s:
            break
        cells.append(work.cell_id)
        if len(cells) == BATCH_CELLS:
            break
    return tuple(cells)


def _all_of(seat: Seat) -> tuple[int, int]:
    return seat.place.host_bytes, seat.place.device_bytes
