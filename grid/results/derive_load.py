"""Metrics of a load from its raw series; pure.

Names and definitions are those of `vllm bench serve` (vllm/benchmarks/serve.py, calculate_metrics)
where it has them: TTFT is from the request's being sent to its first text, TPOT is (end-to-end
latency - TTFT) / (output tokens - 1) of each answer of two tokens or more, ITL are the gaps between
successive pieces with text of all answers (vLLM also counts pieces without), throughput is over the
seconds of the load, goodput counts answers that keep every limit. Percentiles are over whole
answers only; failures have a share of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from grid.cells.load import ServerLoad
from grid.cells.measurement import Metric
from grid.results import statistics
from grid.results.metrics import METRICS
from grid.results.statistics import Interval

Floats = npt.NDArray[np.float64]

PERCENTILES = (50, 90, 99)
_LIMIT = "slo_"

_OBSERVED = {
    "concurrency_mean": "mean over the window",
    "pieces_per_token": "over all answers",
    "client_lag_p99_s": "p99 of the client's ticks",
    "saturated": "growth of the backlog",
}


def load_metrics(
    load: ServerLoad, series: Mapping[str, Floats], scalars: Mapping[str, float]
) -> list[Metric]:
    """The metrics of one load. Raises ValueError where its series contradict each other."""
    window_s, requests = scalars.get("window_s", 0.0), int(scalars.get("requests", 0))
    if window_s <= 0 or requests < 1:
        return []
    whole = _whole_answers(series)
    intervals = dict(_latencies(series, whole))
    intervals |= dict(_throughputs(load, whole, scalars, window_s))
    failed_sent = series.get("failed_sent_s", np.zeros(0))
    failed = len(failed_sent)
    if failed + len(whole["ttft_s"]) != requests:
        raise ValueError(f"{failed} failures and {len(whole['ttft_s'])} answers of {requests}")
    intervals["error_share"] = statistics.wilson_interval(failed, requests)
    if load.slo.limits:
        intervals |= dict(_objective(load, whole, failed_sent, window_s))
    if "client_lateness_s" in series:
        late = statistics.quantile_interval(series["client_lateness_s"], 0.99)
        intervals["client_lateness_p99_s"] = late
    for name, method in _OBSERVED.items():
        if name in scalars:
            intervals[name] = Interval(scalars[name], method=method)
    if load.search:
        intervals["slo_request_rate"] = largest_rate(series, load.slo.attainment)
    return [_metric(name, interval) for name, interval in intervals.items()]


def _metric(name: str, x: Interval) -> Metric:
    unit = METRICS[name].unit
    return Metric(
        name=name, value=x.value, unit=unit, low=x.low, high=x.high, sd=x.sd, n=x.n, method=x.method
    )


def _whole_answers(series: Mapping[str, Floats]) -> dict[str, Floats]:
    """Series of one value for each whole answer. Raises ValueError for other lengths."""
    names = ("sent_s", "ttft_s", "e2e_s", "output_tokens")
    whole = {name: series.get(name, np.zeros(0)) for name in names}
    if len({len(values) for values in whole.values()}) > 1:
        raise ValueError("series of the answers of a load have different lengths")
    return whole


def tpot(whole: Mapping[str, Floats]) -> Floats:
    """(e2e - TTFT) / (output tokens - 1) in seconds, 0 for an answer of one token, NaN where nobody
    counts tokens [answers]."""
    tokens = whole["output_tokens"]
    steps = np.where(tokens > 1, tokens - 1, 1)
    seconds = np.where(tokens > 1, (whole["e2e_s"] - whole["ttft_s"]) / steps, 0.0)
    return np.where(tokens > 0, seconds, np.nan)


def _latencies(
    series: Mapping[str, Floats], whole: Mapping[str, Floats]
) -> Iterator[tuple[str, Interval]]:
    times = {"ttft": whole["ttft_s"], "e2e": whole["e2e_s"]}
    times["tpot"] = tpot(whole)[whole["output_tokens"] > 1]
    for name, seconds in times.items():
        for percent in PERCENTILES if len(seconds) else ():
            shown = f"{name}_s" if percent == 50 else f"{name}_p{percent}_s"
            yield shown, statistics.queue_quantile(seconds, percent / 100)
    for percent in PERCENTILES if "itl_s" in series else ():
        gap = float(np.quantile(series["itl_s"], percent / 100))
        method = f"p{percent} over all gaps"
        yield f"itl_p{percent}_s", Interval(gap, n=len(series["itl_s"]), method=method)


def _throughputs(
    load: ServerLoad, whole: Mapping[str, Floats], scalars: Mapping[str, float], window_s: float
) -> Iterator[tuple[str, Interval]]:
    ends, n = whole["sent_s"] + whole["e2e_s"], len(whole["sent_s"])
    totals = {
        "request_throughput": (scalars.get("completed_in_window"), np.ones(n)),
        "output_throughput": (scalars.get("tokens_in_window"), whole["output_tokens"]),
    }
    for name, (total, amounts) in totals.items():
        if total is None:
            continue
        value = total / window_s
        parts = None if load.requests else statistics.window_rate(ends, amounts, window_s)
        low = high = None
        if parts is not None and parts.low is not None and parts.high is not None:
            low, high = value + parts.low - parts.value, value + parts.high - parts.value
        method = parts.method if parts else "total / seconds of the window"
        yield name, Interval(value, low, high, n=n, method=method)


def _objective(
    load: ServerLoad, whole: Mapping[str, Floats], failed_sent: Floats, window_s: float
) -> Iterator[tuple[str, Interval]]:
    """The share of requests that kept every limit, and how many a second did."""
    seconds = {"ttft_s": whole["ttft_s"], "tpot_s": tpot(whole), "e2e_s": whole["e2e_s"]}
    flags = np.ones(len(whole["ttft_s"]), dtype=bool)
    for name, limit in load.slo.limits.items():
        flags &= seconds[name] <= limit  # NaN keeps no limit
    flags_by_time = np.concatenate([flags, np.zeros(len(failed_sent), dtype=bool)])
    order = np.argsort(np.concatenate([whole["sent_s"], failed_sent]), kind="stable")
    yield "slo_share", statistics.queue_share(flags_by_time[order])
    yield (
        "goodput",
        Interval(float(flags.sum()) / window_s, n=len(flags), method="answers / seconds"),
    )


def largest_rate(series: Mapping[str, Floats], attainment: float) -> Interval:
    """The largest rate that keeps the objective, in requests/s. The bounds are the largest trial
    that surely met it and the smallest that surely did not. Between them the value is where a
    falling step function of the rate (isotonic regression of the shares that kept the limits)
    crosses the attainment, on the logarithm of the rate.

    Raises ValueError where no trial met the objective.
    """
    from scipy.optimize import isotonic_regression

    rates, verdicts = series["search_rate"], series["search_verdict"]
    failing = rates[verdicts < 0]
    high = float(failing.min()) if len(failing) else None
    meeting = rates[(verdicts > 0) & (rates < (np.inf if high is None else high))]
    if not len(meeting):
        raise ValueError("no rate met the objective")
    low, n = float(meeting.max()), len(rates)
    if high is None:
        return Interval(low, low, None, n=n, method="no rate tried was too much")
    order = np.argsort(rates)
    shares = (series["search_kept"] / series["search_requests"])[order]
    weights = series["search_requests"][order]
    falling = isotonic_regression(shares, weights=weights, increasing=False).x
    logs = np.log(rates[order])
    crossing = float(np.exp(np.interp(-attainment, -falling, logs)))
    value = min(max(crossing, low), high)
    return Interval(value, low, high, n=n, method=f"bisection in {n} trials; isotonic regression")
