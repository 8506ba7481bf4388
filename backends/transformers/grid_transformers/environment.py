"""What a reader of a number must know of the engine that made it: versions, kernels, types."""

from __future__ import annotations

import importlib.metadata
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from grid.backend import Options

_TORCHAO = re.compile(r"(?:int|float|fp)_?(\d+)_?(?:dynamic|static)_?activation", re.IGNORECASE)
_FP8 = frozenset({"fp8", "fbgemm_fp8"})
"""Methods that multiply in 8 bits where an accelerator can; on a CPU their weights are unpacked."""
_SIXTEEN = 16


def describe(model: Any, options: Options) -> Mapping[str, str]:
    """Versions, number types, attention, threads and the kernels of quantized layers."""
    import torch
    import transformers

    dtype = str(model.dtype).removeprefix("torch.")
    return {
        "engine": f"transformers {transformers.__version__}",
        "torch": str(torch.__version__),
        "device": str(model.device),
        "dtype": dtype,
        "kv_dtype": dtype,
        "attention": str(getattr(model.config, "_attn_implementation", "")),
        "threads": str(torch.get_num_threads()),
        "batch": str(options["batch"]),
        "quantization": _method(getattr(model.config, "quantization_config", None)),
        "kernels": kernels(model),
        "activations": activations(model, dtype),
        "cpu_capability": str(torch.backends.cpu.get_cpu_capability()),
    }


def activations(model: Any, dtype: str) -> str:
    """What becomes of activations, read from the kernels' sources: `stay at float32`, or what the
    quantized layers round them to."""
    texts = {text for module in model.modules() if (text := _rounding(module))}
    config = getattr(model.config, "quantization_config", None)
    if config is not None:
        values = config if isinstance(config, Mapping) else config.to_dict()
        texts |= {text for text in [quantized_activations(values, str(model.device))] if text}
    return "; ".join(sorted(texts)) if texts else f"stay at {dtype}"


def _rounding(module: Any) -> str:
    name = type(module).__name__
    if name == "Linear8bitLt":
        return "are quantized in quantized layers to 8 bits, outliers apart"
    packed = name.startswith(_BFLOAT16)
    if packed or (getattr(module, "support_avx512bf16_for_cpu", False) and _on_cpu(module)):
        return "are rounded in quantized layers to bfloat16"
    return ""


_BFLOAT16 = ("TorchAten", "TorchFused")
"""Kernels of GPTQModel that multiply in bfloat16 whatever the model computes in."""


def _on_cpu(module: Any) -> bool:
    return bool(module.weight.device.type == "cpu")


def _method(config: Any) -> str:
    """The name of the quantization method, `none` for a checkpoint that has none."""
    if config is None:
        return "none"
    method = config.get("quant_method") if isinstance(config, dict) else config.quant_method
    return str(getattr(method, "value", method))


def kernels(model: Any) -> str:
    """Classes of the linear layers with how many there are, the packages of foreign ones, and what
    activations are rounded to."""
    counts: Counter[str] = Counter()
    packages: set[str] = set()
    for module in model.modules():
        kind = type(module)
        weight = getattr(module, "weight", None)
        if "linear" not in kind.__name__.lower() and "quant" not in kind.__name__.lower():
            continue
        data = getattr(weight, "data", None)
        # torchao leaves the layer as it is and puts a tensor of its own kind into it.
        packed = hasattr(data, "__tensor_flatten__") and type(data).__name__ != "Tensor"
        name = f"{kind.__name__}[{type(data).__name__}]" if packed else kind.__name__
        counts[name] += 1
        packages.add(kind.__module__.partition(".")[0])
        packages.add(type(data).__module__.partition(".")[0])
    named = ", ".join(f"{name} x{count}" for name, count in sorted(counts.items()))
    versions = ", ".join(filter(None, map(_version, sorted(packages))))
    return f"{named} ({versions})" if versions else named


def _version(package: str) -> str:
    if package in ("torch", "builtins", "transformers"):
        return ""
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return ""


def quantized_activations(quantization_config: Mapping[str, Any], device: str) -> str:
    """`are quantized to 8 bits` (or how few there are) for a checkpoint whose `quantization_config`
    of config.json says so, `` where activations keep their type.

    `device` is `cpu`, `cuda`, `cuda:1` or `mps`.
    """
    method = str(quantization_config.get("quant_method") or "").replace("_", "-")
    bits: set[int] = set()
    if method in ("compressed-tensors", "sparseml"):
        bits = set(_activation_widths(quantization_config.get("config_groups")))
    elif method == "torchao":
        bits = {int(width) for width in _TORCHAO.findall(str(quantization_config))}
    elif method.replace("-", "_") in _FP8 and device.partition(":")[0] != "cpu":
        bits = set() if quantization_config.get("dequantize") else {8}
    if not bits:
        return ""
    return f"are quantized to {' and '.join(map(str, sorted(bits)))} bits"


def _activation_widths(groups: Any) -> list[int]:
    """Bits of the activations of each group of layers that quantizes them."""
    schemes = [
        group.get("input_activations")
        for group in (groups.values() if isinstance(groups, Mapping) else ())
        if isinstance(group, Mapping)
    ]
    widths = [scheme.get("num_bits", 8) for scheme in schemes if isinstance(scheme, Mapping)]
    return [bits for bits in widths if isinstance(bits, int) and bits < _SIXTEEN]
