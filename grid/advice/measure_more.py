"""What to measure where an answer is less sure than not: of which variants, how much, how long."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grid.advice.candidates import CandidateSet
from grid.advice.replay import telling_attempt
from grid.analysis import Pick, Variant
from grid.analysis.dataset import Dataset, repeat_command
from grid.analysis.quality_order import CAPABILITY
from grid.analysis.rejections import WITHIN_LIMITS
from grid.units import format_seconds

LEAST_SURE = 0.5
"""Below this an answer says what to measure."""

NEARLY_SURE = 1.2816
"""Standard errors that the tolerance must be for a tie to be told with 90 %."""

CLOSE_RIVAL = 0.05
"""Probability of being better by more than the tolerance, from which a rival is named."""
MOST_RIVALS = 3
MOST = 10_000
"""Items or chunks beyond which no text and no task goes."""


@dataclass(frozen=True)
class MeasureMore:
    """Of which `variants`, the pick first, how many items of each task or chunks of text (`unit`)
    would tell the pick from its rivals, of `have` now; `seconds` in all by what they took before,
    None where that is not known. `setting` is the line of the sweep file, `command` what runs it.
    """

    variants: tuple[Variant, ...]
    unit: str
    have: int
    need: int
    seconds: float | None
    setting: str
    command: str

    @property
    def text(self) -> str:
        """In one sentence."""
        names = ", ".join(variant.label for variant in self.variants)
        most = "at least " if self.need == MOST else ""
        time = "" if self.seconds is None else f", about {format_seconds(self.seconds)} in all"
        return (
            f"{names}: {most}{self.need:,} {self.unit} instead of {self.have:,}{time}; set "
            f"{self.setting}, then {self.command}"
        )


def measure_more(
    dataset: Dataset, candidate_set: CandidateSet, pick: Pick, sure: float | None
) -> MeasureMore | None:
    """None where the answer is sure enough, or its certainty is not known."""
    if pick.variant is None or sure is None or sure >= LEAST_SURE:
        return None
    rivals, error = _close_rivals(candidate_set, pick)
    variants = (pick.variant, *rivals)
    items = candidate_set.axis == CAPABILITY
    have = _items_of_a_task(pick.variant) if items else _chunks(pick.variant)
    if not rivals or not have:
        return None
    factor = max(2.0, (NEARLY_SURE * error / max(candidate_set.tolerance, 1e-3)) ** 2)
    need = min(MOST, _rounded_up(factor * have))
    unit, setting = (
        ("items of each task", f"items = {need} under [tasks]")
        if items
        else ("chunks of text", f"chunks = {need} under [quality]")
    )
    return MeasureMore(
        variants,
        unit,
        have,
        need,
        _seconds(dataset, variants, "tasks" if items else "quality", need / have - 1),
        setting,
        _command(dataset, candidate_set, pick.variant),
    )


def _close_rivals(candidate_set: CandidateSet, pick: Pick) -> tuple[list[Variant], float]:
    """Those most likely to be better by more than the tolerance, and the greatest standard error of
    their differences from the pick."""
    order, index = candidate_set.order, candidate_set.posterior.index
    assert pick.variant is not None
    mine = order.expected[:, index[pick.variant.id]]
    chances = []
    for lost in pick.rejected:
        if lost.kind in WITHIN_LIMITS:
            apart = order.expected[:, index[lost.variant.id]] - mine
            chance = float((apart > order.tolerance).mean())
            chances.append((chance, float(apart.std()), lost.variant))
    close = sorted((c for c in chances if c[0] >= CLOSE_RIVAL), key=lambda c: (-c[0], c[2].id))
    nearest = close[:MOST_RIVALS] or sorted(chances, key=lambda c: (-c[0], c[2].id))[:1]
    return [variant for _, _, variant in nearest], max(
        (error for _, error, _ in nearest), default=0
    )


def _items_of_a_task(variant: Variant) -> int:
    """The fewest items of any class that counts."""
    counts = [len(variant.items[name].ids) for name in variant.weights if name in variant.items]
    return min(counts, default=0)


def _chunks(variant: Variant) -> int:
    return variant.scored_text.chunks if variant.scored_text else 0


def _rounded_up(count: float) -> int:
    """To two digits: 3,844 is 3,900."""
    step = float(10 ** max(0, math.floor(math.log10(count)) - 1))
    return int(math.ceil(count / step) * step)


def _seconds(
    dataset: Dataset, variants: Sequence[Variant], measure: str, factor: float
) -> float | None:
    """What so many times the measured work took, of those whose time is known for all."""
    times = []
    for variant in variants:
        rows = [dataset.attempt_row(name) for name in variant.attempt_ids.get(measure, ())]
        spent = [row["wall_s"] for row in rows if row.get("wall_s")]
        if spent:
            times.append(sum(spent))
    return factor * float(np.mean(times)) * len(variants) if times else None


def _command(dataset: Dataset, candidate_set: CandidateSet, variant: Variant) -> str:
    named = telling_attempt(candidate_set.candidates[candidate_set.posterior.index[variant.id]])
    if named is None:
        return "grid sweep SWEEP.toml"
    command = repeat_command(dataset.attempt_row(named), dataset.display_name)
    return command.removesuffix(" --fresh")
