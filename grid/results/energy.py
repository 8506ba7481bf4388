"""Energy per token, from the joules of windows and the power of the idle machine; pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from grid.cells.measurement import Metric
from grid.results.metrics import METRICS, metric
from grid.results.statistics.interval import Floats, Interval, t_quantile

LACK = "energy_lack"
"""Key of an attempt's environment that says why its energy was not measured."""

IDLE_LACK = "idle_lack"
"""The same of the idle machine, without which no energy is net."""


def energy_metrics(
    kind: str, series: Mapping[str, Floats], environment: Mapping[str, str]
) -> list[Metric]:
    """Of a speed run: gross and net energy per token, that of the memory modules where it is
    apart, and idle power. Null with the reason where there is one."""
    gross, net = f"{kind}_j_per_token", f"{kind}_net_j_per_token"
    if LACK in environment:
        return [_null(gross, environment[LACK])]
    names = [f"{kind}_energy_{unit}" for unit in ("j", "s", "tokens")]
    if any(name not in series for name in names):
        return []
    joules, seconds, tokens = (series[name] for name in names)
    if len({len(joules), len(seconds), len(tokens)}) > 1 or not (tokens > 0).all():
        raise ValueError(f"the series of {kind}_energy are not of the same windows")
    if (joules <= 0).any():
        return [_null(gross, "the counter did not rise in a window")]
    metrics = [metric(gross, _per_token(joules, tokens))]
    memory = series.get(f"{kind}_dram_energy_j")
    if memory is not None and len(memory) == len(tokens):
        metrics.append(metric(f"{kind}_dram_j_per_token", _per_token(memory, tokens)))
    idle = series.get("idle_w")
    if idle is None:
        lack = environment.get(IDLE_LACK, "the power of the idle machine was not measured")
        return [*metrics, _null(net, lack)]
    above = net_per_token(joules, seconds, tokens, idle)
    figure = metric(net, above) if above.value > 0 else _null(net, "not above idle power")
    return [*metrics, figure, metric("idle_w", _mean(idle, "mean over blocks of time"))]


def net_per_token(joules: Floats, seconds: Floats, tokens: Floats, idle: Floats) -> Interval:
    """(J - W s) / tokens of windows [n], with idle power in W [m]. Student's t, with degrees of
    freedom by Satterthwaite (1946): windows and idle power vary apart."""
    per_token = seconds.sum() / tokens.sum()
    value = float(joules.sum() / tokens.sum() - idle.mean() * per_token)
    n, m = len(joules), len(idle)
    if min(n, m) < 2:
        return Interval(value, n=n, method="gross - idle; no interval from one window")
    samples = (joules - idle.mean() * seconds) / tokens
    windows = float(samples.var(ddof=1)) / n
    resting = float(per_token**2 * idle.var(ddof=1)) / m
    total = windows + resting
    half = 0.0
    if total > 0:
        degrees = total**2 / (windows**2 / (n - 1) + resting**2 / (m - 1))
        half = t_quantile(degrees) * total**0.5
    sd = float(samples.std(ddof=1))
    return Interval(value, value - half, value + half, sd, n, "gross - idle, Satterthwaite's t")


def _per_token(joules: Floats, tokens: Floats) -> Interval:
    """All joules by all tokens; the interval is of the mean of windows."""
    of_windows = _mean(joules / tokens, "windows")
    value = float(joules.sum() / tokens.sum())
    if of_windows.low is None or of_windows.high is None:
        return Interval(value, n=len(joules), method="sum; no interval from one window")
    half = (of_windows.high - of_windows.low) / 2
    method = "sum, Student t over windows"
    return Interval(value, value - half, value + half, of_windows.sd, len(joules), method)


def _mean(values: Floats, what: str) -> Interval:
    n, value = len(values), float(np.mean(values))
    if n < 2:
        return Interval(value, n=n, method=f"{what}; no interval from one")
    sd = float(values.std(ddof=1))
    half = t_quantile(n - 1) * sd / n**0.5
    return Interval(value, value - half, value + half, sd, n, f"{what}, Student t")


def _null(name: str, reason: str) -> Metric:
    return Metric(name=name, value=None, unit=METRICS[name].unit, n=0, method=reason)
