"""Speed by context depth, against the 16-bit variant and against the memory's ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from grid.analysis.limits import sixteen_bit_of
from grid.analysis.memory import kv_bytes, stored_kv_types
from grid.analysis.variant import Speed, Variant
from grid.analysis.variant_fields import LLC_FACTOR
from grid.results.statistics import Interval, rate_ratio

Kind = Literal["prefill", "decode"]


@dataclass(frozen=True, slots=True)
class SpeedRow:
    """A rate in token/s at `depth` tokens of context, over `tokens` per repetition.

    `relative` is the rate over that of the same model at 16 bits, same kind, depth and tokens;
    `utilisation` (decode) is rate * (weight + cache bytes) / bandwidth of the node: None where one
    of them is not known, the weights are smaller than four last-level caches, or an accelerator
    computes: the bandwidth is that of the CPU's memory.
    """

    variant: Variant
    kind: Kind
    depth: int
    tokens: int
    rate: Interval
    relative: Interval | None
    utilisation: float | None
    drifts: bool | None
    kv_type: str


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """Time to first token in s after a prompt of `prompt` tokens, beside the size of the file."""

    variant: Variant
    bytes: int
    prompt: int | None
    ttft_s: Interval
    tpot_s: Interval | None
    relative: Interval | None
    """ttft over that of the same model at 16 bits at the same prompt; no interval: the requests of
    the two were not paired."""


def speeds(variants: Sequence[Variant]) -> list[SpeedRow]:
    """All rates, by kind, model, size and depth."""
    rows = []
    for kind in ("prefill", "decode"):
        for variant in sorted(variants, key=lambda v: (v.model, -v.artifact_bytes, v.id)):
            whole = _whole(variant, variants)
            for depth, speed in sorted(variant.speeds(kind).items()):
                rows.append(_row(variant, kind, depth, speed, whole))
    return rows


def latencies(variants: Sequence[Variant]) -> list[LatencyRow]:
    """Time to first token against size, smallest file first."""
    rows = []
    for variant in sorted(variants, key=lambda v: (v.artifact_bytes, v.id)):
        if variant.ttft_s is not None:
            whole = _whole(variant, variants)
            rows.append(
                LatencyRow(
                    variant,
                    variant.artifact_bytes,
                    variant.latency_prompt,
                    variant.ttft_s,
                    variant.tpot_s,
                    _relative_ttft(variant, whole),
                )
            )
    return rows


def kv_type(variant: Variant) -> str:
    """Type of the KV cache by the engine options: `f16`, or `q8_0 / f16` (keys / values)."""
    key, value = stored_kv_types(variant.options)
    return key if key == value else f"{key} / {value}"


def utilisation(variant: Variant, depth: int) -> float | None:
    """Decode rate at a depth * bytes read per token / bandwidth, as `SpeedRow` says."""
    speed = variant.decode.get(depth)
    bandwidth, llc_bytes = variant.bandwidth_bytes_s, variant.llc_bytes
    if not variant.device_kind.startswith("cpu"):
        return None
    if speed is None or not bandwidth or not llc_bytes:
        return None
    if variant.artifact_bytes < LLC_FACTOR * llc_bytes:
        return None
    read = float(variant.artifact_bytes)
    if depth:
        cache = kv_bytes(variant, depth, *stored_kv_types(variant.options))
        if cache is None:
            return None
        read += cache.bytes
    return speed.interval.value * read / bandwidth


def _row(variant: Variant, kind: str, depth: int, speed: Speed, whole: Variant | None) -> SpeedRow:
    base = None if whole is None else whole.speeds(kind).get(depth)
    same = base is not None and base.tokens == speed.tokens
    return SpeedRow(
        variant,
        "decode" if kind == "decode" else "prefill",
        depth,
        speed.tokens,
        speed.interval,
        _relative(speed, base) if base is not None and same else None,
        utilisation(variant, depth) if kind == "decode" else None,
        speed.drifts,
        kv_type(variant),
    )


def _relative(speed: Speed, base: Speed) -> Interval:
    if base is speed:
        return Interval(1.0, n=len(base.rates), method="the 16-bit variant itself")
    return rate_ratio(speed.rates, base.rates)


def _whole(variant: Variant, variants: Sequence[Variant]) -> Variant | None:
    """The model's 16 bits on the same hardware class in the same engine."""
    near = [
        v
        for v in variants
        if v.hardware_class == variant.hardware_class and v.backend == variant.backend
    ]
    return sixteen_bit_of(near, variant)


def _relative_ttft(variant: Variant, whole: Variant | None) -> Interval | None:
    if whole is None or whole.ttft_s is None or variant.ttft_s is None:
        return None
    if whole.latency_prompt != variant.latency_prompt:
        return None
    value = variant.ttft_s.value / whole.ttft_s.value
    return Interval(value, n=variant.ttft_s.n, method="ratio of medians")
