"""Repeats what is timed: as often as asked, and again where something disturbed it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from grid.cells.measurement import DISTURBED, Series
from grid.cells.repetitions import RepetitionRule, relative_half_width
from grid.engine.measure.disturbance import BUSY, Disturbance, DisturbanceWatch, others_share
from grid.engine.measure.result import series

EXTRA = 20
"""Repetitions beyond the most that are asked, to replace disturbed ones."""

WAIT_S = 5.0
"""Most seconds of a cell in which it waits for other programs to end: no more than a quarter of its
budget, nor than its repetitions took so far."""

LOOK_S = 0.2
"""Seconds of a look at what others compute."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Repetition(Generic[T]):
    """One repetition: what `once` returned, its duration in seconds, and what disturbed it."""

    result: T
    seconds: float
    disturbance: Disturbance


@dataclass(frozen=True, slots=True)
class Repeated(Generic[T]):
    """`counted` are the repetitions that count, in the order measured, `replaced` the others, which
    were disturbed; `stopped` says in words why there are no more."""

    counted: tuple[Repetition[T], ...]
    replaced: tuple[Repetition[T], ...]
    stopped: str

    @property
    def environment(self) -> dict[str, str]:
        """How many count and why, and what disturbed those that count."""
        facts = {"stopped": self.stopped}
        if self.replaced:
            count = len(self.replaced)
            facts["replaced"] = f"{count} disturbed {'repetition' if count == 1 else 'repetitions'}"
        disturbed = [r.disturbance for r in self.counted if r.disturbance.disturbed]
        if disturbed:
            worst = max(disturbed, key=lambda disturbance: (disturbance.lost, disturbance.others))
            share = f"{len(disturbed)} of {len(self.counted)}"
            facts[DISTURBED] = f"{share} repetitions were disturbed: {worst.reason}"
        return facts

    @property
    def series(self) -> tuple[Series, ...]:
        """The share of its time that each repetition lost: of those that count, of the others."""
        counted = [r.disturbance.lost for r in self.counted]
        replaced = [r.disturbance.lost for r in self.replaced]
        lost = (series("lost_share", "1", counted), series("replaced_lost_share", "1", replaced))
        return lost if replaced else lost[:1]


def repeat(
    once: Callable[[], T], seconds_of: Callable[[T], float], rule: RepetitionRule
) -> Repeated[T]:
    """Calls `once` as often as asked; a disturbed repetition is made again while the budget lasts.

    Where it does not last for enough undisturbed ones, those that lost least count.
    """
    tries: list[Repetition[T]] = []
    deadline = time.perf_counter() + rule.seconds
    waited_s = 0.0
    while not (stopped := _stop_reason(tries, rule, time.perf_counter() >= deadline)):
        watch = DisturbanceWatch()
        result = once()
        tries.append(Repetition(result, seconds_of(result), watch.read()))
        if tries[-1].disturbance.disturbed:
            allowed_s = min(WAIT_S, rule.seconds / 4, sum(r.seconds for r in tries))
            waited_s += _wait_for_quiet(min(allowed_s - waited_s, deadline - time.perf_counter()))
    counted = _choose_counted(tries, rule)
    places = {id(repetition) for repetition in counted}
    return Repeated(counted, tuple(r for r in tries if id(r) not in places), stopped)


def _stop_reason(tries: Sequence[Repetition[T]], rule: RepetitionRule, late: bool) -> str:
    """Why no further repetition is made; empty where one is."""
    calm = [r.seconds for r in tries if not r.disturbance.disturbed]
    n = len(calm)
    if n >= rule.most:
        return f"{n} repetitions, as asked" if rule.is_fixed else f"{n} repetitions, the most"
    if not rule.is_fixed and n >= rule.fewest:
        half_width = relative_half_width(calm)
        if half_width <= rule.precision:
            return f"{n} repetitions: the rate is known within {half_width:.1%}"
    count = len(_choose_counted(tries, rule))
    if late and len(tries) >= rule.fewest:
        return f"{count} repetitions: the time of {rule.seconds:g} s was over"
    if len(tries) >= rule.most + EXTRA:
        return f"{count} repetitions: {len(tries) - n} of {len(tries)} were disturbed"
    return ""


def _choose_counted(
    tries: Sequence[Repetition[T]], rule: RepetitionRule
) -> tuple[Repetition[T], ...]:
    """The undisturbed where there are enough, else those that lost least."""
    calm = [r for r in tries if not r.disturbance.disturbed]
    if len(calm) >= rule.fewest:
        return tuple(calm[: rule.most])
    order = sorted(
        range(len(tries)),
        key=lambda i: (tries[i].disturbance.disturbed, tries[i].disturbance.lost, i),
    )
    return tuple(tries[i] for i in sorted(order[: _fewest(len(tries), rule)]))


def _fewest(tries: int, rule: RepetitionRule) -> int:
    """How many count where too few are undisturbed."""
    return rule.fewest if rule.is_fixed else max(rule.fewest, math.ceil(tries / 2))


def _wait_for_quiet(limit_s: float) -> float:
    """Wait until others compute little, `limit_s` at most; the seconds that it took."""
    start = time.perf_counter()
    while time.perf_counter() - start + LOOK_S < limit_s and others_share(LOOK_S) > BUSY:
        pass
    return time.perf_counter() - start
