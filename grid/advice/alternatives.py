"""Alternatives to a pick: the runner-up, what each limit costs, one step up and one down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from grid.advice.advice import DECODE, Candidate, ClassChange, Cost, FrontierStep
from grid.advice.candidates import CandidateSet
from grid.advice.quality_change import (
    capability_difference,
    excludes_zero,
    interval_of_draws,
    quality_change,
    text_difference,
)
from grid.analysis import Limits, Pick, Variant
from grid.analysis.figures import interval_in_words, signed
from grid.analysis.limits import limit_text, stated_limits
from grid.analysis.pareto import undominated
from grid.analysis.posterior import SEED, class_draws
from grid.analysis.quality_order import CAPABILITY
from grid.analysis.rejections import WITHIN_LIMITS
from grid.results.statistics import Interval
from grid.units import format_bytes


def variants_within_limits(pick: Pick) -> list[Variant]:
    """Variants that meet all limits, the pick first."""
    rivals = [lost.variant for lost in pick.rejected if lost.kind in WITHIN_LIMITS]
    return [pick.variant, *rivals] if pick.variant else []


def meets_limits(pick: Pick, variant: Variant) -> bool:
    """Whether a variant is among those that meet all limits."""
    return any(variant.id == able.id for able in variants_within_limits(pick))


ONLY_BESIDE_BETTER = "and is preferred only beside better ones that do not"
"""What is tolerated counts from the best that fits: with a better one it excludes the pick."""


def find_runner_up(candidate_set: CandidateSet, pick: Pick) -> tuple[Variant | None, str]:
    """The second choice within the limits, and why it is second: never the pick's artifact in the
    same engine with other options."""
    if pick.variant is None:
        return None, ""
    first = (pick.variant.artifact_id, pick.variant.backend)
    fit = variants_within_limits(pick)
    rivals = {v.id for v in fit if (v.artifact_id, v.backend) != first}
    second = candidate_set.picked_among(rivals)
    if second is None:
        return None, ""
    return second, next(lost.reason for lost in pick.rejected if lost.variant.id == second.id)


def limit_costs(candidate_set: CandidateSet, limits: Limits, pick: Pick) -> tuple[Cost, ...]:
    """For each limit the pick without it. Empty without a pick: then limits are to be relaxed."""
    if pick.variant is None:
        return ()
    costs = []
    for name, value in stated_limits(limits).items():
        unset: dict[str, Any] = {name: None}
        without = candidate_set.picked(replace(limits, **unset))
        demand = limit_text(name, value)
        costs.append(_cost(candidate_set, name, demand, pick, without))
    return tuple(costs)


def _cost(
    candidate_set: CandidateSet, name: str, demand: str, pick: Pick, without: Variant | None
) -> Cost:
    if pick.variant is None or without is None or without.id == pick.variant.id:
        text = f"{demand} costs nothing: without it the pick is the same"
        return Cost(name, demand, None, None, text)
    gain = quality_change(candidate_set.posterior, candidate_set.axis, without, pick.variant)
    text = f"{demand}: without it {without.label}, {gain.text}"
    if meets_limits(pick, without):
        text += f"; it meets the limit too, {ONLY_BESIDE_BETTER}"
    return Cost(name, demand, without, gain.capability, text, gain.kld)


def gap_to_best(candidate_set: CandidateSet, pick: Pick) -> Interval | None:
    """By how much the best measured of those that meet the limits is above the pick, which ties
    with it; None where it is the pick. In capability, or in KLD or perplexity, which is then below
    0."""
    if pick.variant is None or pick.best is None or pick.best.id == pick.variant.id:
        return None
    posterior, axis = candidate_set.posterior, candidate_set.axis
    if axis == CAPABILITY:
        return capability_difference(posterior, pick.best, pick.variant)
    return text_difference(posterior, axis, pick.best, pick.variant)


def frontier_steps(candidate_set: CandidateSet, pick: Pick) -> tuple[FrontierStep, ...]:
    """The next larger and the next smaller artifact on the frontier of quality and size, whether or
    not they meet the limits."""
    if pick.variant is None:
        return ()
    base = candidate_set.candidates[candidate_set.posterior.index[pick.variant.id]]
    members = _size_frontier(candidate_set)
    least = _quality(candidate_set, base)
    size = base.variant.artifact_bytes
    larger = [c for c in members if c.variant.artifact_bytes > size]
    above = [c for c in larger if _quality(candidate_set, c) > least]
    below = [c for c in members if c.variant.artifact_bytes < size]
    blocked = {
        lost.variant.id: lost.reason for lost in pick.rejected if lost.kind not in WITHIN_LIMITS
    }
    neighbours = [("up", c) for c in above[:1]] + [("down", c) for c in below[-1:]]
    return tuple(
        _step(candidate_set, direction, base, c, blocked.get(c.variant.id, ""))
        for direction, c in neighbours
    )


def _size_frontier(candidate_set: CandidateSet) -> list[Candidate]:
    """Candidates that none beats in measured quality and size, smallest first."""
    index, measured = candidate_set.posterior.index, candidate_set.order.measured
    able = [c for c in candidate_set.candidates if measured[index[c.variant.id]]]
    if not able:
        return []
    sizes = np.array([[-float(c.variant.artifact_bytes) for c in able]])
    qualities = np.array([[_quality(candidate_set, c) for c in able]])
    on_frontier = undominated(qualities, sizes)[0]
    frontier = [c for c, on in zip(able, on_frontier, strict=True) if on]
    return sorted(frontier, key=lambda c: (c.variant.artifact_bytes, c.variant.id))


def _quality(candidate_set: CandidateSet, candidate: Candidate) -> float:
    """As measured, so that more is better."""
    return candidate_set.order.value(candidate_set.posterior.index[candidate.variant.id])


def _step(
    candidate_set: CandidateSet,
    direction: str,
    pick: Candidate,
    neighbour: Candidate,
    blocked: str,
) -> FrontierStep:
    posterior, axis = candidate_set.posterior, candidate_set.axis
    change = quality_change(posterior, axis, neighbour.variant, pick.variant)
    extra_bytes = neighbour.variant.artifact_bytes - pick.variant.artifact_bytes
    classes = _class_changes(pick.variant, neighbour.variant, posterior.draws)
    speed = _decode_ratio(neighbour, pick)
    size = f"{format_bytes(abs(extra_bytes))} {'more' if extra_bytes > 0 else 'less'}"
    parts = [f"{neighbour.label}, {size}: {change.text}"]
    parts += [_tasks_text(classes, direction)] if axis == CAPABILITY else []
    parts += [f"decode x{speed:.2f}"] if speed is not None else []
    parts += [f"but {blocked}"] if blocked else []
    return FrontierStep(
        direction,
        neighbour,
        extra_bytes,
        change.capability,
        classes,
        speed,
        blocked,
        "; ".join(parts),
        change.kld,
    )


def _class_changes(pick: Variant, neighbour: Variant, draws: int) -> tuple[ClassChange, ...]:
    """Changes of the task classes, the largest first."""
    changes = []
    for name in sorted(set(pick.classes) & set(neighbour.classes) & set(pick.weights)):
        drawn = class_draws((pick, neighbour), name, draws, SEED)
        value = neighbour.classes[name].value - pick.classes[name].value
        unknown = any(name not in v.items and v.classes[name].sd is None for v in (pick, neighbour))
        change = interval_of_draws(value, drawn[:, 1] - drawn[:, 0], unknown)
        changes.append(ClassChange(name, change, excludes_zero(change)))
    return tuple(sorted(changes, key=lambda c: (-abs(c.change.value), c.task_class)))


def _tasks_text(classes: Sequence[ClassChange], direction: str) -> str:
    verb = "gains" if direction == "up" else "loses"
    wanted = 1.0 if direction == "up" else -1.0
    sure = [c for c in classes if c.sure and wanted * c.change.value > 0]
    if not sure:
        return f"no task surely {verb}"
    return ", ".join(f"{c.task_class} {interval_in_words(c.change, signed)}" for c in sure)


def _decode_ratio(neighbour: Candidate, pick: Candidate) -> float | None:
    mine, theirs = pick.figures.get(DECODE), neighbour.figures.get(DECODE)
    return theirs.value / mine.value if mine and theirs else None
