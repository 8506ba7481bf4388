"""Which hardware classes of a store an answer can hang on, so that no others are read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from grid.advice.ask import Ask
from grid.advice.hardware import Machine
from grid.advice.similar_hardware import is_like_class
from grid.analysis.dataset import Dataset, HardwareClass

Known = dict[str, set[tuple[str, ...]]]
"""By hardware class what it has figures of: artifact, backend, device kind."""


def concerned(dataset: Dataset, machine: Machine, ask: Ask) -> list[str]:
    """The machine's own class, those like it, and of the device kinds whose quality may count as
    many more, those with the most results first, as it takes to have every artifact in every
    backend: quality is shared by the machines of a device kind, so that the others add nothing."""
    own = machine.measured
    if own is not None and "" not in own.origins:
        return [own.name]
    pool = [one for one in dataset.classes if ask.imported or "" in one.origins]
    like = [one for one in pool if is_like_class(one.name, machine)]
    known = _known(dataset)
    kinds = _kinds(pool, like, machine, dataset.scored_kinds)
    rest = [one for one in pool if one.device_kind in kinds or "" not in one.origins]
    first = [one for one in pool if own is not None and one.name == own.name] + like
    return _cover([*dict.fromkeys(first)], rest, known)


def _known(dataset: Dataset) -> Known:
    keys = ["hardware_class", "artifact_id", "backend", "device_kind"]
    found: defaultdict[str, set[tuple[str, ...]]] = defaultdict(set)
    for row in dataset.overview.ok.group_by(keys).aggregate([]).to_pylist():
        place, *what = (row[key] or "" for key in keys)
        found[place].add(tuple(what))
    return found


def _kinds(
    pool: Sequence[HardwareClass],
    like: Sequence[HardwareClass],
    machine: Machine,
    scored: Iterable[str],
) -> set[str]:
    """Device kinds whose quality may count: the machine's own, else those of its like, else those
    of its platform, else all; of them those that tasks were run on, if there are any."""
    able = {one.device_kind for one in pool} & set(scored)
    able = able or {one.device_kind for one in pool}
    own = set() if machine.measured is None else {machine.measured.device_kind}
    near = {kind for kind in able if kind.partition("-")[0] == machine.platform}
    for kinds in (own, {one.device_kind for one in like}, near):
        if kinds & able:
            return kinds & able
    return able


def _cover(
    first: Sequence[HardwareClass], rest: Sequence[HardwareClass], known: Known
) -> list[str]:
    names = [one.name for one in first]
    covered = set().union(*(known.get(name, set()) for name in names))
    for one in sorted(rest, key=lambda one: (-one.ok, one.name)):
        if one.name not in names and not known.get(one.name, set()) <= covered:
            names.append(one.name)
            covered |= known[one.name]
    return names
