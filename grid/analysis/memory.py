"""What a variant needs in memory: weights, KV cache at a context and a type, and the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grid.analysis.variant import Variant
from grid.errors import InputError, did_you_mean
from grid.units import GIB, MIB, format_bytes

KV_TYPES: dict[str, float] = {
    "f32": 4.0,
    "f16": 2.0,
    "bf16": 2.0,
    "fp8": 1.0,
    "q8_0": 34 / 32,
    "q5_1": 24 / 32,
    "q5_0": 22 / 32,
    "q4_1": 20 / 32,
    "q4_0": 18 / 32,
    "iq4_nl": 18 / 32,
}
"""Bytes per element: ggml's blocks of 32 elements with their scales, and plain types."""

LONGEST = 2**20
"""Longest context searched, tokens, where the model names none."""

ASSUMED_OVERHEAD = 512 * MIB
"""Runtime, compute and output buffers where nothing was measured: llama.cpp's for an 8B model of
128k vocabulary at 512 tokens a batch take about this (its logits alone 250 MiB)."""

HOST_KINDS = ("cpu", "metal")
"""Kinds of device whose models lie in the memory that a process's peak counts; a card's do not."""

_ENGINE_DEFAULT = ("auto", "", "none")


@dataclass(frozen=True, slots=True)
class KvSize:
    """Bytes of the KV cache; `exact` where they follow from the model's shape, `note` how."""

    bytes: int
    exact: bool
    note: str


@dataclass(frozen=True, slots=True)
class Footprint:
    """Memory of a variant at `context` tokens, in bytes. `kv` and `total` are None where neither
    the model's shape nor a measured cache is known."""

    variant: Variant
    context: int
    kv_type: str
    weights: int
    kv: int | None
    kv_exact: bool
    overhead: int
    total: int | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fit:
    """A footprint against a budget: `free` bytes are left (negative: lacking), `room` is the
    longest context that fits. All three are None where the footprint is not known."""

    footprint: Footprint
    fits: bool | None
    free: int | None
    room: int | None


def element_bytes(kv_type: str) -> float:
    """Bytes of a key or value element. Raises InputError with the nearest name."""
    if kv_type not in KV_TYPES:
        raise InputError(f"unknown KV type {kv_type!r}. {did_you_mean(kv_type, KV_TYPES)}".strip())
    return KV_TYPES[kv_type]


def kv_bytes(
    variant: Variant, context: int, key_type: str = "f16", value_type: str = "f16"
) -> KvSize | None:
    """The KV cache for `context` tokens, from what each layer keeps.

    Recurrent state is kept in 32 bits. Where the shape is not known the cache that was measured is
    scaled with the context and the type; None where there is neither. Raises InputError for an
    unknown type or a context that is not positive.
    """
    if context < 1:
        raise InputError(f"a context of {context} tokens holds nothing; give 1 or more")
    key, value = element_bytes(key_type), element_bytes(value_type)
    if variant.layers:
        total = 0.0
        for layer in variant.layers:
            tokens = context if layer.window is None else min(context, layer.window)
            total += tokens * (layer.key * key + layer.value * value) + 4 * layer.fixed
        return KvSize(round(total), True, "from the model's shape")
    if variant.kv_bytes is None or not variant.memory_context:
        return None
    stored = sum(KV_TYPES[kv_type] for kv_type in stored_kv_types(variant.options))
    scale = context / variant.memory_context * (key + value) / stored
    note = (
        f"scaled from {format_bytes(variant.kv_bytes.value)} at {variant.memory_context} tokens; "
        "less where the model slides a window"
    )
    return KvSize(round(variant.kv_bytes.value * scale), False, note)


def stored_kv_types(options: str) -> tuple[str, str]:
    """Key and value type that engine options (JSON) name, by any engine's name for them; f16 is
    what engines use where none is named."""
    engine_options: dict[str, Any] = json.loads(options or "{}")
    common = _kv_type_of(engine_options.get("kv_dtype"), "f16")
    return _kv_type_of(engine_options.get("kv_type_k"), common), _kv_type_of(
        engine_options.get("kv_type_v"), common
    )


def _kv_type_of(option: object, default: str) -> str:
    name = str(option or "").lower().removeprefix("torch.")
    name = {"float16": "f16", "bfloat16": "bf16", "float32": "f32"}.get(name, name)
    name = "fp8" if name.startswith("fp8") else name
    return default if name in _ENGINE_DEFAULT or name not in KV_TYPES else name


def overhead_bytes(variant: Variant, others: Sequence[Variant] = ()) -> tuple[int, str]:
    """Bytes besides weights and cache, and how they are known.

    Measured: peak memory less weights and cache. Else the median over `others` in the same engine,
    else `ASSUMED_OVERHEAD`. What a process takes of the host's memory says nothing of a card's, nor
    does a peak below weights and cache, which were not all touched.
    """
    own = _measured_overhead(variant)
    if own is not None:
        return own, "measured: peak memory less weights and cache"
    measured = [
        overhead
        for neighbour in others
        if neighbour.backend == variant.backend
        and neighbour.hardware_class == variant.hardware_class
        and (overhead := _measured_overhead(neighbour)) is not None
    ]
    if measured:
        middle = round(float(np.median(measured)))
        return middle, f"median of {len(measured)} measured variants in {variant.backend}"
    return ASSUMED_OVERHEAD, f"assumed: {format_bytes(ASSUMED_OVERHEAD)}, not measured"


def _measured_overhead(variant: Variant) -> int | None:
    host = variant.device_kind.startswith(HOST_KINDS)
    peak = variant.peak_rss_bytes if host else variant.peak_vram_bytes
    if peak is None or not variant.memory_context:
        return None
    if variant.kv_bytes is not None:
        cache_bytes = variant.kv_bytes.value
    else:
        cache = kv_bytes(variant, variant.memory_context, *stored_kv_types(variant.options))
        if cache is None:
            return None
        cache_bytes = cache.bytes
    overhead = round(peak.value - variant.artifact_bytes - cache_bytes)
    return overhead if overhead >= 0 else None


def footprint(
    variant: Variant, context: int, kv_type: str = "f16", others: Sequence[Variant] = ()
) -> Footprint:
    """Weights + KV cache of `context` tokens at `kv_type` + overhead. `others` as in
    `overhead_bytes`. Raises InputError as `kv_bytes` does."""
    cache = kv_bytes(variant, context, kv_type, kv_type)
    overhead, how = overhead_bytes(variant, others)
    weights = variant.artifact_bytes
    notes = [f"overhead {how}"]
    if variant.size_text:
        notes.insert(0, f"weights {variant.size_text}; no file's size is known")
    if cache is None:
        notes.insert(0, "KV cache unknown: neither the model's shape nor a measured cache")
    elif not cache.exact:
        notes.insert(0, f"KV cache {cache.note}")
    if variant.context_length and context > variant.context_length:
        notes.append(f"the model is made for {variant.context_length} tokens at most")
    return Footprint(
        variant,
        context,
        kv_type,
        weights,
        None if cache is None else cache.bytes,
        cache is not None and cache.exact,
        overhead,
        None if cache is None else weights + cache.bytes + overhead,
        tuple(notes),
    )


def longest_context(
    variant: Variant, budget_bytes: float, kv_type: str = "f16", others: Sequence[Variant] = ()
) -> int | None:
    """The longest context, in tokens, that fits the budget: 0 where none does, None where the cache
    is not known. Never longer than the model is made for (`LONGEST` where it does not say)."""
    if kv_bytes(variant, 1, kv_type, kv_type) is None:
        return None
    free = budget_bytes - variant.artifact_bytes - overhead_bytes(variant, others)[0]
    fit, over = 0, (variant.context_length or LONGEST) + 1
    while over - fit > 1:
        middle = (fit + over) // 2
        cache = kv_bytes(variant, middle, kv_type, kv_type)
        if cache is not None and cache.bytes <= free:
            fit = middle
        else:
            over = middle
    return fit


def fits(
    variants: Sequence[Variant], budget_bytes: float, context: int, kv_type: str = "f16"
) -> list[Fit]:
    """Each variant's fit, largest footprint first, unknown ones last.

    Raises InputError for a budget that is not positive, and as `kv_bytes` does.
    """
    if not budget_bytes > 0:
        raise InputError(f"a budget of {budget_bytes / GIB:g} GiB holds nothing; give one above 0")
    rows = [_fit(variant, budget_bytes, context, kv_type, variants) for variant in variants]
    return sorted(
        rows,
        key=lambda f: (f.free is None, f.free if f.free is not None else 0, f.footprint.variant.id),
    )


def _fit(
    variant: Variant, budget: float, context: int, kv_type: str, others: Sequence[Variant]
) -> Fit:
    needed = footprint(variant, context, kv_type, others)
    longest = longest_context(variant, budget, kv_type, others)
    if needed.total is None:
        return Fit(needed, None, None, longest)
    return Fit(needed, needed.total <= budget, int(budget - needed.total), longest)
