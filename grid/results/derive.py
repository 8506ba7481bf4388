"""Metrics of a measurement, from its raw samples; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from grid.cells.measurement import SCORED_CHUNKS, ItemResult, Measurement, Metric
from grid.cells.repetitions import LEVEL, relative_half_width
from grid.cells.workload import Decode, Prefill, ServerLoad, Workload
from grid.results import statistics
from grid.results.derive_load import load_metrics
from grid.results.energy import energy_metrics
from grid.results.metrics import metric
from grid.results.statistics import Interval
from grid.results.statistics.interval import LEVEL as INTERVAL_LEVEL
from grid.results.written_answers import answer_intervals

Floats = npt.NDArray[np.float64]

_OBSERVED = (
    "load_s",
    "peak_rss_bytes",
    "baseline_rss_bytes",
    "kv_bytes",
    "kv_buffer_bytes",
    "page_cache_share",
)
"""Scalars of a memory run that are metrics as they stand."""

KERNELS = ("compute", "memory")
"""What is timed before and after the repetitions: seconds of `machine_<kernel>_s`."""

NO_TIME = "a repetition took no measurable time"

_OF_THE_WHOLE_TEXT = ("perplexity", "nll_mean", "bits_per_byte")
"""Left out where a run for the noise floor ended early."""


def metrics_of(kind: str, workload: Workload, measurement: Measurement) -> list[Metric]:
    """Metrics of one attempt, by the tag of its workload; none unless its status is `ok`.

    A series or scalar that is absent gives no metric. Raises ValueError where series contradict
    each other (other lengths than their chunks, NaN).
    """
    if measurement.status != "ok":
        return []
    present = {
        series.name: np.array(series.values, dtype=np.float64)
        for series in measurement.series
        if series.values
    }
    match kind:
        case "memory":
            return _memory(measurement.scalars)
        case "prefill" | "decode":
            rates = _speed(kind, workload, present, measurement.scalars)
            return rates + energy_metrics(kind, present, measurement.environment)
        case "latency":
            return _latency(present)
        case "load" if isinstance(workload, ServerLoad):
            return load_metrics(workload, present, measurement.scalars)
        case "quality":
            metrics = _quality(present, measurement.scalars)
            # Its chunks tell how far computing differs, but are too few for figures of the text.
            ended_early = SCORED_CHUNKS in measurement.environment
            return [m for m in metrics if not (ended_early and m.name in _OF_THE_WHOLE_TEXT)]
        case "tasks":
            return _tasks(measurement.items, ranked="documents" in measurement.scalars)
    raise ValueError(f"no metrics are defined for a workload of kind {kind!r}")


def _memory(scalars: Mapping[str, float]) -> list[Metric]:
    return [
        metric(name, Interval(scalars[name], method="observed"))
        for name in _OBSERVED
        if name in scalars
    ]


def _speed(
    kind: str, workload: Workload, series: Mapping[str, Floats], scalars: Mapping[str, float]
) -> list[Metric]:
    seconds = series.get(f"{kind}_s")
    if seconds is None or not isinstance(workload, Prefill | Decode):
        return []
    name = f"{kind}_tps"
    if (seconds <= 0).any():
        return [Metric(name=name, value=None, unit="token/s", n=len(seconds), method=NO_TIME)]
    rates = workload.tokens / seconds
    between = _between_runs(series, scalars)
    ended = relative_half_width(seconds.tolist()) <= workload.precision
    level = LEVEL if ended else INTERVAL_LEVEL
    spread = Interval(between.variance**0.5, n=round(between.degrees), method="of log mean rates")
    return [
        metric(name, statistics.rate_interval(rates, between, level)),
        metric(f"{name}_median", statistics.median_interval(rates)),
        metric("between_run_sd", spread),
        *_lost(series),
        *_steadiness(rates),
    ]


def _lost(series: Mapping[str, Floats]) -> list[Metric]:
    """The share of its time that the engine lost in the repetitions that count."""
    if "lost_share" not in series:
        return []
    lost = series["lost_share"]
    share = 1 - float(np.exp(np.log1p(-lost).mean()))
    return [metric("lost_share", Interval(share, n=len(lost), method="mean over repetitions"))]


def _between_runs(
    series: Mapping[str, Floats], scalars: Mapping[str, float]
) -> statistics.BetweenRuns:
    """From what the attempt says of the machine, and of the runs before it."""
    return statistics.between_runs(
        series.get("lost_share", ()), kernel_times(series), runs_before(scalars)
    )


def kernel_times(series: Mapping[str, Floats]) -> list[Floats]:
    """Seconds of each kernel that was timed before and after the repetitions."""
    return [series[f"machine_{kind}_s"] for kind in KERNELS if f"machine_{kind}_s" in series]


def runs_before(scalars: Mapping[str, float]) -> statistics.BetweenRuns | None:
    """How far the runs lay apart that the store had before an attempt; None where it had none."""
    degrees = scalars.get("earlier_run_degrees")
    return statistics.BetweenRuns(scalars["earlier_run_sd"] ** 2, degrees) if degrees else None


def _steadiness(rates: Floats) -> list[Metric]:
    """Outliers and drift as flags: no repetition is left out of a rate."""
    flags = [
        metric(
            "outliers",
            Interval(float(statistics.outliers(rates).sum()), n=len(rates), method="5 MAD and 5 %"),
        )
    ]
    trend = statistics.drift(rates)
    if trend is not None:
        method = f"Mann-Kendall p = {trend.p_value:.3f}"
        flags += [
            metric("drift", Interval(float(trend.flagged), n=trend.n, method=method)),
            metric("drift_change", Interval(trend.change, n=trend.n, method="Theil-Sen")),
        ]
    return flags


def _latency(series: Mapping[str, Floats]) -> list[Metric]:
    metrics = []
    for name in ("ttft_s", "tpot_s", "e2e_s"):
        seconds = series.get(name)
        if seconds is None:
            continue
        if (seconds <= 0).any():
            metrics.append(Metric(name=name, value=None, unit="s", n=len(seconds), method=NO_TIME))
        else:
            metrics.append(metric(name, statistics.time_interval(seconds)))
    if "itl_s" in series:
        for percent in (50, 90, 99):
            gap = statistics.quantile_interval(series["itl_s"], percent / 100)
            metrics.append(metric(f"itl_p{percent}_s", gap))
    return metrics + _speculation(series)


def _speculation(series: Mapping[str, Floats]) -> list[Metric]:
    """Of speculative decoding, over all requests: a request's guesses are not independent, so that
    there is no interval."""
    names = ("drafted_tokens", "accepted_tokens", "checking_steps")
    if any(name not in series for name in names):
        return []
    drafted, accepted, steps = (float(series[name].sum()) for name in names)
    figures = []
    if drafted:
        rate = Interval(accepted / drafted, n=int(drafted), method="over all requests")
        figures.append(metric("acceptance_rate", rate))
    if steps:
        mean = Interval(1 + accepted / steps, n=int(steps), method="over all requests")
        figures.append(metric("tokens_per_step", mean))
    return figures


def _quality(series: Mapping[str, Floats], scalars: Mapping[str, float]) -> list[Metric]:
    if "nll" not in series or "chunks" not in scalars:
        return []
    chunked = {name: _chunks(name, values, scalars["chunks"]) for name, values in series.items()}
    nll = chunked["nll"]
    intervals = {"perplexity": statistics.perplexity(nll), "nll_mean": statistics.chunk_mean(nll)}
    if scalars.get("scored_bytes"):
        intervals["bits_per_byte"] = statistics.bits_per_byte(nll, scalars["scored_bytes"])
    if "nll_reference" in chunked:
        intervals["ln_ppl_ratio"] = statistics.ln_ppl_ratio(nll, chunked["nll_reference"])
    if "kld" in chunked:
        intervals |= {f"kld_{name}": x for name, x in statistics.kld_table(chunked["kld"]).items()}
    if "kld_reverse" in chunked:
        intervals["kld_reverse_mean"] = statistics.divergence_mean(chunked["kld_reverse"])
    if "kld" in chunked and "top1_reference" in chunked:
        bands = statistics.kld_by_confidence(chunked["kld"], chunked["top1_reference"])
        intervals |= {f"kld_top1_{name}": band for name, band in bands.items()}
    if "same_top" in chunked:
        intervals["same_top1"] = statistics.same_top(chunked["same_top"])
    if "dp" in chunked:
        intervals |= {f"dp_{name}": x for name, x in statistics.dp_table(chunked["dp"]).items()}
    for name in ("reference_tail_mass_max", "kld_sampling_se", "kld_gap_mean"):
        if name in scalars:
            intervals[name] = Interval(scalars[name], method="observed")
    return [metric(name, interval) for name, interval in intervals.items()]


def _chunks(name: str, values: Floats, chunks: float) -> Floats:
    """[chunks, tokens] of a chunk-major series."""
    if chunks < 1 or len(values) % int(chunks):
        raise ValueError(f"{len(values)} values of {name} cannot be cut into {chunks:g} chunks")
    return values.reshape(int(chunks), -1)


def _tasks(items: Sequence[ItemResult], ranked: bool) -> list[Metric]:
    scores = np.array([item.score for item in items])
    chances = np.array([item.chance for item in items])
    if not scores.size:
        return []
    groups = statistics.group_codes([item.group for item in items])
    guess = Interval(float(chances.mean()), n=len(chances), method="mean over items")
    return [
        metric("ndcg_at_10" if ranked else "accuracy", statistics.score_mean(scores, groups)),
        metric("chance", guess),
        metric("capability", statistics.capability(scores, chances, groups)),
        *(metric(name, interval) for name, interval in answer_intervals(items).items()),
    ]
