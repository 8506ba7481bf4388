"""Whether a checkpoint's packed tensors are what its quantization_config says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from grid.errors import InputError
from grid.models.checkpoint.quantization import Quantization
from grid.models.checkpoint.safetensors import DTYPE_BITS, Tensor

_SIGNS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "gptq": (re.compile(r"\.qweight$"), "no tensor named *.qweight"),
    "awq": (re.compile(r"\.qweight$"), "no tensor named *.qweight"),
    "bnb": (re.compile(r"\.weight\.absmax$|\.SCB$"), "no scales (*.absmax or *.SCB)"),
    "mlx": (re.compile(r"\.scales$"), "no tensor named *.scales"),
    "hqq": (re.compile(r"\.W_q$"), "no tensor named *.W_q"),
    "fp8": (re.compile(r"\.weight_scale(_inv)?$"), "no tensor named *.weight_scale"),
    "aqlm": (re.compile(r"\.codes$"), "no tensor named *.codes"),
    "compressed-tensors": (
        re.compile(r"\.(weight_packed|weight_scale|compressed|weight_compressed|bitmask)$"),
        "no tensor named *.weight_packed or *.weight_scale",
    ),
}
"""Tensors without which a format's quantization is not there."""

_PACKED = re.compile(r"\.(qweight|W_q|codes|weight_packed|weight\.quant_state\.\w+|SCB)$")


def check_packed(
    folder: Path, tensors: Sequence[Tensor], quantization: Quantization | None
) -> None:
    """Raise InputError where declared quantization and tensors contradict each other."""
    if quantization is None:
        packed = next((t.name for t in tensors if _PACKED.search(t.name)), None)
        if packed:
            raise InputError(
                f"{folder}: {packed} is quantized, but there is no quantization_config in "
                "config.json nor a quantize_config.json; get the file that says how"
            )
        return
    sign = _SIGNS.get(quantization.format)
    if sign and not any(sign[0].search(tensor.name) for tensor in tensors):
        raise InputError(
            f"{quantization.where}: quantization_config says {quantization.quant}, but there is "
            f"{sign[1]} in the weights; they are not quantized that way"
        )
    check = _CHECKS.get(quantization.format)
    if check and not quantization.overrides:
        by_name = {tensor.name: tensor for tensor in tensors}
        for tensor in tensors:
            check(tensor, by_name, quantization)


def _gptq(codes: Tensor, tensors: Mapping[str, Tensor], how: Quantization) -> None:
    """qweight [in * bits / word, out], scales [groups, out], g_idx [in]."""
    if not codes.name.endswith(".qweight") or how.layout not in ("gptq", "gptq_v2"):
        return
    module = codes.name.removesuffix(".qweight")
    scales, index = tensors.get(f"{module}.scales"), tensors.get(f"{module}.g_idx")
    _expect_pair(codes, scales, how)
    assert scales is not None
    stored, bits = codes.shape[0] * DTYPE_BITS[codes.dtype], how.bits or 4
    found = _gptq_bits(codes, stored, index, tensors.get(f"{module}.qzeros"))
    if (found is not None and found != bits) or stored % bits:
        there = f"{codes.shape[0]} rows of words" if found is None else f"{found:g} bits"
        raise _differs(how, module, f"{bits} bits", there)
    inputs = stored // bits
    if scales.shape[1] != codes.shape[1]:
        raise _differs(how, module, f"{codes.shape[1]} columns", f"{scales.shape[1]} of scales")
    _expect_groups(how, module, inputs, scales.shape[0])


def _gptq_bits(
    codes: Tensor, stored: int, index: Tensor | None, zeros: Tensor | None
) -> float | None:
    """Bits a weight has, by the number of inputs or else by the zero points; None: unknown."""
    if index is not None and index.elements:
        return stored / index.elements
    if zeros is not None and len(zeros.shape) == 2 and codes.shape[1]:
        return zeros.shape[1] * DTYPE_BITS[zeros.dtype] / codes.shape[1]
    return None


def _awq(codes: Tensor, tensors: Mapping[str, Tensor], how: Quantization) -> None:
    """qweight [in, out * bits / 32], scales [groups, out]; the `gemm` layout only."""
    if not codes.name.endswith(".qweight") or how.layout != "gemm":
        return
    module = codes.name.removesuffix(".qweight")
    scales, bits = tensors.get(f"{module}.scales"), how.bits or 4
    _expect_pair(codes, scales, how)
    assert scales is not None
    stored = codes.shape[1] * DTYPE_BITS[codes.dtype]
    if stored != scales.shape[1] * bits:
        found = stored / max(scales.shape[1], 1)
        raise _differs(how, module, f"{bits} bits", f"{found:g} bits")
    _expect_groups(how, module, codes.shape[0], scales.shape[0])


def _mlx(codes: Tensor, tensors: Mapping[str, Tensor], how: Quantization) -> None:
    """weight [.., in * bits / 32], scales [.., in / group]."""
    if codes.dtype != "U32" or not codes.name.endswith(".weight"):
        return
    module = codes.name.removesuffix(".weight")
    scales = tensors.get(f"{module}.scales")
    _expect_pair(codes, scales, how)
    assert scales is not None
    bits, group = how.bits or 4, how.group or 64
    stored = codes.shape[-1] * 32
    if stored != scales.shape[-1] * group * bits:
        found = stored / max(scales.shape[-1], 1)
        raise _differs(how, module, f"{bits * group} bits a scale", f"{found:g}")


def _bnb(state: Tensor, tensors: Mapping[str, Tensor], how: Quantization) -> None:
    """The stored state is named by its kind; scales are bytes where quantized in turn."""
    module, _, kind = state.name.partition(".weight.quant_state.bitsandbytes__")
    if not kind:
        if how.layout != "int8" and state.name.endswith(".SCB"):
            raise _differs(how, state.name.removesuffix(".SCB"), how.layout, "int8")
        return
    if kind != how.layout:
        raise _differs(how, module, how.layout, kind)
    scales = tensors.get(f"{module}.weight.absmax")
    double = how.quant.endswith("-dq")
    if scales is not None and (scales.dtype == "U8") != double:
        said = "quantized scales" if double else "plain scales"
        raise _differs(how, module, said, f"scales in {scales.dtype}")


def _compressed(codes: Tensor, tensors: Mapping[str, Tensor], how: Quantization) -> None:
    """weight_packed [out, in * bits / 32], weight_scale [out, groups]."""
    if how.layout != "pack-quantized" or not codes.name.endswith(".weight_packed"):
        return
    module = codes.name.removesuffix(".weight_packed")
    scales = tensors.get(f"{module}.weight_scale")
    _expect_pair(codes, scales, how)
    assert scales is not None
    if how.group and how.group > 0 and how.bits:
        padded = codes.shape[-1] * (DTYPE_BITS[codes.dtype] // how.bits)
        _expect_groups(how, module, padded, scales.shape[-1])


def _expect_pair(codes: Tensor, scales: Tensor | None, how: Quantization) -> None:
    if scales is None:
        raise InputError(f"{codes.path}: {codes.name} has no scales beside it; get it again")
    if len(codes.shape) < 2 or len(scales.shape) < 2:
        raise InputError(f"{codes.path}: {codes.name} and its scales are no matrices")


def _expect_groups(how: Quantization, module: str, inputs: int, groups: int) -> None:
    size = how.group or -1
    expected = 1 if size == -1 else -(-inputs // size)
    if groups != expected:
        said = "one group" if size == -1 else f"groups of {size}"
        found = f"{groups} groups of {inputs / groups:g}" if groups else "none"
        raise _differs(how, module, said, found)


def _differs(how: Quantization, module: str, said: str, found: str) -> InputError:
    return InputError(
        f"{how.where}: quantization_config says {said}, but {module} has {found}; config and "
        "weights are of different quantizations"
    )


_CHECKS: Mapping[str, Callable[[Tensor, Mapping[str, Tensor], Quantization], None]] = {
    "gptq": _gptq,
    "awq": _awq,
    "mlx": _mlx,
    "bnb": _bnb,
    "compressed-tensors": _compressed,
}
