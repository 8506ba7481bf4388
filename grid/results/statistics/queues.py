"""Statistics of requests that share a queue: neighbours are alike, so intervals are over blocks.

Sectioning (Asmussen & Glynn 2007, Stochastic Simulation, III.5a): the samples are cut into blocks
of successive requests, and the spread of the blocks' own statistics gives the interval around that
of all. The interval is never narrower than that of as many independent requests.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from grid.results.statistics.interval import Floats, Interval, require_finite, t_quantile
from grid.results.statistics.quantiles import quantile_interval
from grid.results.statistics.scores import wilson_interval

BLOCKS = 10

AS_INDEPENDENT = "requests as independent"
"""Ends the method of an interval of too few requests to cut."""

BEYOND = 5
"""Samples beyond the quantile that each block must have, or no block is cut."""


def queue_quantile(samples: npt.ArrayLike, q: float) -> Interval:
    """The q-quantile of requests [n] in the order in which they were due. Below
    `BLOCKS * BEYOND / min(q, 1 - q)` of them the interval takes them as independent."""
    values = require_finite(samples, "samples")
    plain = quantile_interval(values, q)
    if len(values) * min(q, 1 - q) < BLOCKS * BEYOND:
        return replace(plain, method=f"{plain.method}, {AS_INDEPENDENT}")
    half = _half_width(values, lambda block: float(np.quantile(block, q)), plain.value)
    return _widened(plain, half, f"p{100 * q:g}")


def queue_share(flags: npt.ArrayLike) -> Interval:
    """The share of requests [n] that are true, in the order in which they were due."""
    values = require_finite(flags, "requests")
    plain = wilson_interval(int(values.sum()), len(values))
    if len(values) < BLOCKS * BEYOND:
        return replace(plain, method=f"{plain.method}, {AS_INDEPENDENT}")
    half = _half_width(values, lambda block: float(block.mean()), plain.value)
    widened = _widened(plain, half, "share")
    return replace(widened, low=max(0.0, widened.low or 0.0), high=min(1.0, widened.high or 0.0))


def window_rate(ends: npt.ArrayLike, amounts: npt.ArrayLike, window_s: float) -> Interval | None:
    """The rate of what came at `ends` (seconds from the window's begin) [n], each of an amount,
    with Student's t over equal parts of the window; None where too little came for an interval."""
    times, sizes = np.asarray(ends, dtype=np.float64), np.asarray(amounts, dtype=np.float64)
    inside = (times >= 0) & (times <= window_s)
    if inside.sum() < BLOCKS * BEYOND:
        return None
    edges = np.linspace(0.0, window_s, BLOCKS + 1)
    rates = np.histogram(times[inside], edges, weights=sizes[inside])[0] / (window_s / BLOCKS)
    half = t_quantile(BLOCKS - 1) * float(rates.std(ddof=1)) / BLOCKS**0.5
    mean = float(rates.mean())
    method = f"per second of the window; Student t over {BLOCKS} parts of it"
    return Interval(mean, max(0.0, mean - half), mean + half, n=int(inside.sum()), method=method)


def _half_width(values: Floats, statistic: Callable[[Floats], float], value: float) -> float:
    parts = np.array([statistic(block) for block in np.array_split(values, BLOCKS)])
    spread = float(((parts - value) ** 2).sum() / (BLOCKS - 1))
    return t_quantile(BLOCKS - 1) * math.sqrt(spread / BLOCKS)


def _widened(plain: Interval, half: float, name: str) -> Interval:
    low, high = plain.value - half, plain.value + half
    return replace(
        plain,
        low=low if plain.low is None else min(low, plain.low),
        high=high if plain.high is None else max(high, plain.high),
        method=f"{name}; blocks of successive requests",
    )
