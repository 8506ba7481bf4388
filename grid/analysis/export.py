"""Variants as one flat Arrow table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grid.analysis.answer_costs import COST_AXES
from grid.analysis.axes import AXES, estimate, figure_on
from grid.analysis.text_draws import Scope, text_scope
from grid.analysis.variant import Variant
from grid.results.statistics import Interval

if TYPE_CHECKING:
    import pyarrow as pa

_FACTS = (
    "hardware_class", "device_kind", "model", "family", "parameters", "active_parameters",
    "parameters_from", "quant", "format", "artifact_id", "artifact_bytes", "size_text",
    "bpw_file", "bpw_layer", "backend", "options", "sixteen_bit",
    "memory_context", "noise_floor_nat", "indistinguishable", "drifts", "bandwidth_utilisation",
    "bang_per_bit", "energy_scope",
)  # fmt: skip

_EXPERTS = {"experts": "count", "experts_used": "used", "shared_experts": "shared"}
"""Columns, null for dense models -> fields of `Experts`."""

_FIGURES = (
    "capability", "decode_tps", "prefill_tps", "peak_rss_bytes", "load_s", "ttft_s", "tpot_s",
    "perplexity", "bits_per_byte", "kld_mean", "same_top1",
)  # fmt: skip


def variants_table(variants: Sequence[Variant]) -> pa.Table:
    """One row per variant; a figure has columns `name`, `name_low` and `name_high`, a class
    `capability_<class>`, a rate after context `decode_tps_d<depth>`; null means not measured.
    `kld_rank` is the place among the variants of one model on one text by KL divergence, 1 for the
    closest to 16 bits and for all that cannot be told from these."""
    import pyarrow as pa

    ranks = _ranks(variants)
    rows = [{**_row(variant), "kld_rank": ranks.get(variant.id)} for variant in variants]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: [row.get(name) for row in rows] for name in names})


def _ranks(variants: Sequence[Variant]) -> dict[str, int]:
    """By variant id, 1 + how many of the same scope are closer."""
    axis = AXES["kld_mean"]
    figures: defaultdict[Scope, dict[str, float]] = defaultdict(dict)
    for variant in variants:
        scope, figure = text_scope(variant, axis.name), estimate(variant, axis)
        if scope is not None and figure is not None:
            figures[variant.hardware_class, scope][variant.id] = figure
    return {
        name: 1 + sum(value < own for value in of_scope.values())
        for of_scope in figures.values()
        for name, own in of_scope.items()
    }


def _row(variant: Variant) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(variant, name) for name in _FACTS}
    row |= {name: getattr(variant.experts, of, None) for name, of in _EXPERTS.items()}
    for name in _FIGURES:
        row |= _columns(name, getattr(variant, name))
    for name in COST_AXES:
        row |= _columns(name, figure_on(variant, AXES[name]))
    for name, interval in variant.classes.items():
        row |= _columns(f"capability_{name}", interval)
    for kind, speeds in (("decode_tps", variant.decode), ("prefill_tps", variant.prefill)):
        for depth, speed in speeds.items():
            if depth:
                row |= _columns(f"{kind}_d{depth}", speed.interval)
    return row


def _columns(name: str, interval: Interval | None) -> dict[str, float | None]:
    if interval is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
