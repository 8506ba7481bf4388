"""A plain Llama in numpy, in 64 bits: the truth that an engine's logits are compared with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def forward(folder: Path, ids: Sequence[int]) -> Array:
    """Logits [len(ids), vocabulary] of a checkpoint of 16 bits, or of MLX's in groups of 64."""
    config = json.loads((folder / "config.json").read_text())
    weights = _weights(folder / "model.safetensors")
    x = weights["model.embed_tokens.weight"][list(ids)]
    for layer in range(config["num_hidden_layers"]):
        part = {
            name.removeprefix(f"model.layers.{layer}."): array
            for name, array in weights.items()
            if name.startswith(f"model.layers.{layer}.")
        }
        x = x + _attention(part, config, _norm(x, part["input_layernorm.weight"], config))
        x = x + _mlp(part, _norm(x, part["post_attention_layernorm.weight"], config))
    head = weights.get("lm_head.weight", weights["model.embed_tokens.weight"])
    return _norm(x, weights["model.norm.weight"], config) @ head.T


def _weights(path: Path) -> dict[str, Array]:
    """Weights by name; those that MLX packed are unpacked, for widths that fill a word."""
    raw = path.read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    entries = json.loads(raw[8:start])
    entries.pop("__metadata__", None)
    tensors = {}
    for name, entry in entries.items():
        low, high = entry["data_offsets"]
        kind = {"F16": np.float16, "U32": np.uint32}[entry["dtype"]]
        values = np.frombuffer(raw[start + low : start + high], kind).reshape(entry["shape"])
        tensors[name] = values if kind is np.uint32 else values.astype(np.float64)
    return {
        name: _unpacked(tensors, name.removesuffix(".weight"))
        if array.dtype == np.uint32
        else array
        for name, array in tensors.items()
        if name.endswith(".weight")
    }


def _unpacked(stored: dict[str, Any], module: str) -> Array:
    """Lowest bits of a word first; a group's values are integers times its scale, plus its bias."""
    words, scales = stored[f"{module}.weight"], stored[f"{module}.scales"]
    biases = stored[f"{module}.biases"]
    group = 64
    bits = 32 * words.shape[1] // (group * scales.shape[1])
    shifts = np.arange(0, 32, bits, dtype=np.uint32)
    whole = ((words[..., None] >> shifts) & (2**bits - 1)).reshape(*scales.shape, group)
    out: Array = (whole * scales[..., None] + biases[..., None]).reshape(len(words), -1)
    return out


def _norm(x: Array, weight: Array, config: dict[str, Any]) -> Array:
    scale = np.sqrt((x**2).mean(-1, keepdims=True) + config["rms_norm_eps"])
    scaled: Array = x / scale * weight
    return scaled


def _attention(part: dict[str, Array], config: dict[str, Any], x: Array) -> Array:
    n, size = len(x), config["head_dim"]
    q, k, v = (
        (x @ part[f"self_attn.{name}_proj.weight"].T).reshape(n, -1, size).transpose(1, 0, 2)
        for name in "qkv"
    )
    repeats = len(q) // len(k)
    q, k = _rotated(q, config), np.repeat(_rotated(k, config), repeats, 0)
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(size)
    scores[:, ~np.tri(n, dtype=bool)] = -np.inf
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    mixed = (shares @ np.repeat(v, repeats, 0)).transpose(1, 0, 2).reshape(n, -1)
    out: Array = mixed @ part["self_attn.o_proj.weight"].T
    return out


def _rotated(x: Array, config: dict[str, Any]) -> Array:
    half = x.shape[-1] // 2
    turns = config["rope_theta"] ** (-np.arange(half) / half)
    angle = np.arange(x.shape[1])[:, None] * turns
    left, right = x[..., :half], x[..., half:]
    cos, sin = np.cos(angle), np.sin(angle)
    return np.concatenate((left * cos - right * sin, right * cos + left * sin), -1)


def _mlp(part: dict[str, Array], x: Array) -> Array:
    gate = x @ part["mlp.gate_proj.weight"].T
    up = x @ part["mlp.up_proj.weight"].T
    out: Array = (gate / (1 + np.exp(-gate)) * up) @ part["mlp.down_proj.weight"].T
    return out
