"""What of the engine is installed, asked in its own environment."""

from __future__ import annotations

import importlib.util
from typing import Any

from grid.backend import Availability, Declaration, Node, first_line
from grid_transformers.library import prepare_process, stack_version

_PACKAGES = ("torch", "transformers", "accelerate", "safetensors", "tokenizers")
"""Without these no checkpoint loads. The packages of quantized kinds are looked for when one is."""


def probe(declaration: Declaration, node: Node) -> Availability:
    """Imports torch and transformers; devices are those that torch can compute on."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        return declaration.unavailable(f"{missing[0]} is not installed")
    prepare_process()
    try:
        import torch
        import transformers  # noqa: F401  (whether it imports)
    except (ImportError, OSError, RuntimeError) as error:
        return declaration.unavailable(
            f"torch or transformers does not load: {first_line(error)}",
            f"{declaration.install_command} --reinstall",
        )
    return Availability(ready=True, version=stack_version(), devices=("cpu", *_devices(torch)))


def _devices(torch: Any) -> list[str]:
    if torch.cuda.is_available():
        return ["cuda", *(f"cuda:{index}" for index in range(1, torch.cuda.device_count()))]
    return ["mps"] if torch.backends.mps.is_available() else []
