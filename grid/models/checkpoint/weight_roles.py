"""What each weight of a checkpoint is read for, by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from grid.models.checkpoint.config import Config
from grid.models.checkpoint.weights import NON_TEXT_NAME, Weight
from grid.models.model import MAX_LAYERS
from grid.models.weight_parts import PlacedWeight, Role, WeightSummary, summarize

_LAYER = re.compile(r"(?:^|\.)(?:layers|layer|h|blocks|block)\.(\d+)\.")
_EXPERTS = re.compile(
    r"\.experts\.|\.block_sparse_moe\.(?:input|output)_linear\b|\.moe\.(?:gate|up|down)_proj\b"
    r"|\.switch_mlp\."
)
"""Routed experts; MLX stacks them as `switch_mlp`."""
_SHARED = re.compile(r"\.(?:shared_experts?|shared_mlp|share_expert)\.")
_EMBEDDING = re.compile(
    r"(?:^|\.)(?:embed_tokens|wte|embeddings?|tok_embeddings|word_embeddings|embed_in)(?:\.|$)"
)
_LOOKUP = re.compile(
    r"(?:^|\.)(?:wpe|embed_positions|embed_tokens_per_layer|position_embeddings"
    r"|token_type_embeddings)(?:\.|$)"
)
_HEAD = re.compile(r"(?:^|\.)(?:lm_head|embed_out|output_layer)(?:\.|$)|^output\.")
_ENCODER = "bert"
"""In the architecture of models that only read: their embedding serves as no head."""
_MTP = re.compile(r"(?:^|\.)mtp\.")

_COUNT = (
    "num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts", "num_moe_experts",
    "moe_num_experts_per_layer", "n_experts",
)  # fmt: skip
_USED = (
    "num_experts_per_tok", "num_experts_per_token", "experts_per_token", "moe_k", "moe_top_k",
    "moe_topk", "top_k_experts", "num_selects",
)  # fmt: skip
_SHARED_COUNT = ("n_shared_experts", "moe_num_shared_experts", "num_shared_expert")


def summary_of_checkpoint(config: Config, weights: Sequence[Weight]) -> WeightSummary:
    """Bytes by part and what a token uses, from the names of the weights and config.json."""
    has_head = any(_HEAD.search(weight.name) for weight in weights)
    tied = not has_head and _ENCODER not in config.architecture.lower()
    shared = _integer(config, _SHARED_COUNT)
    return summarize(
        _placed(weights, config.layers, tied=tied),
        tied=tied,
        experts=_integer(config, _COUNT) or 0,
        used=_integer(config, _USED),
        shared=shared or int(any(_SHARED.search(weight.name) for weight in weights)),
    )


def _integer(config: Config, names: Sequence[str]) -> int | None:
    """The first of the keys; DBRX nests them."""
    number = config.integer(*names)
    nested = (config.section_integer("ffn_config", name) for name in names)
    return number if number is not None else next((n for n in nested if n), None)


def _placed(weights: Iterable[Weight], layers: int, *, tied: bool) -> Iterable[PlacedWeight]:
    for weight in weights:
        role, layer = _role(weight.name, layers, tied=tied)
        yield PlacedWeight(role, layer, weight.elements, weight.bytes)


def _role(name: str, layers: int, *, tied: bool) -> tuple[Role, int | None]:
    if NON_TEXT_NAME.search(name) or _MTP.search(name):
        return "unused", None
    match = _LAYER.search(name)
    if match is None:
        is_lookup = bool(_LOOKUP.search(name)) or (bool(_EMBEDDING.search(name)) and not tied)
        return ("lookup" if is_lookup else "output"), None
    layer = int(match[1])
    if layer >= (layers or MAX_LAYERS):
        return "unused", None
    return ("experts" if _EXPERTS.search(name) else "dense"), layer
