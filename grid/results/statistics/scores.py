"""Means of task scores, and tests of two scored runs over the same items or chunks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from grid.results.statistics.groups import Codes, bounded_mean
from grid.results.statistics.interval import (
    Floats,
    Interval,
    require_finite,
    wilson_bounds,
    z_quantile,
)
from grid.results.statistics.resample import SEED, mean_bounds
from grid.results.statistics.text import as_chunks

FLIPS = 10_000
"""Sign patterns drawn where there are too many to try all."""

BLOCK = 200
"""Drawn patterns multiplied at a time, so that memory does not grow with their number."""

_MOST_EXPONENT = 700.0
"""Keeps bounds above zero."""

ALL_FLIPS = 12
"""Up to this many pairs that differ all 2^n sign patterns are tried."""


@dataclass(frozen=True, slots=True)
class PairedTest:
    """First minus second over the same n items or chunks; `p_value` is two-sided."""

    difference: float
    low: float | None
    high: float | None
    p_value: float
    n: int
    method: str


def score_mean(scores: npt.ArrayLike, groups: Codes | None = None) -> Interval:
    """Mean of item scores [n] with lm-evaluation-harness's stderr, sample sd / sqrt(n), as `sd`.

    Scores of 0 and 1 get Wilson's interval, others that of `mean_bounds`; of items in groups
    `bounded_mean`.
    """
    values = require_finite(scores, "scores")
    n = len(values)
    error = float(values.std(ddof=1)) / n**0.5 if n > 1 else None
    if groups is not None:
        share = bounded_mean(values, groups)
        return replace(share, sd=error, method=f"mean, stderr over items; {share.method}")
    if np.isin(values, (0.0, 1.0)).all():
        share = wilson_interval(float(values.sum()), n)
        return Interval(share.value, share.low, share.high, error, n, "mean, stderr; Wilson")
    bounds, method = mean_bounds(values)
    low, high = bounds or (None, None)
    return Interval(float(values.mean()), low, high, error, n, f"mean, stderr; {method}")


def share_of(flags: npt.ArrayLike, groups: Codes | None = None) -> Interval:
    """The share of items [n] that are true, by Wilson's interval."""
    values = np.asarray(flags, dtype=np.float64)
    if groups is None:
        return wilson_interval(int(values.sum()), len(values))
    share = bounded_mean(values, groups)
    return replace(share, sd=None, method=f"share; {share.method}")


def wilson_interval(successes: float, n: int) -> Interval:
    """Wilson's score interval (1927) of a share: never outside [0, 1], never a point."""
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes:g} successes of {n} is not a share")
    low, high = wilson_bounds(successes, n, z_quantile() ** 2)
    return Interval(successes / n, low, high, n=n, method="share; Wilson")


def mcnemar_test(first: npt.ArrayLike, second: npt.ArrayLike) -> PairedTest:
    """Exact McNemar test of 0/1 scores over the same items [n]: a fair coin over the discordant
    items (McNemar 1947). The interval of the difference is that of `paired_items`."""
    a, b = _pair(first, second)
    if not np.isin(np.concatenate([a, b]), (0.0, 1.0)).all():
        raise ValueError("McNemar's test takes scores of 0 and 1")
    p_value = exact_mcnemar_p(int((a > b).sum()), int((a < b).sum()))
    bounds, _ = mean_bounds(a - b)
    low, high = bounds or (None, None)
    return PairedTest(float((a - b).mean()), low, high, p_value, len(a), "exact McNemar")


def paired_item_test(first: npt.ArrayLike, second: npt.ArrayLike) -> PairedTest:
    """Mean difference of scores over the same items [n], sign-flip test and interval."""
    a, b = _pair(first, second)
    return _paired_test(a - b)


def paired_chunk_test(first: npt.ArrayLike, second: npt.ArrayLike) -> PairedTest:
    """Mean difference over the same chunks, both [chunks, tokens]: a chunk is one observation."""
    a, b = as_chunks(first), as_chunks(second)
    a, b = _pair(a.mean(axis=1), b.mean(axis=1))
    return _paired_test(a - b)


def _pair(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[Floats, Floats]:
    a, b = require_finite(first, "scores"), require_finite(second, "scores")
    if a.shape != b.shape:
        raise ValueError(f"{a.shape} scores against {b.shape}: they are not of the same items")
    return a, b


def _paired_test(differences: Floats) -> PairedTest:
    p_value, name = _sign_flip_p(differences)
    bounds, method = mean_bounds(differences)
    low, high = bounds or (None, None)
    value = float(differences.mean())
    return PairedTest(value, low, high, p_value, len(differences), f"{name}; {method}")


def sign_flip_test(differences: npt.ArrayLike) -> tuple[float, str]:
    """Two-sided p of paired differences [n] whose sum is 0 in expectation, and the test's name.

    Pairs without a difference decide nothing; where all others differ by as much, flipping signs is
    the exact McNemar test.
    """
    pairs = require_finite(differences, "differences")
    sizes = np.abs(pairs[pairs != 0])
    if sizes.size and np.ptp(sizes) > 1e-9 * sizes.max():
        return _sign_flip_p(pairs)
    return exact_mcnemar_p(int((pairs > 0).sum()), int((pairs < 0).sum())), "exact McNemar"


def exact_mcnemar_p(wins: int, losses: int) -> float:
    """Two-sided p of so many wins and losses where either is as likely; 1 without any."""
    from scipy.special import bdtr

    n = wins + losses
    return min(1.0, 2 * float(bdtr(min(wins, losses), n, 0.5))) if n else 1.0


def _sign_flip_p(differences: Floats) -> tuple[float, str]:
    """Share of sign patterns as extreme as the observed one (each sign is a fair coin where there
    is no difference), and the method's name.

    Drawn patterns count the observed one among them (Phipson and Smyth 2010): never 0, and never
    less than one of `FLIPS`. Hoeffding's bound on the share of all patterns (1963) is taken where
    it is less, so that a table of many tests does not hide the clear ones.
    """
    nonzero = differences[differences != 0]
    observed = abs(float(nonzero.sum()))
    least = observed - 1e-9 * float(np.abs(nonzero).sum())
    if nonzero.size <= ALL_FLIPS:
        signs = 2 * ((np.arange(2**nonzero.size)[:, None] >> np.arange(nonzero.size)) & 1) - 1
        return float((np.abs(signs @ nonzero) >= least).mean()), "all sign flips"
    share = (1 + _count_extreme_draws(nonzero, least)) / FLIPS
    bound = 2 * math.exp(-min(observed**2 / (2 * float(nonzero @ nonzero)), _MOST_EXPONENT))
    if bound < share:
        return bound, "sign flips, Hoeffding's bound"
    return share, f"{FLIPS} sign flips"


def _count_extreme_draws(nonzero: Floats, least: float) -> int:
    """How many of `FLIPS` - 1 drawn sign patterns of differences [n] have a sum of at least
    `least`, up or down."""
    rng = np.random.default_rng([SEED, nonzero.size])
    extreme = 0
    for first in range(0, FLIPS - 1, BLOCK):
        rows = min(BLOCK, FLIPS - 1 - first)
        signs = 2 * rng.integers(0, 2, (rows, nonzero.size), dtype=np.int8) - 1
        extreme += int((np.abs(signs @ nonzero) >= least).sum())
    return extreme


def holm_correction(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for being several (Holm 1979): each below 5 % is so with an error rate of
    5 % over all of them together."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, least = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = least
    return corrected
