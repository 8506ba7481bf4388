"""A distribution over a large vocabulary as few entries: the likeliest exactly, the rest by draws.

The `TOP` most likely ids of each token are all there. From the rest `DRAWS` ids are drawn in
proportion to their probability: the rest's mass is cut into as many equal strata, in the order of
the ids, and a point is drawn in each. So a sum of p(v) f(v) over the rest is estimated without bias
by its mass times the mean of f over the draws (Cochran 1977, Sampling Techniques, 5 and 9A).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

TOP = 512
"""Ids kept per token: 95 % of the mass for 49,152 tokens, 96 % for 262,144 (on WikiText-2)."""

DRAWS = 256
"""Ids drawn per token from the rest."""

SEED = 20_11
"""With the position in the text it decides the draws: the same distribution gives the same file."""

MOST_LOG_RATIO = 300.0
"""ln(q/p) of a draw beyond which it counts as this: its square must stay a number."""


class Sample(NamedTuple):
    """ids [n, TOP + DRAWS], the kept ones first; tail_mass [n], the probability outside the kept,
    summed over the entries themselves: 1 - the sum of the others would be rounding, not mass."""

    ids: npt.NDArray[np.int32]
    tail_mass: Floats


class TailSum(NamedTuple):
    """An estimated sum over the rest of each token [n] and its variance by the draws [n]."""

    value: Floats
    variance: Floats


def sample_ids(log_probs: npt.NDArray[np.float32], position: int) -> Sample:
    """Ids that stand for each row of log_probs [n, vocabulary]; `position` in the text seeds."""
    rows, vocabulary = log_probs.shape
    within = np.random.default_rng([SEED, position]).random((rows, DRAWS))
    points = (np.arange(DRAWS) + within) / DRAWS
    ids = np.empty((rows, TOP + DRAWS), dtype=np.int32)
    tail_mass = np.empty(rows)
    for number, row in enumerate(log_probs):  # by row: what is sorted and summed stays in cache
        ids[number, :TOP] = most_likely(row, TOP)
        tail = np.exp(row)
        tail[ids[number, :TOP]] = 0.0
        mass = np.cumsum(tail, dtype=np.float64)
        drawn = np.searchsorted(mass, points[number] * mass[-1], side="right")
        ids[number, TOP:] = np.minimum(drawn, vocabulary - 1)
        tail_mass[number] = mass[-1]
    return Sample(ids, tail_mass)


def most_likely(row: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
    """Indices of the `count` largest, in no order. Of values equal to the least one any may be
    left out: logits of 16 bits have many."""
    least = np.partition(row, len(row) - count)[len(row) - count]
    above = np.flatnonzero(row > least)
    level = np.flatnonzero(row == least)[: count - len(above)]
    return np.concatenate((above, level))


def tail_sum(values: Floats, ratios: Floats, tail_mass: Floats, outside: Floats) -> TailSum:
    """Sum of p * value over the rest of each token, from draws [n, m].

    The draws' ratios q/p are a control variate, since what they estimate is known: q's mass
    `outside` [n] the kept ids. Their coefficient is that of least variance over all n * m draws;
    fitted on so many it adds no bias that could be measured. Close to the reference it is near -1
    or 1 and takes away the first order of ln(p/q), far from it near 0.

    The variance is that of successive differences: each draw has a stratum of its own, so what
    differs between far strata is no error. It errs to the high side.
    """
    weight = tail_mass[:, np.newaxis]
    steps, ratio_steps = weight * np.diff(values, axis=1), weight * np.diff(ratios, axis=1)
    spread = float((ratio_steps**2).sum())
    coefficient = -float((steps * ratio_steps).sum()) / spread if spread > 0 else 0.0
    draws = values.shape[1]
    residual_steps = steps + coefficient * ratio_steps
    return TailSum(
        tail_mass * (values + coefficient * ratios).mean(axis=1) - coefficient * outside,
        (residual_steps**2).sum(axis=1) / (2 * draws * (draws - 1)),
    )
