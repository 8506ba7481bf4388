"""Answers that quantization turns: right to wrong and wrong to right, item by item."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grid.analysis.limits import sixteen_bit_of
from grid.analysis.variant import Variant, groups_of
from grid.results.statistics import Interval, group_codes, share_of

RIGHT = 1 - 1e-9
"""Gain from which an item is right; a score between 0 and 1 is not."""


@dataclass(frozen=True, slots=True)
class Flips:
    """Of the `n` items that a variant and its model's 16 bits were both asked: shares that turned,
    with Wilson's 95 % interval, over groups where items come in such. Even where as many turn
    either way, and the score stays, they say how often another answer comes. None with the reason
    where there is nothing to pair."""

    variant: Variant
    reference: Variant | None
    n: int
    turned: Interval | None = None
    to_wrong: Interval | None = None
    to_right: Interval | None = None
    reason: str = ""


def flips(variants: Sequence[Variant]) -> list[Flips]:
    """Flips of each variant that is not its model's 16 bits, over all tasks, in their order."""
    return [
        _flips_of(variant, reference)
        for variant in variants
        if (reference := sixteen_bit_of(variants, variant)) is not variant
    ]


def _flips_of(variant: Variant, reference: Variant | None) -> Flips:
    if reference is None:
        return Flips(variant, None, 0, reason=f"no 16-bit variant of {variant.model}")
    before, after = _right_items(reference), _right_items(variant)
    common = sorted(before.keys() & after.keys())
    if not common:
        return Flips(variant, reference, 0, reason="no items in common with the 16-bit variant")
    was = np.array([before[item] for item in common])
    now = np.array([after[item] for item in common])
    codes = group_codes(_groups([variant, reference], common))
    return Flips(
        variant,
        reference,
        len(common),
        turned=share_of(was != now, codes),
        to_wrong=share_of(was & ~now, codes),
        to_right=share_of(~was & now, codes),
    )


def _groups(pair: Sequence[Variant], items: Sequence[tuple[str, str]]) -> list[str]:
    """The group of each (class, item)."""
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for name, item in items:
        ids[name].append(item)
    groups = {name: groups_of(pair, name, tuple(of_class)) for name, of_class in ids.items()}
    of_item = {
        (name, item): group
        for name, of_class in ids.items()
        for item, group in zip(of_class, groups[name], strict=bool(groups[name]))
    }
    return [of_item.get(item, "") for item in items]


def _right_items(variant: Variant) -> dict[tuple[str, str], bool]:
    """By class and item id, whether the answer was right."""
    return {
        (name, item): bool(gain >= RIGHT)
        for name, items in variant.items.items()
        for item, gain in zip(items.ids, items.gains, strict=True)
    }
