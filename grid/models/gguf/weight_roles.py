"""What each tensor of a GGUF is read for, by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from grid.models.gguf.inventory import Hyperparameters, UnquantizedTensor
from grid.models.gguf.layers import MetadataFields
from grid.models.gguf.reader import GgufTensor
from grid.models.model import MAX_LAYERS
from grid.models.weight_parts import PlacedWeight, Role, WeightSummary, summarize

_BLOCK = re.compile(r"blk\.(\d+)\.")
_EXPERTS = re.compile(r"\.ffn_\w+_(?:ch)?exps\.|\.ffn_(?:gate|up|down)\.\d+\.")
"""Stacked experts, and the single ones of files from before 2024."""
_SHARED = re.compile(r"\.ffn_(?:gate|up|down|gate_up)_shexp\.weight$")
_EMBEDDING, _HEAD = "token_embd.weight", "output.weight"
_ENCODER = "bert"
"""In the architecture of models that only read: their embedding serves as no head."""
_LOOKUPS = frozenset({"position_embd.weight", "token_types.weight", "per_layer_token_embd.weight"})


def summary_of_file(fields: MetadataFields, tensors: Sequence[GgufTensor]) -> WeightSummary:
    """Bytes by part and what a token uses, from a file's header."""
    blocks = min(fields.integer("block_count") or MAX_LAYERS, MAX_LAYERS)
    own_blocks = blocks - min(blocks, fields.integer("nextn_predict_layers") or 0)
    names = {tensor.name for tensor in tensors}
    tied = _HEAD not in names and _ENCODER not in fields.text("general.architecture")
    shared = fields.integer("expert_shared_count") or 0
    weights = ((tensor.name, tensor.elements, tensor.bytes) for tensor in tensors)
    return summarize(
        _placed(weights, own_blocks, tied=tied),
        tied=tied,
        experts=fields.integer("expert_count") or 0,
        used=fields.integer("expert_used_count"),
        shared=shared or int(any(_SHARED.search(name) for name in names)),
    )


def summary_of_inventory(
    inventory: Iterable[UnquantizedTensor], model: Hyperparameters
) -> WeightSummary:
    """The same of a GGUF that need not exist, at 16 bits a weight. Raises InputError where a shape
    is not known."""
    tensors = tuple(inventory)
    tied = all(tensor.name != _HEAD for tensor in tensors)
    weights = ((tensor.name, tensor.elements, 2 * tensor.elements) for tensor in tensors)
    return summarize(
        _placed(weights, model.n_layer - model.n_layer_nextn, tied=tied),
        tied=tied,
        experts=model.n_expert,
        used=model.n_expert_used,
        shared=model.n_expert_shared or int(any(_SHARED.search(tensor.name) for tensor in tensors)),
    )


def _placed(
    weights: Iterable[tuple[str, int, int]], blocks: int, *, tied: bool
) -> Iterable[PlacedWeight]:
    for name, elements, size in weights:
        role, layer = _role(name, blocks, tied=tied)
        yield PlacedWeight(role, layer, elements, size)


def _role(name: str, blocks: int, *, tied: bool) -> tuple[Role, int | None]:
    block = _BLOCK.match(name)
    if block is None:
        is_lookup = name in _LOOKUPS or (name == _EMBEDDING and not tied)
        return ("lookup" if is_lookup else "output"), None
    layer = int(block[1])
    if layer >= blocks:
        return "unused", None
    return ("experts" if _EXPERTS.search(name) else "dense"), layer
