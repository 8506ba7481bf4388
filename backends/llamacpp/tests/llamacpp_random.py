"""A small random Llama as transformers saves it, and its forward pass in numpy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "vocab_size": 320,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "rope_scaling": None,
    "tie_word_embeddings": False,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_MERGES = ["h e", "t he", "i n", "a n", "o n", "Ġ the"]


def write_folder(folder: Path, **changes: Any) -> Path:
    """config.json, model.safetensors (F16) and tokenizer.json of a model with seeded weights."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {**CONFIG, **changes}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(config["vocab_size"])))
    write_safetensors(folder / "model.safetensors", weights(config))
    return folder


def weights(config: dict[str, Any]) -> dict[str, npt.NDArray[np.float16]]:
    random = np.random.default_rng(7)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    wide = config["num_attention_heads"] * config["head_dim"]
    narrow = config["num_key_value_heads"] * config["head_dim"]

    def matrix(rows: int, columns: int) -> npt.NDArray[np.float16]:
        scale = 1.5 / np.sqrt(columns)
        return (random.standard_normal((rows, columns)) * scale).astype(np.float16)

    def norm() -> npt.NDArray[np.float16]:
        return random.uniform(0.5, 1.5, hidden).astype(np.float16)

    tensors = {
        "model.embed_tokens.weight": matrix(config["vocab_size"], hidden),
        "model.norm.weight": norm(),
    }
    if not config["tie_word_embeddings"]:
        tensors["lm_head.weight"] = matrix(config["vocab_size"], hidden)
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        tensors[layer + "input_layernorm.weight"] = norm()
        tensors[layer + "self_attn.q_proj.weight"] = matrix(wide, hidden)
        tensors[layer + "self_attn.k_proj.weight"] = matrix(narrow, hidden)
        tensors[layer + "self_attn.v_proj.weight"] = matrix(narrow, hidden)
        tensors[layer + "self_attn.o_proj.weight"] = matrix(hidden, wide)
        tensors[layer + "post_attention_layernorm.weight"] = norm()
        tensors[layer + "mlp.gate_proj.weight"] = matrix(inner, hidden)
        tensors[layer + "mlp.up_proj.weight"] = matrix(inner, hidden)
        tensors[layer + "mlp.down_proj.weight"] = matrix(hidden, inner)
    return tensors


def write_safetensors(path: Path, tensors: dict[str, npt.NDArray[np.float16]]) -> None:
    header, at = {}, 0
    for name, array in tensors.items():
        stop = at + array.nbytes
        header[name] = {"dtype": "F16", "shape": array.shape, "data_offsets": [at, stop]}
        at = stop
    text = json.dumps(header).encode()
    data = b"".join(array.tobytes() for array in tensors.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def tokenizer(vocabulary: int) -> dict[str, Any]:
    """Byte-level BPE: two control tokens, the 256 bytes, a few merges; the rest has no token."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    letters = [chr(b) for b in printable] + [chr(256 + i) for i in range(len(others))]
    texts = ["<|begin|>", "<|end|>", *letters, *(m.replace(" ", "") for m in _MERGES)]
    assert len(texts) <= vocabulary
    return {
        "added_tokens": [{"id": i, "content": texts[i], "special": True} for i in range(2)],
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": _QWEN2}, "behavior": "Isolated"},
                {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
            ],
        },
        "post_processor": None,
        "model": {
            "type": "BPE",
            "vocab": {text: i for i, text in enumerate(texts)},
            "merges": _MERGES,
        },
    }


def forward(config: dict[str, Any], tensors: dict[str, Any], ids: list[int]) -> Floats:
    """Logits [len(ids), vocabulary] in 32 bits, as transformers defines a Llama."""
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    width, count = config["head_dim"], len(ids)
    w = {name: array.astype(np.float32) for name, array in tensors.items()}
    half = np.arange(0, width, 2, dtype=np.float32) / width
    angles = np.outer(np.arange(count), config["rope_theta"] ** -half)
    cos, sin = (np.tile(f(angles), 2)[:, None, :] for f in (np.cos, np.sin))

    def norm(x: Floats, weight: Floats) -> Floats:
        mean = (x * x).mean(-1, keepdims=True)
        return x / np.sqrt(mean + config["rms_norm_eps"]) * weight

    def rotate(x: Floats) -> Floats:
        first, second = np.split(x, 2, -1)
        return x * cos + np.concatenate((-second, first), -1) * sin

    x = w["model.embed_tokens.weight"][ids]
    mask = np.triu(np.full((count, count), -np.inf, np.float32), 1)
    for i in range(config["num_hidden_layers"]):
        at = f"model.layers.{i}."
        y = norm(x, w[at + "input_layernorm.weight"])
        q, k, v = (
            (y @ w[at + f"self_attn.{p}_proj.weight"].T).reshape(count, -1, width) for p in "qkv"
        )
        q, k = rotate(q), np.repeat(rotate(k), heads // kv_heads, 1)
        v = np.repeat(v, heads // kv_heads, 1)
        scores = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(width) + mask
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        y = np.einsum("hij,jhd->ihd", scores, v).reshape(count, -1)
        x = x + y @ w[at + "self_attn.o_proj.weight"].T
        y = norm(x, w[at + "post_attention_layernorm.weight"])
        gate, up = (y @ w[at + f"mlp.{p}_proj.weight"].T for p in ("gate", "up"))
        x = x + (gate / (1 + np.exp(-gate)) * up) @ w[at + "mlp.down_proj.weight"].T
    head = w.get("lm_head.weight", w["model.embed_tokens.weight"])
    return norm(x, w["model.norm.weight"]) @ head.T
