"""Retained quality: what of its 16-bit capability each quant keeps, within one model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grid.analysis.limits import sixteen_bit_of
from grid.analysis.variant import Variant, gains_of
from grid.results.statistics import Interval, retained_share


def retained_of(variant: Variant, variants: Sequence[Variant], task_class: str) -> Interval | None:
    """(score - chance) / (16-bit score - chance) over the items that both were asked.

    None without a 16-bit variant of the same model among `variants`, without common items, and
    where the 16-bit score is less than 2 SE above chance.
    """
    whole = sixteen_bit_of(variants, variant)
    if whole is None or task_class not in variant.items:
        return None
    ids = variant.items[task_class].ids
    if whole.id == variant.id:
        return Interval(1.0, n=len(ids), method="the 16-bit variant itself")
    mine, reference = gains_of(variant, task_class, ids), gains_of(whole, task_class, ids)
    common = np.isfinite(reference)
    return retained_share(mine[common], reference[common]) if common.any() else None
