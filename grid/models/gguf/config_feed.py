"""The feed forward of a block by its config.json: dense, or a mixture of experts."""

from __future__ import annotations

from grid.models.gguf.blocks import Block, MixtureOfExperts, add_dense_feed_forward, add_mixture
from grid.models.gguf.config_fields import ConfigFields
from grid.models.gguf.families import Family

_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
USED_EXPERTS = (
    "num_experts_per_tok",
    "num_experts_per_token",
    "experts_per_token",
    "moe_k",
    "moe_top_k",
    "moe_topk",
    "top_k_experts",
)
_EXPERT_WIDTH = ("moe_intermediate_size", "intermediate_size")
_DENSE_FIRST = ("first_k_dense_replace", "num_dense_layers", "moe_layer_start_index")
_EVERY = ("decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_interval")
_SHARED_COUNT = ("n_shared_experts", "moe_num_shared_experts")
_SHARED_WIDTH = (
    "shared_expert_intermediate_size",
    "moe_shared_expert_intermediate_size",
    "share_expert_dim",
    "shared_intermediate_size",
)
_DENSE_WIDTH = ("intermediate_size_mlp", "shared_intermediate_size", "intermediate_size")
"""Where the first two are there, `intermediate_size` is the experts' width."""


def expert_count(fields: ConfigFields) -> int:
    """Experts to choose from; 0 for a dense model."""
    return fields.integer(*_EXPERTS, default=0)


def expert_width(fields: ConfigFields) -> int:
    """Elements between the two projections of one expert."""
    return fields.length(*_EXPERT_WIDTH)


def used_experts(fields: ConfigFields) -> int | None:
    """Experts of a layer that a token uses; None where no field says it."""
    return fields.integer(*USED_EXPERTS, default=0) or None


def shared_experts(fields: ConfigFields) -> int:
    """Experts that every token passes; 0 where the config counts none."""
    return fields.integer(*_SHARED_COUNT, default=0)


def dense_width(fields: ConfigFields) -> int | None:
    """Elements between the projections of a dense feed forward; None where the model has none."""
    names = (*_DENSE_WIDTH, "block_ff_dim")
    if fields.get(*names) is None:
        return None
    width = fields.integer(*names)
    if not fields.get("block_auto_adjust_ff_dim"):
        return width
    multiple = fields.length("block_multiple_of")
    factor = fields.factor("block_ffn_dim_multiplier")
    return -(-int(factor * int(2 * width / 3)) // multiple) * multiple


def add_feed_forward(
    block: Block, width: int, fields: ConfigFields, family: Family, *, last: bool
) -> None:
    """Add the feed forward's tensors. `last`: the block comes after the model's own layers, and has
    experts if the model has any."""
    if expert_count(fields) and (last or _is_mixture(block.index, fields)):
        add_mixture(block, _mixture(width, fields, family))
        return
    inner = dense_width(fields) or fields.length("intermediate_size")
    bias = fields.flag(family.ff_bias)
    add_dense_feed_forward(block, width, inner, shape=family.ff, bias=bias)


def _is_mixture(index: int, fields: ConfigFields) -> bool:
    """Whether a block has experts, by whichever field says it; all have where none does."""
    layers = fields.sequence("moe_layers_enum", "moe_layers")
    if layers:
        numbers = layers.split(",") if isinstance(layers, str) else layers
        return str(index) in {str(number).strip() for number in numbers}
    if index < fields.integer(*_DENSE_FIRST, default=0):
        return False
    if index in list(fields.sequence("mlp_only_layers")):
        return False
    return (index + 1) % fields.length(*_EVERY, default=1) == 0


def _mixture(width: int, fields: ConfigFields, family: Family) -> MixtureOfExperts:
    return MixtureOfExperts(
        width=width,
        experts=expert_count(fields),
        inner=expert_width(fields),
        shared=_shared_width(fields),
        shared_gate=family.shared_gate,
        selection_bias=fields.flag(family.selection_bias),
        bias=family.mixture_bias,
        gated=family.ff == "gated",
        latent=fields.integer("moe_latent_size", default=0),
    )


def _shared_width(fields: ConfigFields) -> int:
    """Width of the experts that every token passes, taken as one; 0 where there are none."""
    if fields.get("intermediate_size_mlp") is not None:
        return expert_width(fields)
    count = fields.integer(*_SHARED_COUNT, default=0)
    return fields.integer(*_SHARED_WIDTH, default=count * expert_width(fields))
