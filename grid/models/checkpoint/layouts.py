"""The tensors that each quantization method stores for a matrix: endings, types and shapes.

The layouts are those that GPTQModel, AutoAWQ, transformers with bitsandbytes or torchao, and mlx-lm
write.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from grid.models.checkpoint.safetensors import SafetensorsTensor

Method = Literal["gptq", "awq", "bnb", "mlx", "torchao"]

StoredPart = tuple[str, str, tuple[int, ...]]
"""Ending of the name after the module's, type, shape."""

_BNB_BLOCK = 64
_BNB_NESTED_BLOCK = 256
_BNB_OFFSET = 0.3839855194091797
"""Stands for the mean of a matrix's scales, which is in its description with all its digits."""
_TORCH_NAMES = {"F16": "float16", "BF16": "bfloat16"}


class Scheme(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the size of a quantized checkpoint.

    `group` is input columns a scale (-1: all of them); `mode` is bitsandbytes' `nf4`, `fp4` or
    `int8`, MLX's `affine`, `mxfp4`, `mxfp8` or `nvfp4`, or torchao's `int8wo` or `float8wo`;
    `double_quant`: bitsandbytes quantizes the scales; `dtype`: the type that everything else is
    saved in (`F16`), empty for its own.
    """

    method: Method
    bits: int
    group: int = -1
    mode: str = ""
    double_quant: bool = False
    dtype: str = ""


def stored_parts(tensor: SafetensorsTensor, scheme: Scheme) -> list[StoredPart]:
    """The tensors that a method stores for the matrix `tensor`, [outputs, inputs]."""
    return _LAYOUTS[scheme.method](tensor, scheme)


def torchao_note(tensor: SafetensorsTensor, scheme: Scheme, packed: bool) -> str:
    """What torchao writes about a tensor into the file's header; empty for other methods."""
    if scheme.method != "torchao":
        return ""
    if not packed:
        return '{"_type": "Tensor"}'
    dtype = {"_type": "torch.dtype", "_data": _TORCH_NAMES.get(tensor.dtype, "float32")}
    block = {"block_size": [1, tensor.shape[1]]}
    if scheme.mode == "int8wo":
        data = {"act_quant_kwargs": None, "reduce_range": False, **block, "dtype": dtype}
        note = {"_type": "Int8Tensor", "_data": data}
        return json.dumps({**note, "_tensor_data_names": ["zero_point", "qdata", "scale"]})
    kernel = {"_type": "KernelPreference", "_data": "AUTO"}
    data = {**block, "mm_config": None, "act_quant_kwargs": None, "kernel_preference": kernel}
    note = {"_type": "Float8Tensor", "_data": {**data, "dtype": dtype}}
    return json.dumps({**note, "_tensor_data_names": ["qdata", "scale"]})


def _gptq_parts(tensor: SafetensorsTensor, scheme: Scheme) -> list[StoredPart]:
    outputs, inputs = tensor.shape
    groups = 1 if scheme.group == -1 else -(-inputs // scheme.group)
    return [
        ("g_idx", "I32", (inputs,)),
        ("qweight", "I32", (_word_count(inputs, scheme), outputs)),
        ("qzeros", "I32", (groups, _word_count(outputs, scheme))),
        ("scales", "F16", (groups, outputs)),
    ]


def _awq_parts(tensor: SafetensorsTensor, scheme: Scheme) -> list[StoredPart]:
    outputs, inputs = tensor.shape
    groups = 1 if scheme.group == -1 else -(-inputs // scheme.group)
    return [
        ("qweight", "I32", (inputs, _word_count(outputs, scheme))),
        ("qzeros", "I32", (groups, _word_count(outputs, scheme))),
        ("scales", "F16", (groups, outputs)),
    ]


def _bnb_parts(tensor: SafetensorsTensor, scheme: Scheme) -> list[StoredPart]:
    if scheme.mode == "int8":
        return [
            ("SCB", "F32", (tensor.shape[0],)),
            ("weight", "I8", tensor.shape),
            ("weight_format", "U8", ()),
        ]
    blocks = -(-tensor.elements // _BNB_BLOCK)
    state: dict[str, object] = {
        "quant_type": scheme.mode,
        "blocksize": _BNB_BLOCK,
        "dtype": _TORCH_NAMES.get(tensor.dtype, "float32"),
        "shape": tensor.shape,
    }
    parts: list[StoredPart] = [
        ("weight", "U8", (-(-tensor.elements // 2), 1)),
        ("weight.absmax", "U8" if scheme.double_quant else "F32", (blocks,)),
        ("weight.quant_map", "F32", (16,)),
    ]
    if scheme.double_quant:
        state |= {"nested_blocksize": _BNB_NESTED_BLOCK, "nested_dtype": "float32"}
        state |= {"nested_offset": _BNB_OFFSET}
        parts.append(("weight.nested_absmax", "F32", (-(-blocks // _BNB_NESTED_BLOCK),)))
        parts.append(("weight.nested_quant_map", "F32", (256,)))
    text = json.dumps(state)
    return [*parts, (f"weight.quant_state.bitsandbytes__{scheme.mode}", "U8", (len(text),))]


def _mlx_parts(tensor: SafetensorsTensor, scheme: Scheme) -> list[StoredPart]:
    outputs, inputs = tensor.shape
    scales = (outputs, inputs // scheme.group)
    codes: StoredPart = ("weight", "U32", (outputs, _word_count(inputs, scheme)))
    if scheme.mode != "affine":
        return [codes, ("scales", "U8", scales)]
    return [codes, ("scales", tensor.dtype, scales), ("biases", tensor.dtype, scales)]


def _word_count(codes: int, scheme: Scheme) -> int:
    return -(-codes * scheme.bits // 32)


def _torchao_parts(tensor: SafetensorsTensor, scheme: Scheme) -> list[StoredPart]:
    outputs, inputs = tensor.shape
    if scheme.mode == "float8wo":
        codes: list[StoredPart] = [("_weight_qdata", "F8_E4M3", (outputs, inputs))]
    else:
        codes = [
            ("_weight_qdata", "I8", (outputs, inputs)),
            ("_weight_zero_point", "I8", (outputs, 1)),
        ]
    return [*codes, ("_weight_scale", "F32", (outputs, 1))]


_LAYOUTS: Mapping[str, Callable[[SafetensorsTensor, Scheme], list[StoredPart]]] = {
    "gptq": _gptq_parts,
    "awq": _awq_parts,
    "bnb": _bnb_parts,
    "mlx": _mlx_parts,
    "torchao": _torchao_parts,
}
