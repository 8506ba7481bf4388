"""Posterior draws of measured rates."""

from __future__ import annotations

import numpy as np

from grid.analysis.variant import Speed
from grid.results.statistics.interval import Floats


def rate_draws(speed: Speed, draws: int, random: np.random.Generator) -> Floats:
    """Draws of the log of the median rate over runs, [draws]."""
    logs = median_rate_draws(np.log(speed.rates), draws, random)
    if speed.between_sd > 0:
        logs = logs + speed.between_sd * random.standard_t(max(1.0, speed.between_degrees), draws)
    return logs


def median_rate_draws(logs: Floats, draws: int, random: np.random.Generator) -> Floats:
    """Posterior draws of the mean of logs [n] under Jeffreys' prior: a shifted, scaled t(n - 1)."""
    n = len(logs)
    if n == 1:
        return np.full(draws, logs[0])
    error = logs.std(ddof=1) / np.sqrt(n)
    return np.asarray(logs.mean() + error * random.standard_t(n - 1, draws))
