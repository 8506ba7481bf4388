"""Alternatives to a pick: the runner-up, what each limit costs, one step up and one down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from grid.advice.advice import DECODE, Candidate, ClassChange, Cost, FrontierStep
from grid.advice.candidates import CandidateSet
from grid.analysis import Limits, Pick, Posterior, Variant, picks, subset
from grid.analysis.figures import interval_in_words, signed
from grid.analysis.limits import limit_text, stated_limits
from grid.analysis.pareto import undominated
from grid.analysis.posterior import SEED, class_draws
from grid.results.statistics import Interval
from grid.results.statistics.interval import Floats
from grid.units import format_bytes

KINDS_WITHIN_LIMITS = ("tied", "less capable")
"""Kinds of rejection of those that meet all limits."""


def variants_within_limits(pick: Pick) -> list[Variant]:
    """Variants that meet all limits, the pick first."""
    rivals = [lost.variant for lost in pick.rejected if lost.kind in KINDS_WITHIN_LIMITS]
    return [pick.variant, *rivals] if pick.variant else []


def find_runner_up(candidate_set: CandidateSet, pick: Pick) -> tuple[Variant | None, str]:
    """The second choice within the limits, and why it is second: never the pick's artifact in the
    same engine with other options."""
    if pick.variant is None:
        return None, ""
    first = (pick.variant.artifact_id, pick.variant.backend)
    fit = variants_within_limits(pick)
    rivals = {v.id for v in fit if (v.artifact_id, v.backend) != first}
    second = picks(subset(candidate_set.posterior, rivals), [Limits()])[0].variant
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
        without = candidate_set.pick(replace(limits, **unset)).variant
        demand = limit_text(name, value)
        costs.append(_cost(candidate_set.posterior, name, demand, pick.variant, without))
    return tuple(costs)


def _cost(
    posterior: Posterior, name: str, demand: str, pick: Variant, without: Variant | None
) -> Cost:
    if without is None or without.id == pick.id:
        text = f"{demand} costs nothing: without it the pick is the same"
        return Cost(name, demand, None, None, text)
    gain = capability_difference(posterior, without, pick)
    text = f"{demand}: without it {without.label}, capability {_signed(gain)}{_doubt_text(gain)}"
    return Cost(name, demand, without, gain, text)


def capability_difference(posterior: Posterior, variant: Variant, reference: Variant) -> Interval:
    """Capability of `variant` minus that of `reference`, with the 95 % interval of the joint draws;
    without an interval where the uncertainty of either is not known."""
    mine, theirs = (posterior.capability[:, posterior.index[v.id]] for v in (variant, reference))
    drawn = mine - theirs
    unknown = variant.lacks_uncertainty or reference.lacks_uncertainty
    return _interval_of_draws(
        _value_or_nan(variant.capability) - _value_or_nan(reference.capability), drawn, unknown
    )


def gap_to_best(candidate_set: CandidateSet, pick: Pick) -> Interval | None:
    """By how much the most capable of those that meet the limits is above the pick, which ties with
    it; None where it is the pick."""
    if pick.variant is None or pick.best is None or pick.best.id == pick.variant.id:
        return None
    return capability_difference(candidate_set.posterior, pick.best, pick.variant)


def frontier_steps(candidate_set: CandidateSet, pick: Pick) -> tuple[FrontierStep, ...]:
    """The next larger and the next smaller artifact on the frontier of capability and size, whether
    or not they meet the limits."""
    if pick.variant is None:
        return ()
    base = candidate_set.candidates[candidate_set.posterior.index[pick.variant.id]]
    members = _size_frontier(candidate_set.candidates)
    size = base.variant.artifact_bytes
    above = [c for c in members if c.variant.artifact_bytes > size and _is_better(c, base)]
    below = [c for c in members if c.variant.artifact_bytes < size]
    blocked = {
        lost.variant.id: lost.reason
        for lost in pick.rejected
        if lost.kind not in KINDS_WITHIN_LIMITS
    }
    neighbours = [("up", c) for c in above[:1]] + [("down", c) for c in below[-1:]]
    return tuple(
        _step(candidate_set.posterior, direction, base, c, blocked.get(c.variant.id, ""))
        for direction, c in neighbours
    )


def _size_frontier(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates that none beats in measured capability and size, smallest first."""
    able = [c for c in candidates if c.variant.capability is not None]
    if not able:
        return []
    sizes = np.array([[-float(c.variant.artifact_bytes) for c in able]])
    capabilities = np.array([[_value_or_nan(c.variant.capability) for c in able]])
    on_frontier = undominated(capabilities, sizes)[0]
    frontier = [c for c, on in zip(able, on_frontier, strict=True) if on]
    return sorted(frontier, key=lambda c: (c.variant.artifact_bytes, c.variant.id))


def _is_better(candidate: Candidate, pick: Candidate) -> bool:
    return _value_or_nan(candidate.variant.capability) > _value_or_nan(pick.variant.capability)


def _step(
    posterior: Posterior, direction: str, pick: Candidate, neighbour: Candidate, blocked: str
) -> FrontierStep:
    change = capability_difference(posterior, neighbour.variant, pick.variant)
    extra_bytes = neighbour.variant.artifact_bytes - pick.variant.artifact_bytes
    classes = _class_changes(pick.variant, neighbour.variant, posterior.draws)
    speed = _decode_ratio(neighbour, pick)
    size = f"{format_bytes(abs(extra_bytes))} {'more' if extra_bytes > 0 else 'less'}"
    text = (
        f"{neighbour.label}, {size}: capability {_signed(change)}{_doubt_text(change)}; "
        f"{_tasks_text(classes, direction)}"
    )
    text += f"; decode x{speed:.2f}" if speed is not None else ""
    text += f"; but {blocked}" if blocked else ""
    return FrontierStep(direction, neighbour, extra_bytes, change, classes, speed, blocked, text)


def _class_changes(pick: Variant, neighbour: Variant, draws: int) -> tuple[ClassChange, ...]:
    """Changes of the task classes, the largest first."""
    changes = []
    for name in sorted(set(pick.classes) & set(neighbour.classes) & set(pick.weights)):
        drawn = class_draws((pick, neighbour), name, draws, SEED)
        value = neighbour.classes[name].value - pick.classes[name].value
        unknown = any(name not in v.items and v.classes[name].sd is None for v in (pick, neighbour))
        change = _interval_of_draws(value, drawn[:, 1] - drawn[:, 0], unknown)
        changes.append(ClassChange(name, change, _excludes_zero(change)))
    return tuple(sorted(changes, key=lambda c: (-abs(c.change.value), c.task_class)))


def _tasks_text(classes: Sequence[ClassChange], direction: str) -> str:
    verb = "gains" if direction == "up" else "pays"
    wanted = 1.0 if direction == "up" else -1.0
    sure = [c for c in classes if c.sure and wanted * c.change.value > 0]
    if not sure:
        return f"no task {verb} surely"
    return ", ".join(f"{c.task_class} {verb} {_signed(c.change)}" for c in sure)


def _decode_ratio(neighbour: Candidate, pick: Candidate) -> float | None:
    mine, theirs = pick.figures.get(DECODE), neighbour.figures.get(DECODE)
    return theirs.value / mine.value if mine and theirs else None


def _interval_of_draws(value: float, drawn: Floats, unknown: bool) -> Interval:
    """The central 95 % of draws [draws]; without ends where the uncertainty is not known."""
    if unknown:
        return Interval(value, method="difference; uncertainty not known")
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    return Interval(value, low, high, n=len(drawn), method="difference of joint draws")


def _excludes_zero(change: Interval) -> bool:
    return change.low is not None and change.high is not None and change.low * change.high > 0


def _doubt_text(change: Interval) -> str:
    if change.low is None:
        return ", how sure is not known"
    return "" if _excludes_zero(change) else ", no sure difference"


def _signed(change: Interval) -> str:
    return interval_in_words(change, signed)


def _value_or_nan(interval: Interval | None) -> float:
    return float("nan") if interval is None else interval.value
