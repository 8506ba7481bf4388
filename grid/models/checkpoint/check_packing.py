"""Check that a checkpoint's packed tensors are what its quantization_config declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from grid.errors import InputError
from grid.models.checkpoint.quantization import Quantization
from grid.models.checkpoint.safetensors import DTYPE_BITS, SafetensorsTensor, TensorsByName

_MARKERS: Mapping[str, tuple[re.Pattern[str], str]] = {
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

_PACKED_NAME = re.compile(r"\.(qweight|W_q|codes|weight_packed|weight\.quant_state\.\w+|SCB)$")


def check_packing(
    folder: Path, tensors: Sequence[SafetensorsTensor], quantization: Quantization | None
) -> None:
    """Raise InputError where declared quantization and tensors contradict each other."""
    if quantization is None:
        packed = next((tensor.name for tensor in tensors if _PACKED_NAME.search(tensor.name)), None)
        if packed:
            raise InputError(
                f"{folder}: {packed} is quantized, but there is no quantization_config in "
                "config.json nor a quantize_config.json; get the file that says how"
            )
        return
    marker = _MARKERS.get(quantization.format)
    if marker and not any(marker[0].search(tensor.name) for tensor in tensors):
        raise InputError(
            f"{quantization.where}: quantization_config says {quantization.quant}, but there is "
            f"{marker[1]} in the weights; they are not quantized that way"
        )
    check = _CHECKS.get(quantization.format)
    if check and not quantization.overrides:
        by_name = {tensor.name: tensor for tensor in tensors}
        for tensor in tensors:
            check(tensor, by_name, quantization)


def _check_gptq(
    codes: SafetensorsTensor, tensors: TensorsByName, quantization: Quantization
) -> None:
    """qweight [in * bits / word, out], scales [groups, out], g_idx [in]."""
    if not codes.name.endswith(".qweight") or quantization.layout not in ("gptq", "gptq_v2"):
        return
    module = codes.name.removesuffix(".qweight")
    scales, index = _scales(codes, tensors, f"{module}.scales"), tensors.get(f"{module}.g_idx")
    stored, bits = codes.shape[0] * DTYPE_BITS[codes.dtype], quantization.bits or 4
    actual_bits = _gptq_bits(codes, stored, index, tensors.get(f"{module}.qzeros"))
    if (actual_bits is not None and actual_bits != bits) or stored % bits:
        actual = (
            f"{codes.shape[0]} rows of words" if actual_bits is None else f"{actual_bits:g} bits"
        )
        raise _contradiction(quantization, module, f"{bits} bits", actual)
    inputs = stored // bits
    if scales.shape[1] != codes.shape[1]:
        raise _contradiction(
            quantization, module, f"{codes.shape[1]} columns", f"{scales.shape[1]} of scales"
        )
    _check_groups(quantization, module, inputs, scales.shape[0])


def _gptq_bits(
    codes: SafetensorsTensor,
    stored: int,
    index: SafetensorsTensor | None,
    zeros: SafetensorsTensor | None,
) -> float | None:
    """Bits a weight has, by the number of inputs or else by the zero points; None: unknown."""
    if index is not None and index.elements:
        return stored / index.elements
    if zeros is not None and len(zeros.shape) == 2 and codes.shape[1]:
        return zeros.shape[1] * DTYPE_BITS[zeros.dtype] / codes.shape[1]
    return None


def _check_awq(
    codes: SafetensorsTensor, tensors: TensorsByName, quantization: Quantization
) -> None:
    """qweight [in, out * bits / 32], scales [groups, out]; the `gemm` layout only."""
    if not codes.name.endswith(".qweight") or quantization.layout != "gemm":
        return
    module = codes.name.removesuffix(".qweight")
    scales, bits = _scales(codes, tensors, f"{module}.scales"), quantization.bits or 4
    stored = codes.shape[1] * DTYPE_BITS[codes.dtype]
    if stored != scales.shape[1] * bits:
        actual_bits = stored / max(scales.shape[1], 1)
        raise _contradiction(quantization, module, f"{bits} bits", f"{actual_bits:g} bits")
    _check_groups(quantization, module, codes.shape[0], scales.shape[0])


def _check_mlx(
    codes: SafetensorsTensor, tensors: TensorsByName, quantization: Quantization
) -> None:
    """weight [.., in * bits / 32], scales [.., in / group]."""
    if codes.dtype != "U32" or not codes.name.endswith(".weight"):
        return
    module = codes.name.removesuffix(".weight")
    scales = _scales(codes, tensors, f"{module}.scales")
    bits, group = quantization.bits or 4, quantization.group or 64
    stored = codes.shape[-1] * 32
    if stored != scales.shape[-1] * group * bits:
        actual_bits = stored / max(scales.shape[-1], 1)
        raise _contradiction(
            quantization, module, f"{bits * group} bits a scale", f"{actual_bits:g}"
        )


def _check_bnb(
    state: SafetensorsTensor, tensors: TensorsByName, quantization: Quantization
) -> None:
    """The stored state is named by its kind; scales are bytes where quantized in turn."""
    module, _, kind = state.name.partition(".weight.quant_state.bitsandbytes__")
    if not kind:
        if quantization.layout != "int8" and state.name.endswith(".SCB"):
            raise _contradiction(
                quantization, state.name.removesuffix(".SCB"), quantization.layout, "int8"
            )
        return
    if kind != quantization.layout:
        raise _contradiction(quantization, module, quantization.layout, kind)
    scales = tensors.get(f"{module}.weight.absmax")
    double = quantization.quant.endswith("-dq")
    if scales is not None and (scales.dtype == "U8") != double:
        declared = "quantized scales" if double else "plain scales"
        raise _contradiction(quantization, module, declared, f"scales in {scales.dtype}")


def _check_compressed(
    codes: SafetensorsTensor, tensors: TensorsByName, quantization: Quantization
) -> None:
    """weight_packed [out, in * bits / 32], weight_scale [out, groups]."""
    if quantization.layout != "pack-quantized" or not codes.name.endswith(".weight_packed"):
        return
    module = codes.name.removesuffix(".weight_packed")
    scales = _scales(codes, tensors, f"{module}.weight_scale")
    if quantization.group and quantization.group > 0 and quantization.bits:
        padded = codes.shape[-1] * (DTYPE_BITS[codes.dtype] // quantization.bits)
        _check_groups(quantization, module, padded, scales.shape[-1])


def _scales(codes: SafetensorsTensor, tensors: TensorsByName, name: str) -> SafetensorsTensor:
    """The scales beside codes. Raises InputError where there are none, or no matrices."""
    scales = tensors.get(name)
    if scales is None:
        raise InputError(f"{codes.path}: {codes.name} has no scales beside it; get it again")
    if len(codes.shape) < 2 or len(scales.shape) < 2:
        raise InputError(f"{codes.path}: {codes.name} and its scales are no matrices")
    return scales


def _check_groups(quantization: Quantization, module: str, inputs: int, groups: int) -> None:
    size = quantization.group or -1
    expected = 1 if size == -1 else -(-inputs // size)
    if groups != expected:
        declared = "one group" if size == -1 else f"groups of {size}"
        actual = f"{groups} groups of {inputs / groups:g}" if groups else "none"
        raise _contradiction(quantization, module, declared, actual)


def _contradiction(
    quantization: Quantization, module: str, declared: str, actual: str
) -> InputError:
    return InputError(
        f"{quantization.where}: quantization_config says {declared}, but {module} has {actual}; "
        "config and weights are of different quantizations"
    )


_CHECKS: Mapping[str, Callable[[SafetensorsTensor, TensorsByName, Quantization], None]] = {
    "gptq": _check_gptq,
    "awq": _check_awq,
    "mlx": _check_mlx,
    "bnb": _check_bnb,
    "compressed-tensors": _check_compressed,
}
