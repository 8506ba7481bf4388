"""Read what a model is from a folder in Hugging Face's layout, with the standard library alone."""

from __future__ import annotations

import json
import math
from hashlib import sha256
from pathlib import Path
from typing import Any

from grid.errors import InputError
from grid.model import LayerState, Model

_HEADER_LIMIT = 100_000_000
"""Largest header that the safetensors format allows, bytes."""


def read_folder(folder: Path, source: str, name: str, family: str) -> Model:
    """The model in a folder with config.json and model.safetensors.

    Parameters are counted from the tensors' shapes. Raises InputError where a file is missing or
    says something impossible.
    """
    config = _read_config(folder / "config.json")
    weights = folder / "model.safetensors"
    try:
        content = weights.read_bytes()
    except OSError as error:
        raise InputError(f"{weights}: {error.strerror}") from None
    try:
        return Model(
            name=name,
            family=family,
            source=source,
            revision=sha256(content).hexdigest(),
            architecture=str(config["model_type"]),
            parameters=_count_elements(weights, content),
            context_length=int(config["max_position_embeddings"]),
            vocabulary=int(config["vocab_size"]),
            layers=_layers(config),
        )
    except KeyError as error:
        raise InputError(f"{folder / 'config.json'}: {error.args[0]} is missing") from None


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    if not isinstance(config, dict):
        raise InputError(f"{path}: not a JSON object")
    return config


def _layers(config: dict[str, Any]) -> tuple[LayerState, ...]:
    heads = int(config["num_attention_heads"])
    width = int(config.get("head_dim") or int(config["hidden_size"]) // heads)
    kept = width * int(config.get("num_key_value_heads") or heads)
    return (LayerState(key=kept, value=kept),) * int(config["num_hidden_layers"])


def _count_elements(path: Path, content: bytes) -> int:
    """Elements of all tensors: the header is its length (8 bytes, little-endian), then JSON."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(_HEADER_LIMIT, len(content) - 8):
        raise InputError(f"{path}: not safetensors, or truncated")
    try:
        header = json.loads(content[8 : 8 + length])
        shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
        return sum(math.prod(int(side) for side in shape) for shape in shapes)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise InputError(f"{path}: not safetensors: its header cannot be read") from None
