"""The change of a server's figures under load from A to B, and its standard error."""

from __future__ import annotations

import numpy as np

from grid.analysis.diff.estimates import ChangeEstimate, disturbed_sides, satterthwaite, session_of
from grid.analysis.diff.pairing import CellPair
from grid.analysis.tables import Attempt
from grid.results.derive_load import tpot
from grid.results.statistics import Interval
from grid.results.statistics.interval import Floats, t_quantile
from grid.results.statistics.queues import AS_INDEPENDENT, BLOCKS
from grid.results.statistics.runs import QUIET_DEGREES, QUIET_SD

SERIES = ("ttft_s", "e2e_s", "output_tokens")
"""Raw series of answers that a comparison reads."""

UNLOADED = 0.05
"""Quantile of the answers' times that stands for a server without a queue."""


def load_change(pair: CellPair, name: str) -> ChangeEstimate | None:
    """Of a percentile, a rate or a goodput; None where a side lacks it or has 0.

    The standard error of a side is that of its stored interval, which is over blocks of successive
    requests, as for requests that share a queue. Another run of the server differs by `QUIET_SD` in
    the time that it takes for a token. A queue makes more of that: the time in a server that is
    busy a share r of its time is S / (1 - r), which changes by 1 / (1 - r) times as much as S, and
    this is what a time is above that of the least loaded answers.
    """
    figures = [attempt.metrics.get(name) for attempt in pair]
    if any(figure is None or figure.value <= 0 for figure in figures):
        return None
    first, second = (figure.value for figure in figures if figure is not None)
    spreads = [_spread(attempt, name) for attempt in pair]
    between = [(QUIET_SD * _queueing(attempt, name)) ** 2 for attempt in pair]
    variances = [spread for spread in spreads if spread is not None]
    return ChangeEstimate(
        pair,
        first,
        second,
        float(np.log(second / first)),
        within=sum(variances),
        degrees=satterthwaite([(spread, BLOCKS - 1.0) for spread in variances]),
        between=sum(between),
        between_degrees=satterthwaite([(part, QUIET_DEGREES) for part in between]),
        session=session_of(pair),
        disturbed=disturbed_sides(pair),
        unknown="" if len(variances) == len(spreads) else _why_unknown(name),
    )


def _why_unknown(name: str) -> str:
    return "no rate was too much" if name == "slo_request_rate" else "too few requests"


def _spread(attempt: Attempt, name: str) -> float | None:
    """Variance of the logarithm of a figure; None without an interval, and with one that takes the
    requests of a queue as independent: simulated, it told a difference in 26 % of equal pairs. That
    of goodput is of the share of requests that kept the limits."""
    figure = attempt.metrics.get("slo_share" if name == "goodput" else name)
    if figure is None or figure.low is None or figure.high is None or figure.low <= 0:
        return None
    if figure.method.endswith(AS_INDEPENDENT):
        return None
    half = max(np.log(figure.high / figure.value), np.log(figure.value / figure.low))
    if name == "slo_request_rate":  # bounds of a search, between which any rate is as likely
        return float(half**2 / 3)
    return float((half / t_quantile(BLOCKS - 1)) ** 2)


def _queueing(attempt: Attempt, name: str) -> float:
    """How many times as much a time changes as the server's own; 1 of rates, and where clients
    wait for their answers before they ask again."""
    if not name.endswith("_s") or not attempt.workload.get("rate"):
        return 1.0
    seconds = _times(attempt, name)
    figure: Interval = attempt.metrics[name]
    least = float(np.quantile(seconds, UNLOADED)) if len(seconds) else 0.0
    return max(1.0, figure.value / least) if least > 0 else 1.0


def _times(attempt: Attempt, name: str) -> Floats:
    if not name.startswith("tpot"):
        return attempt.series.get("ttft_s", np.zeros(0))
    whole = {series: attempt.series.get(series, np.zeros(0)) for series in SERIES}
    if len({len(values) for values in whole.values()}) > 1:
        return np.zeros(0)
    seconds = tpot(whole)
    return np.asarray(seconds[np.isfinite(seconds) & (seconds > 0)])
