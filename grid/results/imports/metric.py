"""Imported figures as metrics: value, uncertainty as far as it is known, and origin."""

from __future__ import annotations

import math
from collections.abc import Sequence

from grid.cells.measurement import ItemResult, Metric, Series
from grid.results import statistics
from grid.results.metrics import METRICS
from grid.results.statistics import Interval


def figure(
    name: str,
    value: float | None,
    origin: str,
    *,
    sd: float | None = None,
    n: int | None = None,
    bounds: tuple[float, float] | None = None,
    how: str = "",
    unit: str | None = None,
) -> Metric:
    """A figure as the source gives it. `n` is 1 where the source does not say how many samples
    are behind it; `how` is added to the method. `unit` is the source's, by default ours: the checks
    convert it or refuse the figure."""
    low, high = bounds if bounds else (None, None)
    return Metric(
        name=name,
        value=value,
        unit=METRICS[name].unit if unit is None else unit,
        low=low,
        high=high,
        sd=sd,
        n=n or 1,
        method=f"as imported from {origin}" + (f": {how}" if how else ""),
    )


def of_interval(name: str, interval: Interval, origin: str) -> Metric:
    """A figure with the interval of its own repetitions."""
    return figure(
        name,
        interval.value,
        origin,
        sd=interval.sd,
        n=interval.n,
        bounds=_bounds(interval),
        how=interval.method,
    )


def figure_with_error(
    name: str,
    value: float,
    error: float | None,
    origin: str,
    *,
    n: int | None = None,
    how: str,
    ends: tuple[float, float] = (-math.inf, math.inf),
) -> Metric:
    """A mean with its standard error: the interval is value ± 1.96 of it, within `ends`."""
    half = None if error is None else statistics.interval.z_quantile() * error
    bounds = None if half is None else (max(value - half, ends[0]), min(value + half, ends[1]))
    return figure(name, value, origin, sd=error, n=n, bounds=bounds, how=how)


def speed(
    kind: str, tokens: int, rate: float, sd: float | None, series: Series | None, origin: str
) -> tuple[Metric, ...]:
    """Rate in token/s: mean as given; the interval from the repetitions where the source has them,
    on the log scale as for measured rates."""
    name = f"{kind}_tps"
    if series is None:
        how = "mean and sd of repetitions, how many is not said" if sd else "one figure"
        return (figure(name, rate, origin, sd=sd, how=how),)
    interval = statistics.rate_interval([tokens / value for value in series.values])
    n = len(series.values)
    how = f"mean; {interval.method}"
    bounds = _bounds(interval)
    return (figure(name, rate, origin, sd=sd, n=n, bounds=bounds, how=how),)


def accuracy(
    score: float, error: float | None, n: int | None, chance: float, origin: str, how: str
) -> tuple[Metric, ...]:
    """Accuracy, the level of guessing, and capability, (score - chance) / (1 - chance)."""
    spread = None if error is None else error / (1 - chance)
    gain = (score - chance) / (1 - chance)
    return task_scores((score, error), chance, (gain, spread), n, origin, how)


def task_scores(
    accuracy: tuple[float, float | None],
    chance: float,
    capability: tuple[float, float | None],
    n: int | None,
    origin: str,
    how: str,
) -> tuple[Metric, ...]:
    """The three metrics of a task run; accuracy and capability each with a standard error."""
    wrong = -chance / (1 - chance)
    return (
        figure_with_error("accuracy", *accuracy, origin, n=n, how=how, ends=(0.0, 1.0)),
        figure("chance", chance, origin, n=n, how=how),
        figure_with_error("capability", *capability, origin, n=n, how=how, ends=(wrong, 1.0)),
    )


def item_scores(items: Sequence[ItemResult], origin: str, how: str) -> tuple[Metric, ...]:
    """The same three from single items, as for measured ones."""
    scores, chances = [item.score for item in items], [item.chance for item in items]
    groups = statistics.group_codes([item.group for item in items])
    score = statistics.score_mean(scores, groups)
    gain = statistics.capability(scores, chances, groups)
    chance, n = sum(chances) / len(chances), len(items)
    return (
        figure("accuracy", score.value, origin, sd=score.sd, n=n, bounds=_bounds(score), how=how),
        figure("chance", chance, origin, n=n, how=how),
        figure("capability", gain.value, origin, sd=gain.sd, n=n, bounds=_bounds(gain), how=how),
    )


def _bounds(interval: Interval) -> tuple[float, float] | None:
    return None if interval.low is None or interval.high is None else (interval.low, interval.high)
