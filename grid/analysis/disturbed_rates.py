"""The rate that a variant would have without what took time from its engine, as far as it is known.

Its own figure says little then: threads that wait for each other lose more than the share that one
waits. Other variants of the same model in the same engine say more: between two of them a rate
changes evenly with the size of the file. What is shown stays the measured rate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grid.analysis.posterior_rates import rate_draws
from grid.analysis.variant import Speed, Variant
from grid.results.statistics.interval import Floats

DISTURBED = 0.05
"""Share of lost time from which a rate is disturbed, as where it is measured."""

THREADS_POWER = 2.0
"""Log slow-down of a disturbed rate over the log of the share of time that its threads kept: 1.9 to
2.5 on two cores."""

SIBLING_SD = 0.15
"""Standard deviation of a log rate about that of the variants of the next sizes."""


def undisturbed_rate_draws(
    variants: Sequence[Variant], i: int, kind: str, draws: int, random: np.random.Generator
) -> Floats | None:
    """Posterior draws of the log rate of a variant from an empty context, [draws]; None without a
    rate."""
    speed = variants[i].speeds(kind).get(0)
    if speed is None:
        return None
    logs = rate_draws(speed, draws, random)
    if speed.lost <= DISTURBED:
        return logs
    logs = logs - THREADS_POWER * np.log1p(-min(speed.lost, 0.95))
    expected = _sibling_rate(variants, i, kind)
    return logs if expected is None else _combine(logs, expected)


def _sibling_rate(variants: Sequence[Variant], i: int, kind: str) -> float | None:
    """Log rate by the undisturbed variants of the next sizes; None without two."""
    variant = variants[i]
    tokens = variant.speeds(kind)[0].tokens
    points = []
    for sibling in variants:
        speed = sibling.speeds(kind).get(0)
        if speed is None or speed.lost > DISTURBED or speed.tokens != tokens:
            continue
        if sibling is not variant and sibling.artifact_bytes and _is_like(sibling, variant):
            points.append((np.log(sibling.artifact_bytes), _mean_log(speed)))
    if len(points) < 2 or not variant.artifact_bytes:
        return None
    sizes, rates = np.array(sorted(points)).T
    return float(np.interp(np.log(variant.artifact_bytes), sizes, rates))


def _is_like(a: Variant, b: Variant) -> bool:
    mine = (a.model, a.backend, a.options, a.hardware_class)
    return mine == (b.model, b.backend, b.options, b.hardware_class)


def _mean_log(speed: Speed) -> float:
    return float(np.log(speed.rates).mean())


def _combine(logs: Floats, expected: float) -> Floats:
    """The draws, weighted with a normal about what siblings let expect."""
    middle = float(np.median(logs))
    low, high = np.quantile(logs, [0.16, 0.84])
    own = max(1e-6, float(high - low) / 2) ** 2
    share = SIBLING_SD**2 / (own + SIBLING_SD**2)
    return np.asarray(share * middle + (1 - share) * expected + share**0.5 * (logs - middle))
