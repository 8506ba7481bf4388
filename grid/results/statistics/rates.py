"""Intervals of rates and times of repetitions: few positive numbers, often skewed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from grid.results.statistics.interval import (
    LEVEL,
    Floats,
    Interval,
    require_finite,
    t_quantile,
)
from grid.results.statistics.resample import percentile_bounds, student_bounds
from grid.results.statistics.runs import BetweenRuns

MANY = 20
"""The interval is bootstrapped from this many repetitions on; of 5 it would cover about 86 %."""


def rate_interval(
    rates: npt.ArrayLike, between: BetweenRuns | None = None, level: float = LEVEL
) -> Interval:
    """Mean of per-repetition rates [n] with sample sd (n - 1), as llama-bench reports it.

    The interval is of the median rate (the geometric mean of a log-normal rate): symmetric on the
    log scale and free of the correction that the arithmetic mean would need, from which it differs
    by the factor exp(variance of the log / 2), 0.02 % at a spread of 2 %. With `between` it is of
    the mean rate of another run of the same. `level` is what Student's t takes where repetitions
    were stopped by their own interval. Raises ValueError for a rate that is not positive.
    """
    values = _positive(rates, "rates")
    if between is not None:
        bounds, method = _next_run_bounds(values, between, level)
    else:
        bounds, method = _log_bounds(values)
    return _interval(float(values.mean()), values, bounds, f"mean, sd; {method}")


def _next_run_bounds(
    values: Floats, between: BetweenRuns, level: float
) -> tuple[tuple[float, float] | None, str]:
    """Where the mean of another run of as many repetitions lies: both runs have a variance within
    and between. Degrees of freedom by Satterthwaite (1946)."""
    n = len(values)
    if n == 1:
        return None, "no interval from one repetition"
    logs = np.log(values)
    variance, within_degrees = between.within(logs)
    scale = t_quantile(n - 1, level) / t_quantile(n - 1)
    within = scale**2 * variance / n
    total = within + between.variance
    degrees = total**2 / (within**2 / within_degrees + between.variance**2 / between.degrees)
    half = t_quantile(degrees) * (2 * total) ** 0.5
    centre = float(logs.mean())
    low, high = float(np.exp(centre - half)), float(np.exp(centre + half))
    return (low, high), "Student t on logs, interval of the mean of another run"


def time_interval(seconds: npt.ArrayLike) -> Interval:
    """Median of per-request times [n] with sample sd (n - 1) and the interval of the median."""
    values = _positive(seconds, "times")
    bounds, method = _log_bounds(values)
    return _interval(float(np.median(values)), values, bounds, f"median, sd; {method}")


def rate_ratio(rates: npt.ArrayLike, base: npt.ArrayLike) -> Interval:
    """Mean rate [n] over mean base rate [m], with an interval of the ratio of the medians.

    The two were measured apart: Welch's t on logs, no interval from a single repetition. Raises
    ValueError for a rate that is not positive.
    """
    mine, theirs = _positive(rates, "rates"), _positive(base, "rates")
    value = float(mine.mean() / theirs.mean())
    n = min(len(mine), len(theirs))
    if n == 1:
        return Interval(value, n=n, method="ratio of means; no interval from one repetition")
    a, b = np.log(mine), np.log(theirs)
    parts = np.array([logs.var(ddof=1) / len(logs) for logs in (a, b)])
    centre, total = float(a.mean() - b.mean()), float(parts.sum())
    half = 0.0
    if total > 0:
        degrees = total**2 / float((parts**2 / [len(a) - 1, len(b) - 1]).sum())
        half = t_quantile(degrees) * total**0.5
    low, high = float(np.exp(centre - half)), float(np.exp(centre + half))
    return Interval(
        value, min(low, value), max(high, value), n=n, method="ratio of means; Welch's t on logs"
    )


def _positive(numbers: npt.ArrayLike, what: str) -> Floats:
    values = require_finite(numbers, what)
    if (values <= 0).any():
        raise ValueError(f"{what} must be positive, the smallest is {values.min():g}")
    return values


def _log_bounds(values: Floats) -> tuple[tuple[float, float] | None, str]:
    """95 % interval of exp(mean log), the median of a log-normal quantity."""
    if len(values) == 1:
        return None, "no interval from one repetition"
    logs = np.log(values)
    many = len(values) >= MANY
    low, high = percentile_bounds(logs) if many else student_bounds(logs)
    name = "bootstrap" if many else "Student t"
    return (float(np.exp(low)), float(np.exp(high))), f"{name} on logs, interval of the median"


def _interval(
    value: float, values: Floats, bounds: tuple[float, float] | None, method: str
) -> Interval:
    low, high = bounds or (None, None)
    sd = float(values.std(ddof=1)) if len(values) > 1 else None
    return Interval(value, low, high, sd, len(values), method)
