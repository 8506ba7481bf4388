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
    critical = _critical_value((values[:CRITICAL_DRAWS] - means).T, spread)
    above[np.ix_(able, able)] = (differences > critical * spread) & (differences > 1e-12)
    return above


def _spread_of_differences(values: Floats) -> Floats:
    """Standard deviations of all differences over the draws [v, v]; 0 for twins."""
    covariance = np.cov(values, rowvar=False)
    variances = np.diag(covariance)
    squares = variances[:, None] + variances[None, :] - 2 * covariance
    return np.sqrt(np.where(squares < 1e-18, 0.0, squares))


def _critical_value(deviations: Floats, spread: Floats) -> float:
    """Of deviations [v, draws] from the means the greatest ratio of each draw over all pairs, and
    of these the quantile."""
    deviations = np.ascontiguousarray(deviations)
    scale = np.where(spread > 0, spread, np.inf)[:, :, None]
    greatest, room = np.zeros(deviations.shape[1]), np.empty_like(deviations)
    for j in range(len(deviations) - 1):
        ratios = np.subtract(deviations[j + 1 :], deviations[j], out=room[j + 1 :])
        ratios /= scale[j, j + 1 :]
        np.maximum(greatest, ratios.max(axis=0), out=greatest)
        np.maximum(greatest, -ratios.min(axis=0), out=greatest)
    return float(np.quantile(greatest, LEVEL))
