"""Rates of a variant that lies on a card and in main memory: predicted, as nobody measured it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from grid.advice.hardware import Machine
from grid.advice.main_memory import USUAL_MEMORY
from grid.advice.split_placement import Split, cache_by_layer, expert_share
from grid.analysis import Variant
from grid.analysis.memory import stored_kv_types
from grid.hardware.chips import Chip, find_chip
from grid.results.statistics.interval import Floats

if TYPE_CHECKING:
    from grid.advice.prediction import Prediction, Predictor

COPY_BYTES_S, COPY_SPREAD = 12e9, 0.5
"""Bytes/s at which weights in main memory come to a card for a prompt, and the spread of its log:
PCIe 3.0 with 16 lanes has 15.75 GB/s, 4.0 twice that, and pages that are not pinned half."""
COPY_TOKENS = 512
"""Tokens for which llama.cpp copies them once (its physical batch)."""
_SEED = 9_176


class RatePair(NamedTuple):
    """Predictions of both rates; `prefill` is None where the parameters that a token uses are not
    known."""

    decode: Prediction
    prefill: Prediction | None


def split_rates(
    predictor: Predictor,
    card: Chip,
    machine: Machine,
    variant: Variant,
    split: Split,
    *,
    context: int,
    prompt: int,
) -> RatePair:
    """Decode after `context` tokens, and prefill of `prompt` tokens, of a machine that has main
    memory beside its card."""
    from grid.advice.prediction import predict_split, total_parameters, used_parameters

    used, total = used_parameters(variant), total_parameters(variant)
    memory = machine.main_memory or find_chip(USUAL_MEMORY)
    engine = {"engine": variant.backend, "quant": variant.quant}
    if split.placement.on_cpu_alone:
        return _in_main_memory(predictor, memory, variant, split, context, prompt)
    shares = _device_shares(card, memory, variant, split, context, used)
    crossings = 2 * split.expert_layers + (2 if split.cpu_layers else 0)
    decode = predict_split(
        predictor, **engine, shares=shares, crossings=crossings, total_parameters=total
    )
    on_card = predictor.prefill(
        card, **engine, parameters=used, tokens=prompt, total_parameters=total, layers=split.layers
    )
    return RatePair(decode, _with_copies(on_card, split, prompt))


def _in_main_memory(
    predictor: Predictor, memory: Chip, variant: Variant, split: Split, context: int, prompt: int
) -> RatePair:
    from grid.advice.prediction import read_bytes_of, total_parameters, used_parameters

    size: Mapping[str, Any] = {
        "parameters": used_parameters(variant),
        "total_parameters": total_parameters(variant),
        "layers": split.layers,
    }
    target = (memory, variant.backend, variant.quant)
    decode = predictor.decode(*target, read_bytes_of(variant, context), **size)
    return RatePair(decode, predictor.prefill(*target, tokens=prompt, **size))


def _device_shares(
    card: Chip, memory: Chip, variant: Variant, split: Split, context: int, used: float
) -> list[Any]:
    """What each device reads and computes for a token."""
    from grid.advice.prediction import DeviceShare

    caches = [0]
    if context and len(variant.layers) == split.layers:
        caches = cache_by_layer(variant.layers, context, stored_kv_types(variant.options)[0])
    placed = split.read_by(caches, expert_share(variant))
    weights = (placed.device_read - placed.device_cache, placed.host_read - placed.host_cache)
    per_byte = used / sum(weights)
    devices = (
        (card, placed.device_read, weights[0], split.layers - split.cpu_layers),
        (memory, placed.host_read, weights[1], split.cpu_layers + split.expert_layers),
    )
    return [
        DeviceShare(
            chip=chip, read_bytes=read, parameters=per_byte * of_weights, layers=max(1, layers)
        )
        for chip, read, of_weights, layers in devices
        if of_weights > 0
    ]


def _with_copies(on_card: Prediction, split: Split, prompt: int) -> Prediction:
    """The prefill of a card that gets the weights in main memory over the bus for each batch."""
    from dataclasses import replace

    from grid.advice.prediction.result import summarize

    placed = split.read_by([0], 1.0)
    normal = np.random.default_rng(_SEED).standard_normal(on_card.draws.size)
    bus: Floats = COPY_BYTES_S * np.exp(COPY_SPREAD * normal)
    copies = math.ceil(prompt / COPY_TOKENS) * placed.host_read / bus
    draws = prompt / (prompt / on_card.draws + copies)
    value, low, high = summarize(draws)
    basis = "predicted: as on the card alone, and the copies of weights over the bus"
    return replace(on_card, value=value, low=low, high=high, draws=draws, basis=basis)
