"""Retained quality: what of its 16-bit capability each quant keeps, within one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grid.analysis.limits import sixteen_bit_of
from grid.analysis.variant import Variant, gains_of, groups_of, task_weights
from grid.results.statistics import Interval, group_codes, retained_share


@dataclass(frozen=True, slots=True)
class RetainedQuality:
    """Share of the 16-bit capability that a variant keeps in a task class, over `n` common items;
    None with the reason. The 16-bit variant itself has 1 and no interval."""

    variant: Variant
    task_class: str
    share: Interval | None
    n: int
    reason: str = ""


def retained_quality(
    variant: Variant, variants: Sequence[Variant], task_class: str
) -> RetainedQuality:
    """(score - chance) / (16-bit score - chance) over the items that both were asked.

    Unknown without a 16-bit variant of the same model among `variants`, without common items, and
    where the 16-bit score is less than 2 SE above chance.
    """

    def unknown(reason: str, n: int = 0) -> RetainedQuality:
        return RetainedQuality(variant, task_class, None, n, reason)

    if task_class not in variant.classes:
        return unknown(f"{task_class} was not measured")
    whole = sixteen_bit_of(variants, variant)
    if whole is None:
        return unknown(f"no 16-bit variant of {variant.model}")
    if task_class not in variant.items or task_class not in whole.items:
        return unknown("no items, only a figure")
    ids = variant.items[task_class].ids
    if whole.id == variant.id:
        itself = Interval(1.0, n=len(ids), method="the 16-bit variant itself")
        return RetainedQuality(variant, task_class, itself, itself.n)
    gains, reference = gains_of(variant, task_class, ids), gains_of(whole, task_class, ids)
    common = np.isfinite(reference)
    if not common.any():
        return unknown("no items in common with the 16-bit variant")
    n = int(common.sum())
    common_ids = tuple(ids[place] for place in np.flatnonzero(common))
    codes = group_codes(groups_of([variant, whole], task_class, common_ids))
    weights = task_weights(common_ids)
    share = retained_share(weights * gains[common], weights * reference[common], codes)
    if share is None:
        return unknown("the 16-bit score is less than 2 SE above chance", n)
    return RetainedQuality(variant, task_class, share, n)
