"""A Llama in numpy, in 64 bits: what any engine's logits have to be near to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grid.models.checkpoint.files import read_weights

Floats = npt.NDArray[np.float64]


def tensors(folder: Path) -> dict[str, npt.NDArray[np.float16]]:
    """The float16 weights of a folder with one file, by name."""
    from safetensors.numpy import load_file

    (path,) = read_weights(folder).paths
    arrays: dict[str, npt.NDArray[np.float16]] = load_file(path)
    return arrays


def logits(
    folder: Path, ids: Sequence[int], changed: Callable[[Floats], Floats] | None = None
) -> Floats:
    """[len(ids), vocabulary]; row i is after ids[: i + 1]. `changed` is done to the weights [out,
    in] of every projection."""
    config = json.loads((folder / "config.json").read_text())
    weights = {name: array.astype(np.float64) for name, array in tensors(folder).items()}
    if changed:
        for name in [name for name in weights if name.endswith("_proj.weight")]:
            weights[name] = changed(weights[name])
    state = weights["model.embed_tokens.weight"][list(ids)]
    for layer in range(config["num_hidden_layers"]):
        state = _layer(config, weights, f"model.layers.{layer}.", state)
    state = _norm(state, weights["model.norm.weight"], config["rms_norm_eps"])
    result: Floats = state @ weights["lm_head.weight"].T
    return result


def _layer(config: Any, weights: dict[str, Floats], name: str, state: Floats) -> Floats:
    epsilon = config["rms_norm_eps"]
    inner = _norm(state, weights[name + "input_layernorm.weight"], epsilon)
    state = state + _attention(config, weights, name + "self_attn.", inner)
    inner = _norm(state, weights[name + "post_attention_layernorm.weight"], epsilon)
    gate, up, down = (weights[f"{name}mlp.{part}_proj.weight"] for part in ("gate", "up", "down"))
    load_engine = inner @ gate.T
    return state + (load_engine / (1 + np.exp(-load_engine)) * (inner @ up.T)) @ down.T


def _norm(state: Floats, weight: Floats, epsilon: float) -> Floats:
    scale = np.sqrt((state**2).mean(axis=1, keepdims=True) + epsilon)
    return state / scale * weight


def _attention(config: Any, weights: dict[str, Floats], name: str, state: Floats) -> Floats:
    heads, shared = config["num_attention_heads"], config["num_key_value_heads"]
    parts = [
        (state @ weights[f"{name}{part}_proj.weight"].T).reshape(len(state), count, -1)
        for part, count in (("q", heads), ("k", shared), ("v", shared))
    ]
    queries = _turned(parts[0], config["rope_theta"])
    keys = np.repeat(_turned(parts[1], config["rope_theta"]), heads // shared, axis=1)
    values = np.repeat(parts[2], heads // shared, axis=1)
    scores = np.einsum("ihd,jhd->hij", queries, keys) / np.sqrt(queries.shape[2])
    scores[:, np.triu(np.ones(scores.shape[1:], bool), 1)] = -np.inf
    scores = np.exp(scores - scores.max(axis=2, keepdims=True))
    mixed = np.einsum("hij,jhd->ihd", scores / scores.sum(axis=2, keepdims=True), values)
    return mixed.reshape(len(state), -1) @ weights[name + "o_proj.weight"].T


def _turned(heads: Floats, base: float) -> Floats:
    """Rotary positions: the halves of a head are turned against each other."""
    half = heads.shape[2] // 2
    angles = np.arange(len(heads))[:, None] * base ** (-np.arange(half) / half)[None, :]
    sine, cosine = np.sin(angles)[:, None, :], np.cos(angles)[:, None, :]
    left, right = heads[..., :half], heads[..., half:]
    return np.concatenate((left * cosine - right * sine, right * cosine + left * sine), axis=2)


def log_softmax(rows: npt.ArrayLike) -> Floats:
    """[n, vocabulary], in 64 bits."""
    shifted = np.asarray(rows, np.float64)
    shifted = shifted - shifted.max(axis=1, keepdims=True)
    result: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def divergence(truth: npt.ArrayLike, mine: npt.ArrayLike) -> float:
    """Mean of KL(truth || mine) over the rows of two arrays of logits, nats."""
    p, q = log_softmax(truth), log_softmax(mine)
    return float((np.exp(p) * (p - q)).sum(axis=1).mean())
