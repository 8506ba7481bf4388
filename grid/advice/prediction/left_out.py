"""Errors of leaving out groups of rows, without a fit for each: the model, linear at its mode, is a
normal distribution of all rows, and what it says of some of them from the others is known in closed
form (conditioning on the rest through the inverse covariance)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from grid.advice.prediction import laplace
from grid.advice.prediction.fit import FittedRate
from grid.advice.prediction.observation import Observation
from grid.advice.prediction.result import LEVEL, LooRow, RateKind, loo_row
from grid.results.statistics.interval import Floats


def left_out_rows(fitted: FittedRate, groups: Sequence[object]) -> tuple[LooRow, ...]:
    """Every fitted row beside what is predicted for it without the rows of its group.

    `groups` has a name for each of `fitted.rows`. Rows whose chip is not known are not listed:
    without their group nothing is left to predict them from."""
    if not fitted.rows:
        return ()
    logs, sds = _left_out(fitted, groups)
    reach = NormalDist().inv_cdf((1 + LEVEL) / 2) * sds
    rates = (np.exp(-logs), np.exp(-logs - reach), np.exp(-logs + reach))
    rows = zip(fitted.rows, *rates, strict=True)
    return tuple(
        loo_row(fitted.rate, row, float(value), float(low), float(high))
        for row, value, low, high in rows
        if chip_known(fitted.rate, row)
    )


def chip_known(rate: RateKind, row: Observation) -> bool:
    """Whether something is left to predict the row from when its chip is left out."""
    return (row.bandwidth_bytes_s if rate == "decode" else row.flops_half) is not None


def _left_out(fitted: FittedRate, groups: Sequence[object]) -> tuple[Floats, Floats]:
    """Log times [n] of rows without their groups, and their standard deviations [n]."""
    noise, scale = float(np.median(fitted.noise)), float(np.median(fitted.scale))
    start = np.array([draws.mean() for draws in fitted.effects.values()])
    residuals, covariance = laplace.prior_residuals(fitted.regression, noise, scale, start)
    with laplace.one_thread():
        inverse = np.linalg.inv(covariance)
        pull = inverse @ residuals
        logs, sds = np.empty_like(residuals), np.empty_like(residuals)
        for group in dict.fromkeys(groups):
            mine = np.flatnonzero([name == group for name in groups])
            own = np.linalg.inv(inverse[np.ix_(mine, mine)])
            logs[mine] = fitted.regression.log_times[mine] - own @ pull[mine]
            sds[mine] = np.sqrt(np.diag(own))
    return logs, sds
