"""Which of GPTQModel's kernels computes, and what it does to activations and weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from grid.backend import Unsupported
from grid.models.checkpoint.quantization import Quantization
from grid_gptqmodel.options import KERNELS

_INT4_GROUPS = frozenset({16, 32, 64, 128})
_QUANTIZED_ACTIVATIONS = ("W4AFP8", "W4ANVFP4")


def choose(quantization: Quantization, kernel: str, device: str, sym: bool) -> str:
    """GPTQModel's name of the kernel.

    `auto` leaves the choice on an accelerator to GPTQModel. On a CPU it is the one for packed 4-bit
    weights, where activations stay at 16 bits; for other widths and groups the plain one, which
    unpacks the weights. Raises Unsupported where a kernel would compute something else.
    """
    method = quantization.format
    if kernel == "fused" and method == "gptq" and not sym:
        raise Unsupported("kernel fused leaves zero points out, which these weights have; use aten")
    if kernel != "auto":
        return KERNELS[method][kernel]
    if device.partition(":")[0] != "cpu":
        return "auto"
    packed = quantization.bits == 4 and quantization.group in _INT4_GROUPS
    return KERNELS[method]["aten" if packed else "torch"]


def layers(model: Any) -> list[Any]:
    """The quantized layers."""
    from gptqmodel.nn_modules.qlinear import BaseQuantLinear

    return [module for module in model.modules() if isinstance(module, BaseQuantLinear)]


def keep_unpacked(modules: Iterable[Any]) -> None:
    """The plain GPTQ kernel unpacks its weights at every call, which on a CPU takes most of the
    time; it keeps them where asked."""
    for module in modules:
        if hasattr(module, "enable_weight_cache"):
            module.enable_weight_cache(True)


def numerics(modules: Iterable[Any], dtype: str) -> dict[str, str]:
    """What a reader of a number must know: the layers' class, the type that activations have in
    them, and what happens to the weights on the way."""
    names = sorted({type(module).__name__ for module in modules})
    texts = [_numerics(name, dtype) for name in names]
    return {
        "kernel": ", ".join(names),
        "activations": "; ".join(dict.fromkeys(activations for activations, _ in texts)),
        "weights": "; ".join(dict.fromkeys(weights for _, weights in texts)),
    }


def _numerics(name: str, dtype: str) -> tuple[str, str]:
    """Read from each kernel's source in gptqmodel 7.6.0."""
    if name in _INT4_BF16:
        inside = "float16" if dtype == "float16" and "Fused" in name else "bfloat16"
        rounds = "stay at" if inside == dtype else "are rounded in quantized layers to"
        return f"{rounds} {inside}", f"packed, scales rounded to {inside}"
    if name == "TorchLinear":
        return f"stay at {dtype}", f"unpacked to {dtype}"
    if name == "AwqTorchLinear":
        inside = "float16" if dtype == "float32" else dtype
        rounds = "stay at" if inside == dtype else "are rounded in quantized layers to"
        return f"{rounds} {inside}", f"unpacked to {inside}"
    if "Int8" in name:
        return f"stay at {dtype}", "quantized again, to 8 bits a column"
    if any(part in name for part in _QUANTIZED_ACTIVATIONS):
        return "are quantized to 8 bits or fewer", "packed"
    return f"stay at {dtype}", "packed"


_INT4_BF16 = frozenset(
    {"TorchAtenLinear", "TorchAtenAwqLinear", "TorchFusedLinear", "TorchFusedAwqLinear"}
)
