"""Where a model's weights and cache lie, on a card or in main memory, as llama.cpp places them.

Of n layers and the head, `gpu_layers` = k are on the card: the head first, then the last k - 1
layers; a layer's cache is where the layer is. The experts of the first layers can stay in main
memory all the same, and the cache does not follow them. Looked-up tables are in main memory always.
Source: llama.cpp's load_tensors (src/llama-model.cpp) and --n-cpu-moe (common/arg.cpp).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from grid.models.weight_parts import WeightParts

ALL_LAYERS = -1

_STAGED = 2 / 3
"""Share of a layer's experts that a long prompt copies to the card at once: gate and up in one
tensor."""


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """`gpu_layers` on the card, the head counted as one, -1 for all; `cpu_expert_layers` first
    layers whose experts are in main memory all the same (llama-server's -ngl and --n-cpu-moe)."""

    gpu_layers: int = ALL_LAYERS
    cpu_expert_layers: int = 0

    @property
    def on_card_alone(self) -> bool:
        return self.gpu_layers < 0 and not self.cpu_expert_layers

    @property
    def on_cpu_alone(self) -> bool:
        return self.gpu_layers == 0


class PlacedBytes(NamedTuple):
    """Bytes by place: `weights`, `cache`, and `read` for a token: weights less the experts that it
    does not use, and the cache. `staging` is what the card needs for prompts whose experts are in
    main memory."""

    device_weights: int
    host_weights: int
    device_cache: int
    host_cache: int
    device_read: float
    host_read: float
    staging: int

    @property
    def device(self) -> int:
        """All that lies on the card."""
        return self.device_weights + self.device_cache + self.staging

    @property
    def host(self) -> int:
        """All that lies in main memory."""
        return self.host_weights + self.host_cache


def place(
    parts: WeightParts, cache: Sequence[int], placement: Placement, expert_share: float = 1.0
) -> PlacedBytes:
    """Bytes by place under a placement. `cache` is the bytes of each layer's, or its whole as one
    number, spread evenly; `expert_share` is the share of routed experts that a token uses."""
    slots = len(parts.layers) + 1
    on_card = slots if placement.gpu_layers < 0 else min(placement.gpu_layers, slots)
    weights, caches, reads = [0, 0], [0, 0], [0.0, 0.0]
    staged = 0
    for index, (layer, cached) in enumerate(
        zip(parts.layers, _by_layer(cache, slots - 1), strict=True)
    ):
        on_host = index < slots - on_card
        experts_on_host = on_host or index < placement.cpu_expert_layers
        weights[on_host] += layer.dense
        weights[experts_on_host] += layer.experts
        caches[on_host] += cached
        reads[on_host] += layer.dense + cached
        reads[experts_on_host] += expert_share * layer.experts
        if experts_on_host and on_card:
            staged = max(staged, layer.experts)
    weights[not on_card] += parts.output
    reads[not on_card] += parts.output
    weights[True] += parts.lookup + (parts.output if parts.tied and on_card else 0)
    return PlacedBytes(
        device_weights=weights[False],
        host_weights=weights[True],
        device_cache=caches[False],
        host_cache=caches[True],
        device_read=reads[False],
        host_read=reads[True],
        staging=round(_STAGED * staged),
    )


def best_placement(
    parts: WeightParts,
    cache: Sequence[int],
    device_bytes: float,
    host_bytes: float,
    *,
    device_overhead: int = 0,
    host_overhead: int = 0,
) -> Placement | None:
    """The placement that reads least from main memory: all on the card; else, of a mixture, the
    experts of the fewest layers in main memory; else fewer layers on the card. None where main
    memory does not hold the rest either. Bytes and `cache` as in `place`."""
    for placement in _by_preference(parts):
        placed = place(parts, cache, placement)
        on_card = 0 if placement.on_cpu_alone else placed.device + device_overhead
        if on_card <= device_bytes and placed.host + host_overhead <= host_bytes:
            return placement
    return None


def _by_preference(parts: WeightParts) -> Sequence[Placement]:
    count = len(parts.layers)
    with_experts = [i + 1 for i, layer in enumerate(parts.layers) if layer.experts]
    moved = count if with_experts else 0
    return [
        Placement(),
        *(Placement(cpu_expert_layers=n) for n in with_experts),
        *(Placement(gpu_layers=n, cpu_expert_layers=moved) for n in range(count, 0, -1)),
        Placement(gpu_layers=0),
    ]


def _by_layer(cache: Sequence[int], count: int) -> Sequence[int]:
    if len(cache) == count:
        return cache
    return [round(sum(cache) / count)] * count if count else []
