"""Which hardware classes of a store advice depends on, so that no others are read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from grid.advice.ask import Ask
from grid.advice.hardware import Machine, platform_of
from grid.advice.similar_hardware import is_similar_class
from grid.analysis.dataset import Dataset, HardwareClass

ClassKeys = dict[str, set[tuple[str, ...]]]
"""By hardware class what it has figures of: artifact, backend, device kind."""


def relevant_classes(dataset: Dataset, machine: Machine, ask: Ask) -> list[str]:
    """Names of the classes that advice for the machine needs: its own, similar ones, and of the
    device kinds whose quality may count as many more as it takes to have every artifact in every
    backend, those with the most results first. Machines of a device kind share quality, so that the
    others add nothing."""
    own = machine.measured
    if own is not None and "" not in own.origins:
        return [own.name]
    pool = [c for c in dataset.classes if ask.imported or "" in c.origins]
    similar = [c for c in pool if is_similar_class(c.name, machine)]
    keys = _keys_by_class(dataset)
    kinds = _kinds(pool, similar, machine, dataset.scored_kinds)
    with_quality = [c for c in pool if c.device_kind in kinds or "" not in c.origins]
    first = [c for c in pool if c.name == machine.class_name] + similar
    return _cover([*dict.fromkeys(first)], with_quality, keys)


def _keys_by_class(dataset: Dataset) -> ClassKeys:
    keys = ["hardware_class", "artifact_id", "backend", "device_kind"]
    by_class: defaultdict[str, set[tuple[str, ...]]] = defaultdict(set)
    for row in dataset.overview.ok.group_by(keys).aggregate([]).to_pylist():
        place, *what = (row[key] or "" for key in keys)
        by_class[place].add(tuple(what))
    return by_class


def _kinds(
    pool: Sequence[HardwareClass],
    similar: Sequence[HardwareClass],
    machine: Machine,
    scored: Iterable[str],
) -> set[str]:
    """Device kinds whose quality may count: the machine's own, else those of similar hardware, else
    those of its platform, else all; of them those that tasks were run on, if there are any."""
    measured = {c.device_kind for c in pool}
    able = measured & set(scored) or measured
    own = set() if machine.measured is None else {machine.measured.device_kind}
    near = {kind for kind in able if platform_of(kind) == machine.platform}
    for kinds in (own, {c.device_kind for c in similar}, near):
        if kinds & able:
            return kinds & able
    return able


def _cover(
    first: Sequence[HardwareClass], others: Sequence[HardwareClass], keys: ClassKeys
) -> list[str]:
    """Names of `first`, and of those of the others that have a key which none before them has."""
    names = [c.name for c in first]
    covered = set().union(*(keys.get(name, set()) for name in names))
    for name in [c.name for c in sorted(others, key=lambda c: (-c.ok, c.name))]:
        if name not in names and not keys.get(name, set()) <= covered:
            names.append(name)
            covered |= keys[name]
    return names
