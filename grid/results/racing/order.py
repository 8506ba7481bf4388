"""How two contenders compare in quality: surely better, worse, as good as equal, or open.

Within a model whose divergence from 16 bits was measured, that is the order; else capability over
the tasks that both were asked. All statements hold together with `ERROR` at most, at every look
(Holm 1979 over pairs, equal shares over looks). A pair is also settled where all chunks or items
would hardly show a difference that chooses anything: that is no statement, and saves what would
show nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from grid.results.racing.contender import Answers, Contender
from grid.results.statistics.interval import Floats
from grid.results.statistics.sequential import (
    Bounds,
    betting_bounds,
    by_group,
    chance_above,
    student_bounds,
)

ERROR = 0.05
"""Chance that any statement of a race about a contender is wrong; half of it is for speed."""

MATERIAL_NAT = 0.01
"""Nats of KL divergence below which a difference chooses nothing; as in `grid.analysis`."""

MATERIAL_GAIN = 0.01
"""Of capability, the same."""

UNLIKELY = 0.1
"""Chance below which nobody waits for what all chunks or items would show."""


class Relation(StrEnum):
    """Of the first of two contenders to the second."""

    better = "better"
    worse = "worse"
    equal = "equal"
    """Surely no further apart than what chooses anything."""
    close = "close"
    """Not surely told apart, and it is likely enough what more would show."""
    open = "open"
    unknown = "unknown"
    """Nothing compares them."""


OPPOSITE = {Relation.better: Relation.worse, Relation.worse: Relation.better}


@dataclass(frozen=True)
class Amount:
    """How sure and how far: `alpha` is the error of a statement of a pair, `totals` the chunks or
    items that were asked for in all, by text and task."""

    alpha: float
    totals: Mapping[str, int]


def compare_quality(
    first: Contender, second: Contender, amount: Amount, against_best: bool = False
) -> Relation:
    """The relation of one contender to another. `against_best`: one of them is the closest of its
    model to 16 bits, so that it also matters whether the other is within what chooses nothing."""
    if first.quality == second.quality:
        return Relation.equal
    texts = common_texts(first, second)
    if texts:
        relations = {_compare_text(first, second, text, amount, against_best) for text in texts}
        return _all_together(relations)
    return compare_tasks(first, second, amount)


def common_texts(first: Contender, second: Contender) -> list[str]:
    """Texts by which two variants compare: of one model, both scored."""
    return sorted(first.texts.keys() & second.texts.keys()) if first.model == second.model else []


def are_materially_apart(first: Contender, second: Contender, amount: Amount) -> bool:
    """Whether one of two variants of a model is so much closer to 16 bits, by all that is known,
    that tasks do not choose between them."""
    for text in common_texts(first, second):
        count = min(len(first.texts[text]), len(second.texts[text]))
        closeness = second.texts[text][:count] - first.texts[text][:count]
        total = max(count, amount.totals.get(text, count))
        above, below = (chance_above(sign * closeness, total, MATERIAL_NAT) for sign in (1, -1))
        if max(above, below) >= 1 - UNLIKELY:
            return True
    return False


def _all_together(relations: set[Relation]) -> Relation:
    """Of several texts: open where one is, else what all say; texts that say opposite things leave
    it for ever as it is."""
    if Relation.open in relations:
        return Relation.open
    stated = relations - {Relation.equal}
    if not stated:
        return Relation.equal
    return stated.pop() if len(stated) == 1 else Relation.close


def _compare_text(
    first: Contender, second: Contender, text: str, amount: Amount, against_best: bool
) -> Relation:
    count = min(len(first.texts[text]), len(second.texts[text]))
    mine, others = first.texts[text][:count], second.texts[text][:count]
    closeness = others - mine
    total = max(count, amount.totals.get(text, count))
    above, below = (chance_above(sign * closeness, total, MATERIAL_NAT) for sign in (1, -1))
    relation = _text_relation(closeness, mine + others, amount.alpha)
    if relation is Relation.open:
        return Relation.open if _is_uncertain(above, below) and count < total else Relation.close
    if against_best and UNLIKELY <= above + below <= 1 - UNLIKELY:
        return Relation.open
    return relation


def _text_relation(closeness: Floats, sums: Floats, alpha: float) -> Relation:
    """How far apart is judged in nats. Which is closer is judged chunk after chunk, by differences
    relative to the sum [n] of both: a few hard chunks make most of a mean in nats, and would hide
    what all chunks say."""
    if student_bounds(closeness, alpha / 2).is_within(MATERIAL_NAT):
        return Relation.equal
    relative = np.divide(closeness, sums, out=np.zeros_like(sums), where=sums > 0)
    bounds = student_bounds(relative, alpha / 2)
    if bounds.low > 0 and closeness.mean() > 0:
        return Relation.better
    return Relation.worse if bounds.high < 0 and closeness.mean() < 0 else Relation.open


def _is_uncertain(above: float, below: float) -> bool:
    """Whether none of three outcomes is likely enough: a difference that chooses the first, with
    the chance `above`, the second, with the chance `below`, or neither."""
    return max(above, below, 1 - above - below) <= 1 - UNLIKELY


def _relation(bounds: Bounds, margin: float) -> Relation:
    if bounds.is_within(margin):
        return Relation.equal
    if bounds.low > 0:
        return Relation.better
    return Relation.worse if bounds.high < 0 else Relation.open


def compare_tasks(first: Contender, second: Contender, amount: Amount) -> Relation:
    """By the mean over tasks of the mean gain, as capability is."""
    tasks = sorted(first.tasks.keys() & second.tasks.keys())
    if not tasks:
        return Relation.unknown
    parts = [_differences(first.tasks[task], second.tasks[task]) for task in tasks]
    values, limit = _interleave(parts)
    relation = _relation(betting_bounds(values, limit, amount.alpha), MATERIAL_GAIN)
    if relation is not Relation.open:
        return relation
    count = [min(len(first.tasks[task].gains), len(second.tasks[task].gains)) for task in tasks]
    wanted = [max(n, amount.totals.get(task, n)) for task, n in zip(tasks, count, strict=True)]
    total = round(len(values) * sum(wanted) / sum(count))
    above, below = (chance_above(sign * values, total, MATERIAL_GAIN, limit**2) for sign in (1, -1))
    is_open = _is_uncertain(above, below) and sum(count) < sum(wanted)
    return Relation.open if is_open else Relation.close


def _differences(first: Answers, second: Answers) -> tuple[Floats, float]:
    """Paired differences of gains, independent of each other, and how far one may be from 0."""
    count = min(len(first.gains), len(second.gains))
    codes = (
        None if first.groups is None else np.unique(first.groups[:count], return_inverse=True)[1]
    )
    return by_group(first.gains[:count] - second.gains[:count], codes), max(
        first.limit, second.limit
    )


def _interleave(parts: list[tuple[Floats, float]]) -> tuple[Floats, float]:
    """Differences of several tasks as one sequence of which each task is an equal part of the mean,
    in the order of their share that was answered."""
    total = sum(len(values) for values, _ in parts)
    weights = [total / (len(parts) * max(1, len(values))) for values, _ in parts]
    places = np.concatenate([(np.arange(len(v)) + 0.5) / max(1, len(v)) for v, _ in parts])
    scaled = np.concatenate([w * v for (v, _), w in zip(parts, weights, strict=True)])
    limit = max(w * limit for (_, limit), w in zip(parts, weights, strict=True))
    return scaled[np.argsort(places, kind="stable")], float(limit)
