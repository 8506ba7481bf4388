"""What a column may be mapped to: metrics that a table can state, and facts of its rows."""

from __future__ import annotations

from collections.abc import Mapping

from grid.results.metrics import METRICS

TEXTS = ("model", "quant", "quantizer", "format", "hardware", "backend")
COUNTS = ("tokens", "depth", "context", "prompt", "generated")
SIZES: Mapping[str, str] = {"artifact_bytes": "B", "parameters": "parameters", "bpw": ""}
"""Facts that are numbers, with our unit."""

OPTION = "option"
"""A column that is part of the cell under its own name: threads, batch, a flag."""

_GROUPS = ("memory", "speed", "energy", "latency", "quality")
_NO_FIGURE = frozenset({
    "between_run_sd", "lost_share", "drift", "drift_change", "outliers", "baseline_rss_bytes",
    "page_cache_share", "kld_sampling_se", "kld_gap_mean", "reference_tail_mass_max",
})  # fmt: skip
"""Facts about a measurement of ours, which no other tool states."""

READABLE = {
    name: info
    for name, info in METRICS.items()
    if (info.group in _GROUPS and name not in _NO_FIGURE) or name == "accuracy"
}
NAMES = (*READABLE, *TEXTS, *COUNTS, *SIZES, OPTION)

_UNITLESS = ("perplexity", "ln_ppl_ratio", "nll_mean", "bits_per_byte", "bpw")
_USUAL = ("token/s", "nat")

UNIT_EXAMPLES: Mapping[str, str] = {
    "token/s": "t/s", "s": "s, ms, us, ns", "B": "B, MB, MiB, GB, GiB", "nat": "nat, bit",
    "J/token": "J/token, mJ/token", "1": "1, %", "bit/B": "bit/B", "parameters": "1, M, B, T",
}  # fmt: skip


def unit_of(target: str) -> str:
    """Our unit of a metric or size; empty where it is a number without one."""
    return READABLE[target].unit if target in READABLE else SIZES[target]


def needs_unit(target: str) -> bool:
    """Whether the unit must be stated: where none is usual, a wrong guess is a false figure."""
    return target not in _UNITLESS and unit_of(target) not in _USUAL


def measure_of(metric: str) -> str:
    """The measurement that a metric is of."""
    if metric.startswith(("prefill_", "decode_")):
        return metric.partition("_")[0]
    return READABLE[metric].group
