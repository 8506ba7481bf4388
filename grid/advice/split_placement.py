"""Variants too large for a card: what of them lies in main memory, and what that leaves."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grid.advice.ask import Ask
from grid.advice.hardware import CPU, Machine
from grid.analysis import Variant
from grid.analysis.memory import Footprint, element_bytes
from grid.models.model import LayerState
from grid.models.placement import PlacedBytes, Placement, best_placement, place
from grid.models.weight_parts import WeightParts
from grid.units import format_bytes

if TYPE_CHECKING:
    from grid.models.public import PublicModel

ALIKE = 1.3
"""Factor within which a model of another name is taken to be divided alike."""
SPLITTING = ("llama.cpp", "llama-bench", "llamacpp", "ollama")
"""Engines that compute layers on both devices, each where it lies."""


@dataclass(frozen=True)
class Split:
    """How a variant is placed; `card_bytes` and `main_bytes` are all that it takes of each."""

    placement: Placement
    parts: WeightParts
    card_bytes: float
    main_bytes: float
    layers: int
    like: str = ""
    """The public model whose parts were taken for its own; empty where they are its own."""

    @property
    def cpu_layers(self) -> int:
        """Whole layers in main memory."""
        on_card = self.placement.gpu_layers
        return 0 if on_card < 0 else self.layers + 1 - on_card if on_card else self.layers

    @property
    def expert_layers(self) -> int:
        """Layers on the card whose experts are in main memory."""
        first = self.placement.cpu_expert_layers
        return sum(layer.experts > 0 for layer in self.parts.layers[self.cpu_layers : first])

    @property
    def flags(self) -> str:
        """What llama-server is called with for it."""
        layers, experts = self.placement.gpu_layers, self.placement.cpu_expert_layers
        named = [f"-ngl {layers}"] if layers >= 0 else []
        return " ".join([*named, *([f"--n-cpu-moe {experts}"] if experts else [])])

    @property
    def text(self) -> str:
        """`experts of 22 of 48 layers in main memory (llama-server --n-cpu-moe 22): 10.9 GiB on the
        card, 8.2 GiB in main memory`."""
        moved = []
        if self.cpu_layers:
            moved.append(f"{self.cpu_layers} of {self.layers} layers")
        if self.expert_layers and not self.placement.on_cpu_alone:
            moved.append(f"experts of {self.expert_layers} of {self.layers} layers")
        on_card, in_memory = (format_bytes(n) for n in (self.card_bytes, self.main_bytes))
        return (
            f"{' and '.join(moved)} in main memory (llama-server {self.flags}): "
            f"{on_card} on the card, {in_memory} in main memory"
            f"{f', divided as {self.like} is' if self.like else ''}"
        )

    def read_by(self, caches: Sequence[int], share: float) -> PlacedBytes:
        """Bytes by place with these caches, of a token that uses this share of the experts."""
        return place(self.parts, caches, self.placement, share)


def splits_of(
    machine: Machine, variants: Sequence[Variant], footprints: Sequence[Footprint], ask: Ask
) -> dict[int, Split]:
    """By index the variants that were measured in two memories, and those that the card alone does
    not hold and both memories do."""
    splits: dict[int, Split] = {}
    for i, (variant, memory) in enumerate(zip(variants, footprints, strict=True)):
        split = _measured_split(variant, memory, ask) if variant.is_split else None
        if split is None and can_split(variant, machine):
            split = _fitting_split(variant, memory, machine, ask)
        splits |= {} if split is None else {i: split}
    return splits


def can_split(variant: Variant, machine: Machine) -> bool:
    """Whether its engine computes on both, the rows are not of the machine's CPU alone, and a rate
    can be predicted."""
    own = machine.class_name == variant.hardware_class and variant.device_kind.startswith(CPU)
    used = variant.active_parameters or (0 if variant.is_mixture else variant.parameters)
    return variant.backend in SPLITTING and not own and not variant.is_split and used > 0


def public_model_of(variant: Variant) -> PublicModel | None:
    """The public model whose parts a variant without a header has: of its name, else the nearest in
    weights and in those that a token uses, where both are within a factor; None where none is."""
    from grid.models.public import find_model, public_models

    public = find_model(variant.model)
    if public is not None or not variant.parameters:
        return public
    sizes = (variant.parameters, variant.active_parameters or variant.parameters)

    def apart(model: PublicModel) -> float:
        pairs = zip(sizes, (model.parameters, model.active_parameters), strict=True)
        return max(abs(math.log(of_model / own)) for own, of_model in pairs)

    same_kind = [model for model in public_models() if model.is_mixture == variant.is_mixture]
    near = min(same_kind, key=lambda model: (apart(model), model.name))
    return near if apart(near) <= math.log(ALIKE) else None


def weight_parts_of(variant: Variant) -> WeightParts | None:
    """From the header; of rows without one, as in the public model that it is, or is like."""
    if variant.weight_parts is not None or not variant.artifact_bytes:
        return variant.weight_parts
    public = public_model_of(variant)
    if public is None:
        return None
    parts = public.weights.parts
    return parts.scaled(variant.artifact_bytes / parts.total)


def expert_share(variant: Variant) -> float:
    """Share of the routed experts that a token uses; 1 where it is not known."""
    experts = variant.experts
    if experts is None and variant.is_mixture:
        public = public_model_of(variant)
        experts = None if public is None else public.weights.experts
    share = None if experts is None else experts.share
    return 1.0 if share is None else share


def cache_by_layer(
    layers: Sequence[LayerState], tokens: int, kv_type: str, sessions: int = 1
) -> list[int]:
    """Bytes of each layer's cache for `tokens` tokens of each session."""
    size = element_bytes(kv_type)
    return [sessions * _cache_bytes(layer, tokens, size) for layer in layers]


def _cache_bytes(layer: LayerState, tokens: int, size: float) -> int:
    cached = tokens if layer.window is None else min(tokens, layer.window)
    return round(cached * (layer.key + layer.value) * size + 4 * layer.fixed)


def _measured_split(variant: Variant, memory: Footprint, ask: Ask) -> Split | None:
    """As its options placed it; None where parts of the file or patterns are not known."""
    options: dict[str, Any] = json.loads(variant.options or "{}")
    parts = weight_parts_of(variant)
    if parts is None or memory.kv is None or options.get("tensor_overrides"):
        return None
    placement = Placement(
        gpu_layers=int(options.get("gpu_layers", -1)),
        cpu_expert_layers=int(options.get("cpu_expert_layers", 0)),
    )
    return _split(variant, parts, _caches(variant, parts, memory, ask), memory, placement)


def _fitting_split(variant: Variant, memory: Footprint, machine: Machine, ask: Ask) -> Split | None:
    """The best of those that fit both memories; None where there is none, or no need for one."""
    card, main = machine.budget_bytes, machine.main_memory_bytes
    if card is None or main is None or memory.total is None or memory.total <= card:
        return None
    parts = weight_parts_of(variant)
    if parts is None:
        return None
    caches = _caches(variant, parts, memory, ask)
    overheads = {"device_overhead": memory.overhead, "host_overhead": memory.overhead}
    placement = best_placement(parts, caches, card, main, **overheads)
    return None if placement is None else _split(variant, parts, caches, memory, placement)


def _split(
    variant: Variant,
    parts: WeightParts,
    caches: Sequence[int],
    memory: Footprint,
    placement: Placement,
) -> Split | None:
    if placement.on_card_alone:
        return None
    placed = place(parts, caches, placement)
    public = None if variant.weight_parts is not None else public_model_of(variant)
    return Split(
        placement=placement,
        parts=parts,
        card_bytes=0 if placement.on_cpu_alone else placed.device + memory.overhead,
        main_bytes=placed.host + memory.overhead,
        layers=len(parts.layers),
        like="" if public is None else public.name,
    )


def _caches(variant: Variant, parts: WeightParts, memory: Footprint, ask: Ask) -> Sequence[int]:
    """Bytes of the cache by layer; its whole where the layers are not known."""
    if len(variant.layers) != len(parts.layers):
        return [memory.kv or 0]
    return cache_by_layer(variant.layers, memory.context, memory.kv_type, ask.sessions)
