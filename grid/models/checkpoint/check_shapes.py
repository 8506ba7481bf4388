"""Check that a checkpoint's weights are those of the model that its config.json describes.

Only architectures whose tensors have the usual names and shapes are checked: a claim that a
checkpoint is wrong must be sure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from grid.errors import InputError
from grid.models.checkpoint.config import Config
from grid.models.checkpoint.quantization_scheme import Quantization
from grid.models.checkpoint.weights import Weight

_USUAL = frozenset(
    (
        *("cohere", "cohere2", "gemma", "gemma2", "gemma3_text", "granite", "helium", "llama"),
        *("mistral", "mixtral", "olmo", "olmo2", "olmo3", "qwen2", "qwen2_moe", "qwen3"),
        *("qwen3_moe", "seed_oss", "smollm3", "starcoder2"),
    )
)
"""Model types with model.layers.N.self_attn.{q,k,v,o}_proj of the shapes that the heads imply."""

_NO_HEAD_NORMS = frozenset(("llama", "mistral", "mixtral", "qwen2", "gemma", "gemma2"))
"""Of these, model types without normalised queries and keys."""

_INEXACT = frozenset(("aqlm", "hqq", "torchao", "compressed-tensors"))
"""Formats that may pad what they pack: their element counts are not compared."""

_TEXT = re.compile(
    r"(?:(?:model\.)?language_model\.(?:model\.)?|model\.|)"
    r"(?P<name>layers\.(?P<layer>\d+)\..+|embed_tokens|norm|lm_head)"
)


class _TextWeight(NamedTuple):
    tensor_name: str
    weight: Weight
    layer: int | None


def check_shapes(
    config: Config, weights: Sequence[Weight], quantization: Quantization | None
) -> None:
    """Raise InputError where the weights cannot be those of the model that the config describes."""
    if config.architecture not in _USUAL or not config.layers:
        return
    text_weights = dict(_text_weights(weights))
    _check_names(config, text_weights, weights)
    _check_layers(config, text_weights)
    inexact = quantization is not None and quantization.format in _INEXACT
    for part, expected in _expected_shapes(config):
        for name, (tensor_name, weight, layer) in text_weights.items():
            if (name.split(".", 2)[2] if layer is not None else name) != part:
                continue
            if weight.packed and inexact:
                continue
            _check_weight(config, tensor_name, weight, expected)


def _text_weights(weights: Sequence[Weight]) -> Iterator[tuple[str, _TextWeight]]:
    """Matrices and norms of the text model by their name without prefix and `.weight`."""
    for weight in weights:
        match = _TEXT.fullmatch(weight.name.removesuffix(".weight"))
        if match is not None:
            layer = int(match["layer"]) if match["layer"] else None
            yield match["name"], _TextWeight(weight.name, weight, layer)


def _check_names(
    config: Config, text_weights: Mapping[str, _TextWeight], weights: Sequence[Weight]
) -> None:
    if "layers.0.self_attn.q_proj" not in text_weights:
        examples = ", ".join(weight.name[:60] for weight in weights[:3])
        raise config.error(
            f"model_type is {config.architecture}, but the weights are of another architecture: "
            f"there is no model.layers.0.self_attn.q_proj, only {examples}, ..."
        )
    norm = text_weights.get("layers.0.self_attn.q_norm")
    if norm is not None and config.architecture in _NO_HEAD_NORMS:
        raise config.error(
            f"model_type is {config.architecture}, which has no {norm.tensor_name}: the weights "
            "are of another architecture; put the config.json beside them that they came with"
        )


def _check_layers(config: Config, text_weights: Mapping[str, _TextWeight]) -> None:
    indices = {weight.layer for weight in text_weights.values() if weight.layer is not None}
    count, declared = max(indices) + 1, config.layers
    if count != declared:
        raise config.error(
            f"num_hidden_layers is {declared}, the weights have {count} layers; config.json and "
            "weights are of different models"
        )
    for layer in range(declared):
        for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
            if f"layers.{layer}.self_attn.{part}" not in text_weights:
                raise config.error(
                    f"the weights have no layers.{layer}.self_attn.{part}, which "
                    f"{config.architecture} needs; get the checkpoint again, with all its shards"
                )


def _expected_shapes(config: Config) -> Iterator[tuple[str, tuple[tuple[int, str], ...]]]:
    """Parts of the model with the shape of each: (length, the words that explain it)."""
    hidden = (config.hidden, "hidden_size")
    width = config.head_width
    heads = (config.heads * width, f"{config.heads} heads of {width}")
    kv_heads = (config.kv_heads * width, f"{config.kv_heads} key-value heads of {width}")
    vocabulary = (config.vocabulary, "vocab_size")
    inner = (config.integer("intermediate_size") or 0, "intermediate_size")
    yield "embed_tokens", (vocabulary, hidden)
    yield "lm_head", (vocabulary, hidden)
    yield "norm", (hidden,)
    yield "self_attn.q_proj", (heads, hidden)
    yield "self_attn.k_proj", (kv_heads, hidden)
    yield "self_attn.v_proj", (kv_heads, hidden)
    yield "self_attn.o_proj", (hidden, heads)
    yield "mlp.gate_proj", (inner, hidden)
    yield "mlp.up_proj", (inner, hidden)
    yield "mlp.down_proj", (hidden, inner)


def _check_weight(
    config: Config, name: str, weight: Weight, expected: Sequence[tuple[int, str]]
) -> None:
    sides = tuple(side for side, _ in expected)
    if 0 in sides:
        return
    expected_shape = " x ".join(f"{side} ({words})" for side, words in expected)
    if weight.shape is not None:
        if weight.shape != sides:
            raise _contradiction(
                config, name, f"is {' x '.join(map(str, weight.shape))}", expected_shape
            )
    elif weight.elements != math.prod(sides):
        raise _contradiction(config, name, f"stands for {weight.elements} weights", expected_shape)


def _contradiction(config: Config, name: str, actual: str, expected: str) -> InputError:
    return config.error(
        f"{name} {actual}, but the config says {expected}; config.json and weights are of "
        "different models"
    )
