"""The numbers of a model that its GGUF states, from the config.json that its shape is known by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grid.models.gguf.config_fields import ConfigFields
from grid.models.gguf.inventory import Hyperparameters
from grid.models.synthetic.header import Number

_EPSILON = 1e-5


def model_metadata(config: Mapping[str, Any], model: Hyperparameters) -> dict[str, Number]:
    """Metadata under the architecture's own name. What decides no size and no speed, such as the
    base of the rotary embedding, is left to llama.cpp's defaults."""
    fields = ConfigFields(config, {})
    head = fields.length("head_dim", default=fields.length("hidden_size") // _count(model.n_head))
    numbers: dict[str, Number | None] = {
        "context_length": fields.length("max_position_embeddings"),
        "block_count": model.n_layer,
        "embedding_length": model.n_embd,
        "feed_forward_length": model.n_ff or model.n_ff_expert,
        "attention.head_count": _count(model.n_head),
        "attention.head_count_kv": _count(model.n_head_kv),
        "attention.key_length": head,
        "attention.value_length": head,
        "rope.dimension_count": head,
        "attention.layer_norm_rms_epsilon": _EPSILON,
        "attention.sliding_window": fields.get("sliding_window"),
        "vocab_size": model.n_vocab,
    }
    if model.n_expert:
        numbers |= {
            "expert_count": model.n_expert,
            "expert_used_count": model.n_expert_used,
            "expert_feed_forward_length": model.n_ff_expert,
        }
    return {
        f"{model.architecture}.{name}": value
        for name, value in numbers.items()
        if value is not None
    }


def _count(counts: int | tuple[int, ...]) -> int:
    """Heads of a layer; of the shapes that are known here every layer has as many."""
    return counts if isinstance(counts, int) else counts[0]
