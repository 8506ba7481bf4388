"""What a reader of a number must know of the engine that made it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grid_transformers.environment import quantized_activations

from grid.models.checkpoint.files import read_config


def activations(path: Path, device: str) -> str:
    """`are quantized to 8 bits` where the folder's method does that, else nothing."""
    quantization = read_config(path).get("quantization_config")
    return quantized_activations(quantization, device) if isinstance(quantization, Mapping) else ""


def kernels(model: Any) -> set[str]:
    """Classes that multiply by the weights, and the kernel each chose where there is a choice."""
    names = set()
    for module in model.modules():
        method = getattr(module, "quant_method", None) or getattr(module, "scheme", None)
        if method is None:
            continue
        kernel = getattr(method, "kernel", None)
        names.add(type(kernel if kernel is not None else method).__name__)
    return names
