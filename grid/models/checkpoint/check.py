"""Whether a checkpoint's weights are those of the model that its config.json describes.

Only architectures whose tensors have the usual names and shapes are checked: a claim that a
checkpoint is wrong must be sure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from grid.errors import InputError
from grid.models.checkpoint.config import Config
from grid.models.checkpoint.quantization import Quantization
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
    r"(?P<rest>layers\.(?P<layer>\d+)\..+|embed_tokens|norm|lm_head)"
)


class _Found(NamedTuple):
    name: str
    weight: Weight
    layer: int | None


def check_shapes(
    config: Config, weights: Sequence[Weight], quantization: Quantization | None
) -> None:
    """Raise InputError where the weights cannot be those of the model that the config describes."""
    if config.architecture not in _USUAL or not config.layers:
        return
    found = dict(_text_weights(weights))
    _check_names(config, found, weights)
    _check_layers(config, found)
    inexact = quantization is not None and quantization.format in _INEXACT
    for part, expected in _expected(config):
        for name, (full, weight, layer) in found.items():
            if (name.split(".", 2)[2] if layer is not None else name) != part:
                continue
            if weight.packed and inexact:
                continue
            _check_one(config, full, weight, expected)


def _text_weights(weights: Sequence[Weight]) -> Iterator[tuple[str, _Found]]:
    """Matrices and norms of the text model by their name without prefix and `.weight`."""
    for weight in weights:
        match = _TEXT.fullmatch(weight.name.removesuffix(".weight"))
        if match is not None:
            layer = int(match["layer"]) if match["layer"] else None
            yield match["rest"], _Found(weight.name, weight, layer)


def _check_names(config: Config, found: Mapping[str, _Found], weights: Sequence[Weight]) -> None:
    if "layers.0.self_attn.q_proj" not in found:
        there = ", ".join(weight.name[:60] for weight in weights[:3])
        raise config.fail(
            f"model_type is {config.architecture}, but the weights are of another architecture: "
            f"there is no model.layers.0.self_attn.q_proj, only {there}, ..."
        )
    norm = found.get("layers.0.self_attn.q_norm")
    if norm is not None and config.architecture in _NO_HEAD_NORMS:
        raise config.fail(
            f"model_type is {config.architecture}, which has no {norm.name}: the weights are of "
            "another architecture; put the config.json beside them that they came with"
        )


def _check_layers(config: Config, found: Mapping[str, _Found]) -> None:
    there = {each.layer for each in found.values() if each.layer is not None}
    count, declared = max(there) + 1, config.layers
    if count != declared:
        raise config.fail(
            f"num_hidden_layers is {declared}, the weights have {count} layers; config.json and "
            "weights are of different models"
        )
    for layer in range(declared):
        for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
            if f"layers.{layer}.self_attn.{part}" not in found:
                raise config.fail(
                    f"the weights have no layers.{layer}.self_attn.{part}, which "
                    f"{config.architecture} needs; get the checkpoint again, with all its shards"
                )


def _expected(config: Config) -> Iterator[tuple[str, tuple[tuple[int, str], ...]]]:
    """Part of the model, and its sides with the words that explain each."""
    hidden = (config.hidden, "hidden_size")
    width = config.head_width
    heads = (config.heads * width, f"{config.heads} heads of {width}")
    kept = (config.kv_heads * width, f"{config.kv_heads} key-value heads of {width}")
    vocabulary = (config.vocabulary, "vocab_size")
    inner = (config.whole("intermediate_size") or 0, "intermediate_size")
    yield "embed_tokens", (vocabulary, hidden)
    yield "lm_head", (vocabulary, hidden)
    yield "norm", (hidden,)
    yield "self_attn.q_proj", (heads, hidden)
    yield "self_attn.k_proj", (kept, hidden)
    yield "self_attn.v_proj", (kept, hidden)
    yield "self_attn.o_proj", (hidden, heads)
    yield "mlp.gate_proj", (inner, hidden)
    yield "mlp.up_proj", (inner, hidden)
    yield "mlp.down_proj", (hidden, inner)


def _check_one(
    config: Config, name: str, weight: Weight, expected: Sequence[tuple[int, str]]
) -> None:
    sides = tuple(side for side, _ in expected)
    if 0 in sides:
        return
    said = " x ".join(f"{side} ({words})" for side, words in expected)
    if weight.shape is not None:
        if weight.shape != sides:
            raise _differs(config, name, f"is {' x '.join(map(str, weight.shape))}", said)
    elif weight.elements != _product(sides):
        raise _differs(config, name, f"stands for {weight.elements} weights", said)


def _product(sides: Sequence[int]) -> int:
    result = 1
    for side in sides:
        result *= side
    return result


def _differs(config: Config, name: str, there: str, said: str) -> InputError:
    return config.fail(
        f"{name} {there}, but the config says {said}; config.json and weights are of different "
        "models"
    )
