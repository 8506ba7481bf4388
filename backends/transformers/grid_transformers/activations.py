"""Whether a checkpoint's method quantizes activations too, told from its configuration alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TORCHAO = re.compile(r"(?:int|float|fp)_?(\d+)_?(?:dynamic|static)_?activation", re.IGNORECASE)
_FP8 = frozenset({"fp8", "fbgemm_fp8"})
"""Methods that multiply in 8 bits where an accelerator can; on a CPU their weights are unpacked."""
_SIXTEEN = 16


def quantized_activations(quantization_config: Mapping[str, Any], device: str) -> str:
    """`are quantized to 8 bits` (or how few there are) for a checkpoint whose `quantization_config`
    of config.json says so, `` where activations keep their type.

    `device` is `cpu`, `cuda`, `cuda:1` or `mps`.
    """
    method = str(quantization_config.get("quant_method") or "").replace("_", "-")
    bits: set[int] = set()
    if method in ("compressed-tensors", "sparseml"):
        bits = set(_of_groups(quantization_config.get("config_groups")))
    elif method == "torchao":
        bits = {int(found) for found in _TORCHAO.findall(str(quantization_config))}
    elif method.replace("-", "_") in _FP8 and device.partition(":")[0] != "cpu":
        bits = set() if quantization_config.get("dequantize") else {8}
    if not bits:
        return ""
    return f"are quantized to {' and '.join(map(str, sorted(bits)))} bits"


def _of_groups(groups: Any) -> list[int]:
    """Bits of the activations of each group of layers that quantizes them."""
    said = [
        group.get("input_activations")
        for group in (groups.values() if isinstance(groups, Mapping) else ())
        if isinstance(group, Mapping)
    ]
    found = [scheme.get("num_bits", 8) for scheme in said if isinstance(scheme, Mapping)]
    return [bits for bits in found if isinstance(bits, int) and bits < _SIXTEEN]
