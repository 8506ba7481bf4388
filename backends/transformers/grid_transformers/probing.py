"""What of the engine is installed, asked in its own environment."""

from __future__ import annotations

import importlib.util

from grid.backend import Availability
from grid.hardware.node import Node

_PACKAGES = ("torch", "transformers", "accelerate", "safetensors", "tokenizers")
"""Without these no checkpoint loads. The packages of quantized kinds are looked for when one is."""


def probe(node: Node, mend: str) -> Availability:
    """Imports torch and transformers; devices are those that torch can compute on."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        return Availability(ready=False, reason=f"{missing[0]} is not installed", mend=mend)
    from grid_transformers.loading import quiet

    quiet()
    try:
        import torch
        import transformers  # noqa: F401  (whether it imports)
    except (ImportError, OSError, RuntimeError) as error:
        line = str(error).strip().splitlines()[0]
        return Availability(
            ready=False,
            reason=f"torch or transformers does not load: {line}",
            mend=f"{mend} --reinstall",
        )
    return Availability(ready=True, version=stack_version(), devices=("cpu", *_devices(torch)))


def stack_version() -> str:
    """Versions as the imported packages say them, torch's with the kind of its build: what `probe`
    and a loaded engine both give."""
    import torch
    import transformers

    return f"transformers {transformers.__version__}, torch {torch.__version__}"


def _devices(torch: object) -> list[str]:
    from typing import Any

    found: Any = torch
    if found.cuda.is_available():
        count = found.cuda.device_count()
        return ["cuda", *(f"cuda:{index}" for index in range(1, count))]
    return ["mps"] if found.backends.mps.is_available() else []
