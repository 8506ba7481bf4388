"""Checkpoint folders written byte by byte, so that tests decide everything in them."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SIZES = {
    "F32": 4,
    "I32": 4,
    "U32": 4,
    "F16": 2,
    "BF16": 2,
    "I8": 1,
    "U8": 1,
    "F8_E4M3": 1,
    "I64": 8,
}

Tensors = Mapping[str, tuple[str, Sequence[int]]]
"""Name -> type and shape."""

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 64,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
}

LINEAR = {
    "self_attn.q_proj": (128, 128),
    "self_attn.k_proj": (64, 128),
    "self_attn.v_proj": (64, 128),
    "self_attn.o_proj": (128, 128),
    "mlp.gate_proj": (256, 128),
    "mlp.up_proj": (256, 128),
    "mlp.down_proj": (128, 256),
}
"""Output and input sides of a layer's matrices."""

LAYER_WEIGHTS = 2 * sum(math.prod(shape) for shape in LINEAR.values())
OTHER_WEIGHTS = 2 * 64 * 128 + 5 * 128
"""Embedding, head and norms."""


def header_text(tensors: Tensors, metadata: Mapping[str, str] | None = None) -> bytes:
    entries: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    place = 0
    for name, (dtype, shape) in tensors.items():
        size = math.prod(shape) * SIZES[dtype]
        entries[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [place, place + size],
        }
        place += size
    return json.dumps(entries).encode()


def safetensors_file(
    tensors: Tensors,
    metadata: Mapping[str, str] | None = None,
    data: Mapping[str, bytes] | None = None,
) -> bytes:
    """A whole file; tensors without `data` hold zeros."""
    text = header_text(tensors, metadata)
    contents = data or {}
    parts = [
        contents.get(name, bytes(math.prod(shape) * SIZES[dtype]))
        for name, (dtype, shape) in tensors.items()
    ]
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def file_with_header(text: bytes, data: int = 0) -> bytes:
    """A file with any header text."""
    return struct.pack("<Q", len(text)) + text + bytes(data)


def plain_tensors(dtype: str = "F16") -> dict[str, tuple[str, Sequence[int]]]:
    """The small Llama of CONFIG."""
    tensors: dict[str, tuple[str, Sequence[int]]] = dict(unpacked_tensors(dtype))
    for module, shape in linear_shapes().items():
        tensors[f"{module}.weight"] = (dtype, shape)
    return tensors


def unpacked_tensors(dtype: str = "F16") -> dict[str, tuple[str, Sequence[int]]]:
    """What no weight-only method packs: embedding, head, norms."""
    tensors: dict[str, tuple[str, Sequence[int]]] = {
        "model.embed_tokens.weight": (dtype, (64, 128)),
        "lm_head.weight": (dtype, (64, 128)),
        "model.norm.weight": (dtype, (128,)),
    }
    for layer in range(2):
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"model.layers.{layer}.{norm}.weight"] = (dtype, (128,))
    return tensors


def linear_shapes() -> dict[str, tuple[int, int]]:
    return {
        f"model.layers.{layer}.{name}": shape
        for layer in range(2)
        for name, shape in LINEAR.items()
    }


def gptq_tensors(
    bits: int = 4, group: int = 64, index: bool = True
) -> dict[str, tuple[str, Sequence[int]]]:
    """The same model packed by GPTQ; group -1: one for all columns."""
    tensors = unpacked_tensors()
    for module, (outputs, inputs) in linear_shapes().items():
        groups = 1 if group == -1 else inputs // group
        tensors[f"{module}.qweight"] = ("I32", (inputs * bits // 32, outputs))
        tensors[f"{module}.qzeros"] = ("I32", (groups, outputs * bits // 32))
        tensors[f"{module}.scales"] = ("F16", (groups, outputs))
        if index:
            tensors[f"{module}.g_idx"] = ("I32", (inputs,))
    return tensors


def awq_tensors(bits: int = 4, group: int = 64) -> dict[str, tuple[str, Sequence[int]]]:
    tensors = unpacked_tensors()
    for module, (outputs, inputs) in linear_shapes().items():
        tensors[f"{module}.qweight"] = ("I32", (inputs, outputs * bits // 32))
        tensors[f"{module}.qzeros"] = ("I32", (inputs // group, outputs * bits // 32))
        tensors[f"{module}.scales"] = ("F16", (inputs // group, outputs))
    return tensors


def write_folder(
    folder: Path,
    tensors: Tensors,
    changes: Mapping[str, Any] | None = None,
    *,
    without: Sequence[str] = (),
    name: str = "model.safetensors",
) -> Path:
    """A folder with CONFIG as changed, and one weight file."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {**CONFIG, **(changes or {})}
    for key in without:
        del config[key]
    (folder / "config.json").write_text(json.dumps(config))
    (folder / name).write_bytes(safetensors_file(tensors, {"format": "pt"}))
    return folder


def write_shards(folder: Path, tensors: Tensors, parts: int = 2, index: bool = True) -> list[str]:
    """Replace the folder's weight file by shards; their names."""
    (folder / "model.safetensors").unlink(missing_ok=True)
    names = [f"model-{i:05}-of-{parts:05}.safetensors" for i in range(1, parts + 1)]
    places = {tensor: names[i % parts] for i, tensor in enumerate(tensors)}
    for name in names:
        held = {tensor: tensors[tensor] for tensor, place in places.items() if place == name}
        (folder / name).write_bytes(safetensors_file(held))
    if index:
        text = json.dumps({"metadata": {}, "weight_map": places})
        (folder / "model.safetensors.index.json").write_text(text)
    return names
