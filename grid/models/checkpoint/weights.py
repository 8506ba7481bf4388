"""The weights that a checkpoint's tensors stand for, and how many elements packed ones hold.

A packed weight is several tensors: codes, scales, zero points, indices. It counts the elements of
the matrix it stands for, and the bytes of all of them; so bits per weight mean the same as for
GGUF, whose blocks hold their scales.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from grid.errors import InputError
from grid.models.checkpoint.quantization_scheme import Quantization
from grid.models.checkpoint.safetensors import (
    DTYPE_BITS,
    SafetensorsTensor,
    TensorsByName,
    read_shape,
)

LAYER_NAME = re.compile(r"(?:^|\.)(?:layers|layer|h|blocks|block)\.\d+\.")
"""Names inside a repeated layer."""
NON_TEXT_NAME = re.compile(r"(?:^|\.)(?:vision\w*|visual|audio\w*|vit|image\w*|multi_modal\w*)\.")
"""Parts of a model of several kinds that are not its text model."""

_CODES: Mapping[str, tuple[str, ...]] = {
    "gptq": (".qweight",),
    "awq": (".qweight",),
    "bnb": (".weight",),
    "mlx": (".weight",),
    "hqq": (".W_q",),
    "fp8": (".weight",),
    "aqlm": (".codes",),
    "torchao": ("._weight_qdata", ".weight"),
    "compressed-tensors": (".weight_packed", ".weight_compressed", ".weight"),
    "modelopt": (".weight",),
}
"""Endings of the tensor that holds the codes, by format."""

_COMPANIONS: Mapping[str, re.Pattern[str]] = {
    "gptq": re.compile(r"\.(qzeros|scales|g_idx)$"),
    "awq": re.compile(r"\.(qzeros|scales|scaling_factors)$"),
    "bnb": re.compile(
        r"\.weight\.(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.\w+)$"
        r"|\.(SCB|weight_format)$"
    ),
    "mlx": re.compile(r"\.(scales|biases)$"),
    "hqq": re.compile(
        r"\.(scale|zero|scale_q|zero_q|meta_scale|meta_zero|nbits|group_size|axis|shape|"
        r"channel_wise|compute_dtype|quant_scale|quant_zero|view_as_float|unpack_view_dtype|"
        r"packing|offload_meta|optimize|round_zero|stores_quant_config|encoded_state_dict)$"
    ),
    "fp8": re.compile(r"\.(weight_scale(_inv|_2)?|input_scale(_ub)?|activation_scale|[kv]_scale)$"),
    "aqlm": re.compile(r"\.(codebooks|scales)$"),
    "torchao": re.compile(r"\._weight_(?!qdata)\w+$"),
    "compressed-tensors": re.compile(
        r"\.(weight_(shape|scale|zero_point|g_idx|global_scale|bitmask)|row_offsets|shape|"
        r"compressed|bitmask|meta|scale_packed|input_(scale|zero_point|global_scale)|"
        r"[qkv]_(scale|zero_point)|output_(scale|zero_point))$"
    ),
    "modelopt": re.compile(
        r"\.(weight_scale(_2|_inv)?|weight_bias|input_scale|output_scale|pre_quant_scale|[kv]_scale|"
        r"svdquant_lora_[ab])$"
    ),
}
"""Tensors that belong to a packed weight and are no weights of their own."""


class Weight(NamedTuple):
    """One weight of the model: `elements` of it, `bytes` with all that belongs to it.

    `name` is the module's for a packed weight, else the tensor's; `shape` is the tensor's where it
    is not packed.
    """

    name: str
    elements: int
    bytes: int
    shape: tuple[int, ...] | None

    @property
    def packed(self) -> bool:
        return self.shape is None

    @property
    def matrix(self) -> bool:
        """More than one dimension."""
        return self.shape is None or len(self.shape) > 1

    @property
    def in_layer(self) -> bool:
        """A weight matrix of a text layer, which is what bits per layer weight are taken over."""
        return (
            self.matrix
            and bool(LAYER_NAME.search(self.name))
            and not NON_TEXT_NAME.search(self.name)
        )


class PackedMatrix(NamedTuple):
    """The codes of one matrix, and the tensors among which its scales and indices are."""

    module: str
    codes: SafetensorsTensor
    tensors: TensorsByName
    quantization: Quantization

    def companion(self, ending: str) -> SafetensorsTensor | None:
        return self.tensors.get(f"{self.module}.{ending}")

    @property
    def code_bits(self) -> int:
        """Bits of all codes as they are stored."""
        return self.codes.elements * DTYPE_BITS[self.codes.dtype]

    @property
    def bits(self) -> int:
        """Bits of one weight; 4 where the configuration does not say."""
        return self.quantization.bits or 4


def unpack_weights(
    tensors: Sequence[SafetensorsTensor], quantization: Quantization | None
) -> list[Weight]:
    """The weights in the order of the tensors; without a quantization each tensor is one."""
    if quantization is None:
        return [_plain_weight(tensor) for tensor in tensors]
    by_name = {tensor.name: tensor for tensor in tensors}
    companions = _COMPANIONS[quantization.format]
    matches = {name: companions.search(name) for name in by_name}
    modules = {module_name(name, quantization) for name, match in matches.items() if match is None}
    weight_tensors: list[SafetensorsTensor] = []
    companion_bytes: Counter[str] = Counter()
    for tensor in tensors:
        match = matches[tensor.name]
        module = tensor.name[: match.start()] if match else ""
        if match and module in modules:
            companion_bytes[module] += tensor.bytes
        else:
            weight_tensors.append(tensor)
    return [
        _unpack_weight(tensor, by_name, companion_bytes, quantization) for tensor in weight_tensors
    ]


def bits_per_weight(weights: Sequence[Weight]) -> float:
    """Bytes * 8 / elements, scales and indices included in the bytes."""
    return sum(weight.bytes for weight in weights) * 8 / sum(weight.elements for weight in weights)


def _plain_weight(tensor: SafetensorsTensor) -> Weight:
    return Weight(tensor.name, tensor.elements, tensor.bytes, tensor.shape)


def module_name(name: str, quantization: Quantization) -> str:
    """The module whose codes a tensor holds; the tensor's own name where it holds none."""
    for ending in _CODES[quantization.format]:
        if name.endswith(ending):
            return name.removesuffix(ending)
    return name


def _unpack_weight(
    tensor: SafetensorsTensor,
    tensors: TensorsByName,
    companion_bytes: Counter[str],
    quantization: Quantization,
) -> Weight:
    module = module_name(tensor.name, quantization)
    if module == tensor.name:
        return _plain_weight(tensor)
    size = tensor.bytes + companion_bytes[module]
    matrix = PackedMatrix(module, tensor, tensors, quantization)
    elements = _ELEMENTS[quantization.format](matrix)
    if elements is None:
        return _plain_weight(tensor)._replace(bytes=size)
    return Weight(module, elements, size, None)


def _gptq_elements(matrix: PackedMatrix) -> int:
    """GPTQ and AWQ: output columns from the scales, inputs from the indices, else by the bits."""
    scales, index = matrix.companion("scales"), matrix.companion("g_idx")
    if scales is not None and len(scales.shape) == 2:
        if index is not None:
            return index.elements * scales.shape[1]
        if matrix.quantization.format == "awq" and matrix.quantization.layout == "gemm":
            return matrix.codes.shape[0] * scales.shape[1]
    return matrix.code_bits // matrix.bits


def _bnb_elements(matrix: PackedMatrix) -> int | None:
    codes = matrix.codes
    if codes.dtype == "I8":
        return codes.elements if matrix.companion("SCB") is not None else None
    packed = matrix.companion("weight.absmax") is not None
    return codes.elements * (DTYPE_BITS[codes.dtype] // 4) if packed else None


def _mlx_elements(matrix: PackedMatrix) -> int | None:
    """Rows of 32-bit words beside one scale for each group."""
    scales, quantization = matrix.companion("scales"), matrix.quantization
    if matrix.codes.dtype != "U32" or scales is None:
        return None
    if quantization.overrides:
        return scales.elements * quantization.groups.get(matrix.module, quantization.group or 64)
    return matrix.code_bits // matrix.bits


def _hqq_elements(matrix: PackedMatrix) -> int:
    scale, group = matrix.companion("scale"), matrix.quantization.group or 0
    if matrix.bits == 3 and scale is not None and group > 0:
        return scale.elements * group
    return matrix.code_bits // matrix.bits


def _compressed_elements(matrix: PackedMatrix) -> int | None:
    """By the shape that is stored beside codes whose rows may be padded, else by the bits of the
    module's group."""
    codes = matrix.codes
    if codes.name.endswith(".weight"):
        return codes.elements if DTYPE_BITS[codes.dtype] <= 8 else None
    shape = matrix.companion("weight_shape")
    sides = read_shape(shape) if shape is not None else None
    if sides is not None and math.prod(sides) <= matrix.code_bits:
        return math.prod(sides)
    return matrix.code_bits // _group_bits(matrix)


def _group_bits(matrix: PackedMatrix) -> int:
    """Bits of the module's group; where no group names the module, of the group whose scales fit
    the codes. Raises InputError where none does: a guess would count weights wrongly."""
    schemes = matrix.quantization.schemes_of(matrix.module)
    if not matrix.quantization.module_schemes:
        return matrix.bits
    if len(schemes) == 1:
        return schemes[0].bits
    scales = matrix.companion("weight_scale")
    fitting = {
        scheme.bits
        for scheme in schemes
        if scales is not None
        and matrix.code_bits == scales.elements * (scheme.group or 0) * scheme.bits
    }
    if len(fitting) != 1:
        raise InputError(
            f"{matrix.quantization.where}: quantization_config: no group of config_groups names "
            f"{matrix.module[:200]}, which is packed; get the config.json that came with it"
        )
    return fitting.pop()


def _modelopt_elements(matrix: PackedMatrix) -> int | None:
    """Two 4-bit codes a byte, one of 8 bits; without scales beside it a matrix is not packed."""
    if matrix.companion("weight_scale") is None or DTYPE_BITS[matrix.codes.dtype] != 8:
        return None
    return matrix.codes.elements * (2 if matrix.codes.dtype == "U8" else 1)


def _fp8_elements(matrix: PackedMatrix) -> int | None:
    return matrix.codes.elements if DTYPE_BITS[matrix.codes.dtype] == 8 else None


def _aqlm_elements(matrix: PackedMatrix) -> int:
    return math.prod(matrix.codes.shape[:2]) * matrix.quantization.block


def _torchao_elements(matrix: PackedMatrix) -> int | None:
    """One element a byte, except where 4-bit codes share bytes or words."""
    codes = matrix.codes
    if codes.name.endswith(".weight"):
        return None
    per_code = DTYPE_BITS[codes.dtype] // 4 if codes.dtype in ("U8", "I32") else 1
    return codes.elements * per_code


_ELEMENTS: Mapping[str, Callable[[PackedMatrix], int | None]] = {
    "gptq": _gptq_elements,
    "awq": _gptq_elements,
    "bnb": _bnb_elements,
    "mlx": _mlx_elements,
    "hqq": _hqq_elements,
    "fp8": _fp8_elements,
    "aqlm": _aqlm_elements,
    "torchao": _torchao_elements,
    "compressed-tensors": _compressed_elements,
    "modelopt": _modelopt_elements,
}
"""Elements of the matrix that codes stand for, by format; None where they are not packed."""
