"""Capability: score above chance, as a share of the range above chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from grid.results.statistics.groups import (
    Codes,
    bounded_mean,
    effective_groups,
    group_totals,
    grouped_mean,
    student_stretch,
)
from grid.results.statistics.interval import Floats, Interval, require_finite
from grid.results.statistics.resample import DRAWS, SEED, mean_bounds
from grid.results.statistics.scores import score_mean

ABOVE_CHANCE = 2.0
"""Standard errors above chance that the 16-bit score needs for a share of it to mean something."""

PRIOR_ITEMS = 2
"""Items added to a retained share. Without them a quant that answers all items as its 16 bits do
seems to keep exactly 100 %: where 1 in 100 answers differs the interval covered 63 %, with 2 of
them 94 to 98 % (tests/unit/results/test_honest_statistics.py)."""

_BLOCK = 2**23
"""Weights of items held at once."""


def gains(scores: npt.ArrayLike, chances: npt.ArrayLike) -> Floats:
    """(score - chance) / (1 - chance) per item [n]: 0 for guessing, 1 for right.

    Raises ValueError where guessing alone would always be right.
    """
    score, chance = require_finite(scores, "scores"), require_finite(chances, "chances")
    if score.shape != chance.shape:
        raise ValueError(f"{score.shape} scores with {chance.shape} chances")
    if (chance >= 1).any():
        raise ValueError("an item whose chance is 1 measures nothing")
    return np.asarray((score - chance) / (1 - chance))


def capability(
    scores: npt.ArrayLike, chances: npt.ArrayLike, groups: Codes | None = None
) -> Interval:
    """Mean gain of the items of one class [n], `sd` its standard error.

    Where all items have one chance and 0/1 scores, the interval is Wilson's, carried over; else
    that of `mean_bounds` over items. Of items in `groups` both are over groups (`bounded_mean`).
    """
    values, chance = gains(scores, chances), require_finite(chances, "chances")
    n = len(values)
    if groups is not None:
        worst = float(gains(0 * chance, chance).mean())
        mean = bounded_mean(values, groups, worst, 1.0)
        return replace(mean, method=f"mean gain, SE over groups; {mean.method}")
    error = float(values.std(ddof=1)) / n**0.5 if n > 1 else None
    if (chance == chance[0]).all():
        share = score_mean(scores)
        low, high = (_gain(end, float(chance[0])) for end in (share.low, share.high))
        return Interval(float(values.mean()), low, high, error, n, "mean gain, SE; Wilson")
    bounds, method = mean_bounds(values)
    low, high = bounds or (None, None)
    if low is not None and high is not None:  # no capability lies outside all wrong and all right
        low, high = max(low, float(gains(0 * chance, chance).mean())), min(high, 1.0)
    return Interval(float(values.mean()), low, high, error, n, f"mean gain, SE; {method}")


def _gain(score: float | None, chance: float) -> float | None:
    return None if score is None else (score - chance) / (1 - chance)


def composite(classes: Mapping[str, Interval], weights: Mapping[str, float]) -> Interval:
    """Weighted mean over classes, the weights scaled to sum to 1.

    The interval recovers variances from the classes' own limits (MOVER, Zou and Donner 2008), so it
    keeps Wilson's honesty at 0 and 1. Raises ValueError where a weighted class is missing.
    """
    used = {name: weight for name, weight in weights.items() if weight > 0}
    if not used or set(used) - set(classes):
        raise ValueError(f"no capability for {sorted(set(used) - set(classes)) or 'any class'}")
    total = sum(used.values())
    parts = [(weight / total, classes[name]) for name, weight in sorted(used.items())]
    value = sum(weight * part.value for weight, part in parts)
    low = _mover_distance([(w, part.value, part.low) for w, part in parts])
    high = _mover_distance([(w, part.value, part.high) for w, part in parts])
    return Interval(
        value,
        None if low is None else value - low,
        None if high is None else value + high,
        _mover_distance([(w, 0.0, part.sd) for w, part in parts]),
        sum(part.n for _, part in parts),
        "weighted mean of classes; MOVER",
    )


def _mover_distance(parts: list[tuple[float, float, float | None]]) -> float | None:
    """sqrt(sum of (weight * (limit - value))^2), None where a limit is."""
    squares = [(w * (limit - value)) ** 2 for w, value, limit in parts if limit is not None]
    return sum(squares) ** 0.5 if len(squares) == len(parts) else None


def retained_share(
    gain: npt.ArrayLike, gain_16bit: npt.ArrayLike, groups: Codes | None = None
) -> Interval | None:
    """(score - chance) / (16-bit score - chance) from the gains of the same items [n].

    None where the 16-bit mean is less than 2 SE above chance: a share of nothing. The interval is
    that of a Bayesian bootstrap of items, both runs together, with `PRIOR_ITEMS` more that each
    answers by itself. Of items in `groups` those are resampled, and the draws widened to Student's
    t of as many.
    """
    mine, whole = require_finite(gain, "gains"), require_finite(gain_16bit, "gains")
    if mine.shape != whole.shape:
        raise ValueError(f"{mine.shape} gains against {whole.shape}: not of the same items")
    if not is_above_chance(whole, groups):
        return None
    sums = _weighted_sums(np.column_stack([mine, whole]), groups)
    above = sums[:, 1] > 0
    value = float(mine.mean() / whole.mean())
    ratios = sums[above, 0] / sums[above, 1]
    if groups is not None:
        uniform = np.random.default_rng([SEED, 2, len(mine)]).random(len(ratios))
        sizes = np.bincount(groups).astype(np.float64)
        ratios = value + student_stretch(effective_groups(sizes), uniform) * (ratios - value)
    low, high = np.quantile(ratios, [0.025, 0.975])
    method = f"ratio; paired Bayesian bootstrap of {'items' if groups is None else 'groups'}"
    return Interval(
        value, min(value, float(low)), max(value, float(high)), n=len(mine), method=method
    )


def _weighted_sums(values: Floats, groups: Codes | None) -> Floats:
    """Sums over items [n, 2] and the prior's, weighted by unit exponentials, of items in groups one
    for each: [DRAWS, 2]."""
    n, columns = values.shape
    rng = np.random.default_rng([SEED, n])
    total = np.zeros((DRAWS, columns))
    for _ in range(PRIOR_ITEMS):
        answers = values[rng.integers(0, n, (DRAWS, columns)), np.arange(columns)]
        total += rng.standard_exponential((DRAWS, 1)) * answers
    if groups is not None:
        values = group_totals(values, groups)
        n = len(values)
    rows = max(1, _BLOCK // n)
    for start in range(0, DRAWS, rows):
        block = total[start : start + rows]
        block += rng.standard_exponential((len(block), n)) @ values
    return total


def is_above_chance(gain: npt.ArrayLike, groups: Codes | None = None) -> bool:
    """True where the mean gain is at least 2 SE above 0, of items in groups 2 SE over those; one
    item never is."""
    values = require_finite(gain, "gains")
    if len(values) < 2:
        return False
    error = float(values.std(ddof=1)) / len(values) ** 0.5
    if groups is not None:
        error = grouped_mean(values, groups).error
    return bool(values.mean() > 0 and values.mean() >= ABOVE_CHANCE * error)
