"""Every metric that results may hold: unit, meaning, and which way is better.

docs/metrics.md is this registry as text: `python -m grid.results.metrics > docs/metrics.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from grid.cells.measurement import Metric
from grid.results.statistics.interval import Interval

Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """A metric's unit, one-line definition, better direction (None: neither) and group."""

    name: str
    unit: str
    definition: str
    better: Better | None
    group: str


def _group(group: str, *rows: tuple[str, str, Better | None, str]) -> list[MetricInfo]:
    return [MetricInfo(name, unit, text, better, group) for name, unit, better, text in rows]


_MEMORY = _group(
    "memory",
    ("load_s", "s", "lower", "file on disk to an engine ready for its first token"),
    ("peak_rss_bytes", "B", "lower", "high-water mark of resident memory of the engine's process"),
    ("baseline_rss_bytes", "B", None, "resident memory of that process before loading"),
    (
        "peak_vram_bytes",
        "B",
        "lower",
        "high-water mark of the card's memory of the engine's process; imported only",
    ),
    (
        "peak_unified_bytes",
        "B",
        "lower",
        "high-water mark of unified memory; imported only",
    ),
    ("kv_bytes", "B", "lower", "KV cache for the context, computed from the model's shape"),
    ("kv_buffer_bytes", "B", "lower", "KV cache as the engine reports it"),
    (
        "page_cache_share",
        "1",
        None,
        "share of the file in the page cache before loading; 0 is a cold start",
    ),
)

_SPEED = _group(
    "speed",
    ("prefill_tps", "token/s", "higher", "prompt tokens / seconds; mean over repetitions"),
    ("prefill_tps_median", "token/s", "higher", "the same, median over repetitions"),
    ("decode_tps", "token/s", "higher", "single-token steps / seconds; mean over repetitions"),
    ("decode_tps_median", "token/s", "higher", "the same, median over repetitions"),
    (
        "between_run_sd",
        "1",
        None,
        "standard deviation of the log mean rate between runs of the same; n is its degrees of"
        " freedom",
    ),
    (
        "lost_share",
        "1",
        None,
        "share of its time that the engine waited for a core that others used, or was stopped",
    ),
    (
        "drift",
        "1",
        None,
        "1 if repetitions have a trend (Mann-Kendall p < 0.05 and 2 % or more)",
    ),
    ("drift_change", "1", None, "relative change from first to last repetition (Theil-Sen)"),
    ("outliers", "1", None, "repetitions further from the median than 5 robust sd and 5 %"),
)

_JOULES = "; the row's `energy_scope` names what the counters count; null with the reason"

_ENERGY = _group(
    "energy",
    (
        "prefill_j_per_token",
        "J/token",
        "lower",
        "energy / prompt tokens, gross" + _JOULES,
    ),
    (
        "decode_j_per_token",
        "J/token",
        "lower",
        "energy / generated tokens, gross" + _JOULES,
    ),
    (
        "prefill_net_j_per_token",
        "J/token",
        "lower",
        "(energy - idle power * seconds) / prompt tokens",
    ),
    (
        "decode_net_j_per_token",
        "J/token",
        "lower",
        "(energy - idle power * seconds) / generated tokens",
    ),
    (
        "prefill_dram_j_per_token",
        "J/token",
        "lower",
        "energy of the memory modules / prompt tokens, gross, where a counter is theirs alone",
    ),
    (
        "decode_dram_j_per_token",
        "J/token",
        "lower",
        "energy of the memory modules / generated tokens, gross",
    ),
    (
        "idle_w",
        "W",
        None,
        "power in the same scope before the engine was loaded, mean over blocks of time",
    ),
)

_LATENCY = _group(
    "latency",
    ("ttft_s", "s", "lower", "request sent to first non-empty token; median over requests"),
    ("tpot_s", "s", "lower", "(end-to-end latency - TTFT) / (output tokens - 1); median"),
    ("e2e_s", "s", "lower", "request sent to last token; median over requests"),
    ("itl_p50_s", "s", "lower", "gap between successive tokens, median"),
    ("itl_p90_s", "s", "lower", "gap between successive tokens, 90th percentile"),
    ("itl_p99_s", "s", "lower", "gap between successive tokens, 99th percentile"),
    (
        "acceptance_rate",
        "1",
        "higher",
        "speculative decoding: guessed tokens that the model accepts / all that are guessed",
    ),
    (
        "tokens_per_step",
        "token",
        "higher",
        "speculative decoding: tokens of an evaluation that checks guesses, mean",
    ),
)

_LOAD = _group(
    "load",
    *(
        (f"{name}_p{percent}_s", "s", "lower", f"{text}; {percent}th percentile")
        for name, text in (
            ("ttft", "request sent to first text, over the whole answers of a load"),
            ("tpot", "(end-to-end latency - TTFT) / (output tokens - 1), over the same"),
            ("e2e", "request sent to the end of its answer, over the same"),
        )
        for percent in (90, 99)
    ),
    (
        "request_throughput",
        "request/s",
        "higher",
        "whole answers that came in the load's window / its seconds; as in `vllm bench serve`",
    ),
    (
        "output_throughput",
        "token/s",
        "higher",
        "output tokens that came in the window / its seconds; by the server's count",
    ),
    (
        "goodput",
        "request/s",
        "higher",
        "requests of the window that kept every limit of the SLO / its seconds",
    ),
    (
        "slo_share",
        "1",
        "higher",
        "share of all requests that kept every limit of the SLO; a failed one kept none",
    ),
    (
        "slo_request_rate",
        "request/s",
        "higher",
        "largest rate of arrivals that meets the SLO; low surely meets it, high surely does not",
    ),
    ("error_share", "1", "lower", "share of all requests that failed or broke off"),
    ("concurrency_mean", "1", None, "requests that ran at once, mean over the window"),
    ("saturated", "1", None, "1 if the backlog grew as long as requests arrived"),
    (
        "pieces_per_token",
        "1",
        None,
        "pieces of text that were streamed / output tokens; below 1 gaps are between more tokens",
    ),
    (
        "client_lateness_p99_s",
        "s",
        None,
        "how much later than due a request was sent by the client itself; 99th percentile",
    ),
    ("client_lag_p99_s", "s", None, "delay of the client's own ticks; 99th percentile"),
)

_DP = "difference of the true token's probability, p_q - p_ref: "

_BAND = "kld_mean over tokens (n counts them) whose most likely token has, at 16 bits, "
_BANDS = {
    "below_25": "a probability below 0.25",
    "25_to_50": "0.25 or more and below 0.5",
    "50_to_90": "0.5 or more and below 0.9",
    "from_90": "0.9 or more",
}

_QUALITY = _group(
    "quality",
    (
        "perplexity",
        "1",
        "lower",
        "exp(mean NLL) over scored tokens; sd is PPL * SE of the mean NLL",
    ),
    ("nll_mean", "nat", "lower", "mean negative log-likelihood of a scored token"),
    ("bits_per_byte", "bit/B", "lower", "sum(NLL) / (ln 2 * bytes of the scored text)"),
    ("ln_ppl_ratio", "1", "lower", "ln(PPL_q / PPL_ref), over paired tokens"),
    ("kld_mean", "nat", "lower", "KL divergence from the 16-bit distribution, mean over tokens"),
    ("kld_median", "nat", "lower", "the same, median"),
    ("kld_p90", "nat", "lower", "the same, 90th percentile"),
    ("kld_p95", "nat", "lower", "the same, 95th percentile"),
    ("kld_p99", "nat", "lower", "the same, 99th percentile"),
    ("kld_p999", "nat", "lower", "the same, 99.9th percentile"),
    ("kld_max", "nat", "lower", "the same, largest"),
    ("kld_min", "nat", None, "the same, smallest; below 0 by rounding or sampling only"),
    (
        "kld_sampling_se",
        "nat",
        None,
        "standard error of kld_mean from the reference's draws; 0 if it keeps all entries",
    ),
    (
        "kld_reverse_mean",
        "nat",
        "lower",
        "mean KLD with the distributions swapped; large if it expects what 16 bits rule out",
    ),
    *((f"kld_top1_{name}", "nat", "lower", _BAND + band) for name, band in _BANDS.items()),
    ("same_top1", "1", "higher", "share of tokens whose most likely token is the reference's"),
    ("dp_mean", "1", "higher", _DP + "mean"),
    ("dp_rms", "1", "lower", _DP + "root of the mean square"),
    ("dp_min", "1", None, _DP + "smallest"),
    ("dp_p001", "1", None, _DP + "0.1th percentile"),
    ("dp_p01", "1", None, _DP + "1st percentile"),
    ("dp_p05", "1", None, _DP + "5th percentile"),
    ("dp_p10", "1", None, _DP + "10th percentile"),
    ("dp_p25", "1", None, _DP + "25th percentile"),
    ("dp_median", "1", None, _DP + "median"),
    ("dp_p75", "1", None, _DP + "75th percentile"),
    ("dp_p90", "1", None, _DP + "90th percentile"),
    ("dp_p95", "1", None, _DP + "95th percentile"),
    ("dp_p99", "1", None, _DP + "99th percentile"),
    ("dp_p999", "1", None, _DP + "99.9th percentile"),
    ("dp_max", "1", None, _DP + "largest"),
    (
        "reference_tail_mass_max",
        "1",
        None,
        "largest probability mass of a token that the reference keeps only as draws",
    ),
    (
        "kld_gap_mean",
        "nat",
        None,
        "former metric, of rows older than kld_sampling_se: bound on the error of kld_mean",
    ),
)

_TASKS = _group(
    "tasks",
    ("accuracy", "1", "higher", "mean score of the items; sd is the stderr of lm-eval"),
    ("ndcg_at_10", "1", "higher", "retrieval: mean over queries of nDCG@10, linear gains"),
    ("chance", "1", None, "mean score of guessing"),
    ("capability", "1", "higher", "mean of (score - chance) / (1 - chance) over items"),
    ("tokens_per_answer", "token", None, "tokens of a written answer, mean over items"),
    (
        "repetition_share",
        "1",
        "lower",
        "share of written answers that reach their token limit by repeating a unit: of at most 400"
        " characters, 3 times or more, over 48 characters or more",
    ),
    (
        "invalid_json_share",
        "1",
        "lower",
        "share of answers that are not valid JSON, of tasks that require JSON",
    ),
)

_ANALYSIS = _group(
    "analysis",
    ("retained", "1", "higher", "(score - chance) / (16-bit score - chance), within one model;"
     " null where the 16-bit score is less than 2 SE above chance"),
    ("bandwidth_utilisation", "1", "higher", "decode_tps * weight bytes that a token reads /"
     " memory bandwidth; null on accelerators, and where the weights are smaller than four times"
     " the last-level cache"),
    ("bang_per_bit", "1/GiB", "higher", "capability / GiB of weights"),
)  # fmt: skip

METRICS: dict[str, MetricInfo] = {
    info.name: info
    for info in (*_MEMORY, *_SPEED, *_ENERGY, *_LATENCY, *_LOAD, *_QUALITY, *_TASKS, *_ANALYSIS)
}


def metric(name: str, interval: Interval) -> Metric:
    """The interval as a row, with the unit that the registry gives the name."""
    return Metric(
        name=name,
        value=interval.value,
        unit=METRICS[name].unit,
        low=interval.low,
        high=interval.high,
        sd=interval.sd,
        n=interval.n,
        method=interval.method,
    )


_HEAD = """\
# Metrics

Generated by `python -m grid.results.metrics > docs/metrics.md`. Rows of the `metrics` table have
these names. An interval (`low`, `high`) covers 95 %. A null value or interval could not be
computed. The digits of a percentile are decimals: `p01` is 1 %, `p99` is 99 %, `p999` is 99.9 %.

## How intervals are made

* The interval of a measured rate (`prefill_tps`, `decode_tps`) is for another run: the mean rate
  of the same cell, measured again on this machine, lies in it in 95 % of cases. It is Student's t
  on logs, over the repetitions and over what differs between runs (`between_run_sd`): the spread of
  runs on a quiet machine, what two short kernels before and after the repetitions show of the
  machine, the store's earlier runs, and the time that the repetitions lost to other programs. The
  value is the mean of the repetitions as measured, never corrected. Repetitions that stopped at a
  precision use Student's t at 98 %, because looking after each of them costs coverage.
* Times, and imported rates, use Student's t on logs below 20 repetitions, and a bootstrap of the
  mean log from 20 on. Both are intervals of the median. The value is the mean of rates, or the
  median of times.
* Gaps between tokens use order statistics.
* Requests of a load share a queue, so neighbours are alike. Their percentiles, rates and shares cut
  the load into 10 blocks and use Student's t over these (sectioning), and are never narrower than
  for independent requests. Too few requests for blocks count as independent, and `method` says so.
  In a load `ttft_s`, `tpot_s` and `e2e_s` are medians over its whole answers. Gaps between its
  tokens have no interval.
* Text metrics resample whole chunks, because tokens are not independent. Means use a studentized
  bootstrap of chunk means (Student's t below 6 chunks), percentiles the percentile bootstrap.
  `sd` is llama.cpp's standard error, which treats tokens as independent.
* Shares of items use Wilson's interval. If items come in groups (`group`), the interval is over
  groups, with Student's t.
* Metrics of the group `analysis` are computed when rows are read. They are never stored.
"""


def document() -> str:
    """The whole of docs/metrics.md."""
    parts = [_HEAD]
    for group in dict.fromkeys(info.group for info in METRICS.values()):
        rows = [info for info in METRICS.values() if info.group == group]
        parts.append(f"\n## {group.capitalize()}\n\n| metric | unit | better | definition |\n")
        parts.append("|---|---|---|---|\n")
        for info in rows:
            better = info.better or "-"
            parts.append(f"| `{info.name}` | {info.unit} | {better} | {info.definition} |\n")
    return "".join(parts)


if __name__ == "__main__":
    print(document(), end="")
