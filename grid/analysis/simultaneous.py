"""Which of many variants are surely better than which, all statements holding together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from grid.results.statistics.interval import LEVEL, Floats

CRITICAL_DRAWS = 1000
"""Draws that the critical value is taken from."""


def surely_above(drawn: Floats) -> npt.NDArray[np.bool_]:
    """[draws, v] -> [v, v]: True at (i, j) where j is surely above i.

    With probability 0.95 all that is said of all pairs is true, also where all are equal: a
    difference counts in its standard deviations over the draws, and has to exceed the 95 %
    quantile of the greatest of all pairs (max-T, Westfall and Young 1993). A column with NaN is
    above none and none is above it.
    """
    size = drawn.shape[1]
    above = np.zeros((size, size), dtype=bool)
    able = np.flatnonzero(np.isfinite(drawn).all(axis=0))
    if len(able) < 2:
        return above
    values = drawn[:, able]
    means = values.mean(axis=0)
    spread = _spread_of_differences(values)
    differences = means[None, :] - means[:, None]
    critical = _critical_value(values[:CRITICAL_DRAWS] - means, spread)
    above[np.ix_(able, able)] = (differences > critical * spread) & (differences > 1e-12)
    return above


def _spread_of_differences(values: Floats) -> Floats:
    """Standard deviations of all differences over the draws [v, v]; 0 for twins."""
    covariance = np.cov(values, rowvar=False)
    variances = np.diag(covariance)
    squares = variances[:, None] + variances[None, :] - 2 * covariance
    return np.sqrt(np.where(squares < 1e-18, 0.0, squares))


def _critical_value(deviations: Floats, spread: Floats) -> float:
    greatest = np.zeros(len(deviations))
    for j in range(deviations.shape[1] - 1):
        scale = spread[j, j + 1 :]
        apart = np.abs(deviations[:, j + 1 :] - deviations[:, [j]])
        ratios = np.divide(apart, scale, out=np.zeros_like(apart), where=scale > 0)
        np.maximum(greatest, ratios.max(axis=1), out=greatest)
    return float(np.quantile(greatest, LEVEL))
