"""Repetitions that differ, by a trend or as outliers: flagged, never dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grid.results.statistics.interval import Floats, require_finite

SIGNIFICANT = 0.05
NOTABLE_CHANGE = 0.02
"""A trend counts from this relative change between first and last repetition on."""

FEWEST = 5
"""With 4 repetitions even a perfect trend has a p-value of 0.083."""

EXACT = 50
FAR = 5.0
FAR_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Drift:
    """Trend of `n` rates; `change` is its relative size from the first to the last."""

    flagged: bool
    change: float
    p_value: float
    n: int


def drift(rates: npt.ArrayLike) -> Drift | None:
    """Mann-Kendall trend test (exact without ties) of repetitions in the order measured [n].

    Flagged where p < 0.05 and the Theil-Sen slope amounts to 2 % of the median or more from first
    to last. None below 5 repetitions, which cannot show a trend.
    """
    values = require_finite(rates, "rates")
    if len(values) < FEWEST:
        return None
    n = len(values)
    earlier, later = np.triu_indices(n, 1)
    slope = float(np.median((values[later] - values[earlier]) / (later - earlier)))
    change = slope * (n - 1) / float(np.median(values))
    p_value = kendall_p(values)
    return Drift(p_value < SIGNIFICANT and abs(change) >= NOTABLE_CHANGE, change, p_value, n)


def kendall_p(values: Floats) -> float:
    """Two-sided p-value of S = sum of signs of all later minus earlier values (Kendall 1975)."""
    n = len(values)
    earlier, later = np.triu_indices(n, 1)
    s = int(np.sign(values[later] - values[earlier]).sum())
    _, ties = np.unique(values, return_counts=True)
    if n <= EXACT and (ties == 1).all():
        return _exact_p(n, abs(s))
    variance = (n * (n - 1) * (2 * n + 5) - (ties * (ties - 1) * (2 * ties + 5)).sum()) / 18
    if variance == 0:
        return 1.0
    from scipy.special import ndtr

    return min(1.0, 2 * float(ndtr(-max(0, abs(s) - 1) / variance**0.5)))


def _exact_p(n: int, s: int) -> float:
    """Share of the n! orders with |S| >= s, where S = n (n - 1) / 2 - 2 * inversions."""
    shares = np.ones(1)
    for k in range(2, n + 1):
        shares = np.convolve(shares, np.full(k, 1 / k))
    inversions = np.arange(len(shares))
    return float(shares[np.abs(n * (n - 1) // 2 - 2 * inversions) >= s].sum())


def outliers(rates: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """True for repetitions further from the median than both 5 robust sd (1.4826 MAD) and 5 %.

    The share keeps samples of very even repetitions, whose MAD is next to nothing, from being
    flagged for differences nobody would care about.
    """
    values = require_finite(rates, "rates")
    median = float(np.median(values))
    distance = np.abs(values - median)
    robust = 1.4826 * float(np.median(distance))
    return np.asarray(distance > max(FAR * robust, FAR_SHARE * abs(median)))
