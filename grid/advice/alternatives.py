"""What lies around a pick: the runner-up, what each limit costs, one step up and one down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from grid.advice.advice import DECODE, Candidate, ClassChange, Cost, Step
from grid.advice.candidates import Scene
from grid.analysis import Limits, Pick, Posterior, Variant, picks, subset
from grid.analysis.limits import demanded, limit_text
from grid.analysis.pareto import undominated
from grid.analysis.posterior import SEED, class_draws
from grid.results.statistics import Interval
from grid.results.statistics.interval import Floats
from grid.units import format_bytes

MET = ("tied", "less capable")
"""Kinds of rejection of those that meet all limits."""


def admitted(found: Pick) -> list[Variant]:
    """Those that meet all limits, the pick first."""
    rest = [one.variant for one in found.rejected if one.kind in MET]
    return [found.variant, *rest] if found.variant else []


def runner_up_of(there: Scene, limits: Limits, found: Pick) -> tuple[Variant | None, str]:
    """The pick of the rest that meets the limits, and why it is second. The same artifact in the
    same engine with other options is no second choice."""
    if found.variant is None:
        return None, ""
    one = found.variant
    twin = [(v.artifact_id, v.backend) == (one.artifact_id, one.backend) for v in admitted(found)]
    rest = [v for v, same in zip(admitted(found), twin, strict=True) if not same]
    belief = subset(there.belief, {v.id for v in rest})
    second = picks(belief, [Limits()])[0].variant
    if second is None:
        return None, ""
    return second, next(lost.reason for lost in found.rejected if lost.variant.id == second.id)


def costs_of(there: Scene, limits: Limits, found: Pick) -> tuple[Cost, ...]:
    """For each limit the pick without it. Empty without a pick: then limits are to be relaxed."""
    if found.variant is None:
        return ()
    costs = []
    for name, value in demanded(limits).items():
        without = picks(there.belief, [without_limit(limits, name)], known=there.known)[0]
        told = limit_text(name, value)
        costs.append(_cost(there.belief, name, told, found.variant, without.variant))
    return tuple(costs)


def without_limit(limits: Limits, name: str) -> Limits:
    """The same limits but for one."""
    kept: dict[str, Any] = {name: None}
    return replace(limits, **kept)


def _cost(belief: Posterior, name: str, told: str, pick: Variant, without: Variant | None) -> Cost:
    if without is None or without.id == pick.id:
        text = f"{told} costs nothing: without it the pick is the same"
        return Cost(name, told, None, None, text)
    more = difference(belief, without, pick)
    text = f"{told}: without it {without.label}, capability {_signed(more)}{_verdict(more)}"
    return Cost(name, told, without, more, text)


def difference(belief: Posterior, one: Variant, other: Variant) -> Interval:
    """Capability of one less that of the other: as measured, with the 95 % interval of the joint
    draws, if it is known how sure both are."""
    mine, theirs = (belief.capability[:, belief.place[v.id]] for v in (one, other))
    drawn = mine - theirs
    unknown = one.unsure_unknown or other.unsure_unknown
    return _interval(_value(one.capability) - _value(other.capability), drawn, unknown)


def gap_of(there: Scene, found: Pick) -> Interval | None:
    """By how much the most capable of those that meet the limits is above the pick, which ties with
    it; None where it is the pick."""
    if found.variant is None or found.best is None or found.best.id == found.variant.id:
        return None
    return difference(there.belief, found.best, found.variant)


def steps_of(there: Scene, found: Pick) -> tuple[Step, ...]:
    """The next larger and the next smaller artifact on the frontier of capability and size, whether
    or not they meet the limits."""
    if found.variant is None:
        return ()
    pick = there.candidates[there.belief.place[found.variant.id]]
    members = _frontier(there.candidates)
    size = pick.variant.artifact_bytes
    above = [one for one in members if one.variant.artifact_bytes > size and _more(one, pick)]
    below = [one for one in members if one.variant.artifact_bytes < size]
    blocked = {one.variant.id: one.reason for one in found.rejected if one.kind not in MET}
    return tuple(
        _step(there.belief, direction, pick, other, blocked.get(other.variant.id, ""))
        for direction, near in (("up", above[:1]), ("down", below[-1:]))
        for other in near
    )


def _frontier(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that none beats in capability and size as measured, smallest first."""
    able = [one for one in candidates if one.variant.capability is not None]
    if not able:
        return []
    sizes = np.array([[-float(one.variant.artifact_bytes) for one in able]])
    gained = np.array([[_value(one.variant.capability) for one in able]])
    on = undominated(gained, sizes)[0]
    kept = [one for one, beaten in zip(able, ~on, strict=True) if not beaten]
    return sorted(kept, key=lambda one: (one.variant.artifact_bytes, one.variant.id))


def _more(one: Candidate, pick: Candidate) -> bool:
    return _value(one.variant.capability) > _value(pick.variant.capability)


def _step(
    belief: Posterior, direction: str, pick: Candidate, other: Candidate, blocked: str
) -> Step:
    change = difference(belief, other.variant, pick.variant)
    more = other.variant.artifact_bytes - pick.variant.artifact_bytes
    classes = _classes(pick.variant, other.variant, belief.draws)
    speed = _ratio(other, pick)
    text = (
        f"{other.label}, {format_bytes(abs(more))} {'more' if more > 0 else 'less'}: capability "
        f"{_signed(change)}{_verdict(change)}; "
        f"{_tasks(classes, direction)}"
    )
    text += f"; decode x{speed:.2f}" if speed is not None else ""
    text += f"; but {blocked}" if blocked else ""
    return Step(direction, other, more, change, classes, speed, blocked, text)


def _classes(pick: Variant, other: Variant, draws: int) -> tuple[ClassChange, ...]:
    """Change by task class, what changes most first."""
    found = []
    for name in sorted(set(pick.classes) & set(other.classes) & set(pick.weights)):
        drawn = class_draws((pick, other), name, draws, SEED)
        value = other.classes[name].value - pick.classes[name].value
        unknown = any(name not in v.items and v.classes[name].sd is None for v in (pick, other))
        change = _interval(value, drawn[:, 1] - drawn[:, 0], unknown)
        found.append(ClassChange(name, change, _sure(change)))
    return tuple(sorted(found, key=lambda one: (-abs(one.change.value), one.task_class)))


def _tasks(classes: Sequence[ClassChange], direction: str) -> str:
    verb = "gains" if direction == "up" else "pays"
    wanted = 1.0 if direction == "up" else -1.0
    sure = [one for one in classes if one.sure and wanted * one.change.value > 0]
    if not sure:
        return f"no task {verb} surely"
    return ", ".join(f"{one.task_class} {verb} {_signed(one.change)}" for one in sure)


def _ratio(other: Candidate, pick: Candidate) -> float | None:
    mine, theirs = pick.figures.get(DECODE), other.figures.get(DECODE)
    return theirs.value / mine.value if mine and theirs else None


def _interval(value: float, drawn: Floats, unknown: bool) -> Interval:
    """Without ends where it is unknown how sure the figures are."""
    if unknown:
        return Interval(value, method="difference; uncertainty not known")
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    return Interval(value, low, high, n=len(drawn), method="difference of joint draws")


def _sure(change: Interval) -> bool:
    return change.low is not None and change.high is not None and change.low * change.high > 0


def _verdict(change: Interval) -> str:
    if change.low is None:
        return ", how sure is not known"
    return "" if _sure(change) else ", no sure difference"


def _signed(change: Interval) -> str:
    if change.low is None or change.high is None:
        return f"{change.value:+.3f}"
    return f"{change.value:+.3f} ({change.low:+.3f} to {change.high:+.3f})"


def _value(interval: Interval | None) -> float:
    return float("nan") if interval is None else interval.value
