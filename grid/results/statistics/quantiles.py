"""Quantiles of samples, with intervals that assume no distribution."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from grid.results.statistics.interval import LEVEL, Interval, require_finite


def quantile_interval(samples: npt.ArrayLike, q: float) -> Interval:
    """The q-quantile (linear between order statistics) of independent samples [n].

    The interval lies between order statistics whose ranks are binomial quantiles (Conover 1999,
    section 3.2): at least 2.5 % on each side. An end that so few samples cannot give is None, for
    instance the upper one of p99 below 368 samples. The interval is widened where interpolation
    puts the value outside it (extreme q of a few samples).
    """
    if not 0 < q < 1:
        raise ValueError(f"a quantile lies between 0 and 1, not at {q:g}")
    values = np.sort(require_finite(samples, "samples"))
    lower, upper = _ranks(len(values), q)
    value = float(np.quantile(values, q))
    return Interval(
        value=value,
        low=None if lower is None else min(value, float(values[lower - 1])),
        high=None if upper is None else max(value, float(values[upper - 1])),
        n=len(values),
        method=f"p{100 * q:g}; order statistics",
    )


def median_interval(samples: npt.ArrayLike) -> Interval:
    """The median of samples [n]; an interval from 6 samples on."""
    return quantile_interval(samples, 0.5)


def _ranks(n: int, q: float) -> tuple[int | None, int | None]:
    """Ranks l, u (1-based) with P(X_(l) > quantile) and P(X_(u) < quantile) at most 2.5 % each.

    The number of samples below the quantile is Binomial(n, q): X_(l) lies above it where fewer than
    l are below, X_(u) lies below it where at least u are.
    """
    from scipy.special import bdtr

    below = bdtr(np.arange(n + 1), n, q)
    tail = (1 - LEVEL) / 2
    lower = int(np.searchsorted(below, tail, side="right"))
    upper = int(np.searchsorted(below, 1 - tail, side="left")) + 1
    return (lower if lower >= 1 else None), (upper if upper <= n else None)
