"""Bounds of a mean that hold however often one looks: what a sweep may stop by.

Ordinary 95 % intervals looked at again and again leave the truth out far more often than in 5 %
(Armitage, McPherson and Rowe 1969). Items have scores within limits, so `betting_bounds` is a
confidence sequence: it holds at all sample sizes at once. Chunks of text have no limits and are
looked at a few times only, so `student_bounds` spends a share of the error on each look
(`look_alpha`). tests/unit/results/test_statistics_sequential.py measures what both hold.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from grid.results.statistics.groups import Codes, group_totals
from grid.results.statistics.interval import Floats, require_finite, t_quantile

_STEPS = 400
"""Steps between the limits at which `betting_bounds` tries a mean."""

_TRUNCATION = 0.5
"""Largest share of the capital that is bet on one value (c of Waudby-Smith and Ramdas)."""


class Bounds(NamedTuple):
    """A mean that was measured, and between which values the true one lies; in its unit."""

    mean: float
    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Whether the true mean surely is another than `value`."""
        return not self.low <= value <= self.high

    def is_within(self, margin: float) -> bool:
        """Whether the true mean surely is nearer to 0 than `margin`."""
        return -margin < self.low and self.high < margin


def look_alpha(alpha: float, looks: int) -> float:
    """Error of one of so many looks, of `alpha` for all: equal shares, which add up whatever the
    looks have in common (Lan and DeMets 1983, spending linear in the number of looks)."""
    return alpha / max(1, looks)


def student_bounds(values: npt.ArrayLike, alpha: float) -> Bounds:
    """Student's interval of the mean of values [n] with error `alpha`, for one look.

    mean +- t(1 - alpha / 2, n - 1) s / sqrt(n). Without limits where n < 2.
    """
    sample = require_finite(values, "differences")
    mean, n = float(sample.mean()), len(sample)
    if n < 2:
        return Bounds(mean, -np.inf, np.inf)
    half = t_quantile(n - 1, 1 - alpha) * float(sample.std(ddof=1)) / n**0.5
    return Bounds(mean, mean - half, mean + half)


def betting_bounds(values: npt.ArrayLike, limit: float, alpha: float) -> Bounds:
    """Confidence sequence of the mean of values [n] within +-`limit`, in the order measured; with
    probability 1 - alpha it holds the true mean at every n at once.

    Hedged capital of Waudby-Smith and Ramdas (2024), "Estimating means of bounded random variables
    by betting", JRSS B 86, Theorem 3 and equation 26, with the running intersection: of x in
    [0, 1] a mean m stays while max over t of max(K+, K-) / 2 < 1 / alpha, where K+- is the product
    of 1 +- l (x - m), and l = sqrt(2 ln(2 / alpha) / (s^2 t ln(1 + t))), at most c / m or
    c / (1 - m), with s^2 the variance of what came before.
    """
    sample = require_finite(values, "differences")
    if float(np.abs(sample).max()) > limit * (1 + 1e-9):
        raise ValueError(f"a difference lies beyond {limit:g}")
    x = np.clip((sample / limit + 1) / 2, 0, 1)
    means = np.linspace(0, 1, _STEPS + 1)
    bets = _bets(x, alpha)[:, None]
    gains = x[:, None] - means
    with np.errstate(divide="ignore"):
        up = np.minimum(bets, _TRUNCATION / means)
        down = np.minimum(bets, _TRUNCATION / (1 - means))
    capital = np.maximum(
        np.log1p(up * gains).cumsum(axis=0), np.log1p(-down * gains).cumsum(axis=0)
    ).max(axis=0)
    open_means = np.flatnonzero(capital < np.log(2 / alpha))
    mean = float(sample.mean())
    if not len(open_means):
        return Bounds(mean, mean, mean)
    # the bound lies between the last mean that stays and the next, which is the careful one
    ends = means[[max(0, open_means[0] - 1), min(_STEPS, open_means[-1] + 1)]]
    low, high = ((2 * end - 1) * limit for end in ends.tolist())
    return Bounds(mean, min(low, mean), max(high, mean))


def _bets(x: Floats, alpha: float) -> Floats:
    """Bets [n], each from the values before it: `l` of `betting_bounds`."""
    n = len(x)
    times = np.arange(1, n + 1)
    estimates = (0.5 + x.cumsum()) / (times + 1)
    spread = (0.25 + ((x - estimates) ** 2).cumsum()) / (times + 1)
    before = np.append(0.25, spread[:-1])
    return np.asarray(np.sqrt(2 * np.log(2 / alpha) / (before * times * np.log1p(times))))


def by_group(values: Floats, codes: Codes | None) -> Floats:
    """Values [n] as independent ones [groups], of the same sign in the mean: sums over items that
    share a passage or subject, over the size of the largest group. As they are without groups.

    Groups come in the order of their first item, so that what is measured first stays first.
    """
    if codes is None:
        return values
    first = np.unique(codes, return_index=True)[1]
    totals = group_totals(values, codes) / int(np.bincount(codes).max())
    return np.asarray(totals[np.argsort(first)])


def chance_above(
    values: npt.ArrayLike, total: int, threshold: float, spare_square: float = 0.0
) -> float:
    """Chance that the mean of all `total` values is above `threshold`, from the first n of them.

    Stochastic curtailment with a flat prior (Spiegelhalter, Freedman and Blackburn 1986): the mean
    of all is that of the first plus s sqrt(1 / n - 1 / total) t(n - 1). `spare_square` is added to
    the sum of squares: rare differences may not have come up yet.
    """
    from scipy.special import stdtr

    sample = require_finite(values, "differences")
    n, mean = len(sample), float(sample.mean())
    if n >= total:
        return float(mean > threshold)
    square = float(((sample - mean) ** 2).sum()) + spare_square
    if n < 2 or square == 0:
        return 0.5 if n < 2 else float(mean > threshold)
    spread = (square / (n - 1) * (1 / n - 1 / total)) ** 0.5
    return float(stdtr(n - 1, (mean - threshold) / spread))
