"""Check that a checkpoint's packed tensors are what its quantization_config declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from grid.errors import InputError
from grid.models.checkpoint.quantization_scheme import Quantization
from grid.models.checkpoint.safetensors import DTYPE_BITS, SafetensorsTensor, TensorsByName
from grid.models.checkpoint.weights import PackedMatrix, module_name

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
    "modelopt": (re.compile(r"\.weight_scale$"), "no tensor named *.weight_scale"),
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
    if quantization.overrides:
        return
    check, by_name = _CHECKS.get(quantization.format), {tensor.name: tensor for tensor in tensors}
    for tensor in tensors:
        module = module_name(tensor.name, quantization)
        if quantization.format == "bnb":
            _check_bnb(tensor, by_name, quantization)
        elif check and module != tensor.name:
            check(PackedMatrix(module, tensor, by_name, quantization))


def _check_gptq(matrix: PackedMatrix) -> None:
    """qweight [in * bits / word, out], scales [groups, out], g_idx [in]."""
    if matrix.quantization.layout not in ("gptq", "gptq_v2"):
        return
    codes, bits, scales = matrix.codes, matrix.bits, _scales(matrix, "scales")
    stored = codes.shape[0] * DTYPE_BITS[codes.dtype]
    actual_bits = _gptq_bits(matrix, stored)
    if (actual_bits is not None and actual_bits != bits) or stored % bits:
        rows = f"{codes.shape[0]} rows of words"
        actual = rows if actual_bits is None else f"{actual_bits:g} bits"
        raise _contradiction(matrix.quantization, matrix.module, f"{bits} bits", actual)
    if scales.shape[1] != codes.shape[1]:
        columns = f"{codes.shape[1]} columns", f"{scales.shape[1]} of scales"
        raise _contradiction(matrix.quantization, matrix.module, *columns)
    _check_groups(matrix, stored // bits, scales.shape[0])


def _gptq_bits(matrix: PackedMatrix, stored: int) -> float | None:
    """Bits a weight has, by the number of inputs or else by the zero points; None: unknown."""
    codes, index, zeros = matrix.codes, matrix.companion("g_idx"), matrix.companion("qzeros")
    if index is not None and index.elements:
        return stored / index.elements
    if zeros is not None and len(zeros.shape) == 2 and codes.shape[1]:
        return zeros.shape[1] * DTYPE_BITS[zeros.dtype] / codes.shape[1]
    return None


def _check_awq(matrix: PackedMatrix) -> None:
    """qweight [in, out * bits / 32], scales [groups, out]; the `gemm` layout only."""
    if matrix.quantization.layout != "gemm":
        return
    codes, bits, scales = matrix.codes, matrix.bits, _scales(matrix, "scales")
    stored = codes.shape[1] * DTYPE_BITS[codes.dtype]
    if stored != scales.shape[1] * bits:
        actual = f"{stored / max(scales.shape[1], 1):g} bits"
        raise _contradiction(matrix.quantization, matrix.module, f"{bits} bits", actual)
    _check_groups(matrix, codes.shape[0], scales.shape[0])


def _check_mlx(matrix: PackedMatrix) -> None:
    """weight [.., in * bits / 32], scales [.., in / group]."""
    if matrix.codes.dtype != "U32":
        return
    scales, group_bits = _scales(matrix, "scales"), matrix.bits * (matrix.quantization.group or 64)
    stored = matrix.codes.shape[-1] * 32
    if stored != scales.shape[-1] * group_bits:
        actual = f"{stored / max(scales.shape[-1], 1):g}"
        declared = f"{group_bits} bits a scale"
        raise _contradiction(matrix.quantization, matrix.module, declared, actual)


def _check_compressed(matrix: PackedMatrix) -> None:
    """weight_packed [out, in * bits / 32], weight_scale [out, groups]."""
    codes, quantization = matrix.codes, matrix.quantization
    if quantization.layout != "pack-quantized" or not codes.name.endswith(".weight_packed"):
        return
    scales = _scales(matrix, "weight_scale")
    if quantization.group and quantization.group > 0 and quantization.bits:
        padded = codes.shape[-1] * (DTYPE_BITS[codes.dtype] // quantization.bits)
        _check_groups(matrix, padded, scales.shape[-1])


def _scales(matrix: PackedMatrix, ending: str) -> SafetensorsTensor:
    """The scales beside codes. Raises InputError where there are none, or no matrices."""
    codes, scales = matrix.codes, matrix.companion(ending)
    if scales is None:
        raise InputError(f"{codes.path}: {codes.name} has no scales beside it; get it again")
    if len(codes.shape) < 2 or len(scales.shape) < 2:
        raise InputError(f"{codes.path}: {codes.name} and its scales are no matrices")
    return scales


def _check_groups(matrix: PackedMatrix, inputs: int, groups: int) -> None:
    size = matrix.quantization.group or -1
    expected = 1 if size == -1 else -(-inputs // size)
    if groups != expected:
        declared = "one group" if size == -1 else f"groups of {size}"
        actual = f"{groups} groups of {inputs / groups:g}" if groups else "none"
        raise _contradiction(matrix.quantization, matrix.module, declared, actual)


def _check_bnb(
    state: SafetensorsTensor, tensors: TensorsByName, quantization: Quantization
) -> None:
    """The stored state is named by its kind; scales are bytes where quantized in turn."""
    module, _, kind = state.name.partition(".weight.quant_state.bitsandbytes__")
    if not kind:
        if quantization.layout != "int8" and state.name.endswith(".SCB"):
            module = state.name.removesuffix(".SCB")
            raise _contradiction(quantization, module, quantization.layout, "int8")
        return
    if kind != quantization.layout:
        raise _contradiction(quantization, module, quantization.layout, kind)
    scales = tensors.get(f"{module}.weight.absmax")
    double = quantization.quant.endswith("-dq")
    if scales is not None and (scales.dtype == "U8") != double:
        declared = "quantized scales" if double else "plain scales"
        raise _contradiction(quantization, module, declared, f"scales in {scales.dtype}")


def _contradiction(
    quantization: Quantization, module: str, declared: str, actual: str
) -> InputError:
    return InputError(
        f"{quantization.where}: quantization_config says {declared}, but {module} has {actual}; "
        "config and weights are of different quantizations"
    )


_CHECKS: Mapping[str, Callable[[PackedMatrix], None]] = {
    "gptq": _check_gptq,
    "awq": _check_awq,
    "mlx": _check_mlx,
    "compressed-tensors": _check_compressed,
}
