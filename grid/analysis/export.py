"""Variants as one flat Arrow table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grid.analysis.variant import Variant
from grid.results.statistics import Interval

if TYPE_CHECKING:
    import pyarrow as pa

_FACTS = (
    "hardware_class", "device_kind", "model", "family", "parameters", "quant", "format",
    "artifact_id", "artifact_bytes", "bpw_file", "bpw_layer", "backend", "options", "sixteen_bit",
    "memory_context", "noise_floor_nat", "indistinguishable", "drifts", "bandwidth_utilisation",
    "bang_per_bit",
)  # fmt: skip

_FIGURES = (
    "capability", "decode_tps", "prefill_tps", "peak_rss_bytes", "load_s", "ttft_s", "tpot_s",
    "perplexity", "bits_per_byte", "kld_mean", "same_top1",
)  # fmt: skip


def variants_table(variants: Sequence[Variant]) -> pa.Table:
    """One row per variant; a figure has columns `name`, `name_low` and `name_high`, a class
    `capability_<class>`, a rate after context `decode_tps_d<depth>`; null means not measured."""
    import pyarrow as pa

    rows = [_row(variant) for variant in variants]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: [row.get(name) for row in rows] for name in names})


def _row(variant: Variant) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(variant, name) for name in _FACTS}
    for name in _FIGURES:
        row |= _columns(name, getattr(variant, name))
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
