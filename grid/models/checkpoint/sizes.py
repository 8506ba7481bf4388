"""Predict the size of a quantized checkpoint from the tensors of the 16-bit one alone.

Each method decides which matrices it packs; what it stores in their place is in `layouts`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from grid.errors import InputError
from grid.models.artifact import PredictedSize
from grid.models.checkpoint.files import read_config, read_weights
from grid.models.checkpoint.layouts import Scheme, stored_parts, torchao_note
from grid.models.checkpoint.quantization import Quantization
from grid.models.checkpoint.safetensors import DTYPE_BITS, SafetensorsTensor, header_bytes
from grid.models.checkpoint.weights import (
    LAYER_NAME,
    NON_TEXT_NAME,
    bits_per_weight,
    unpack_weights,
)

__all__ = [
    "PredictedSize",
    "Scheme",
    "folder_tensors",
    "is_packed",
    "predict",
    "recipe_bytes",
    "scheme_of",
    "wants_packed",
]

_UNPACKED_NAME = re.compile(
    r"(?:^|\.)(?:\w*embed\w*|wte|wpe|gate|router|shared_expert_gate|conv1d|A_log)\.weight$"
)

_TOKENS_NAME = re.compile(r"(?:^|\.)(?:embed_tokens|wte|lm_head)\.weight$")

_MLX_MODES = {"mxfp4": (4, 32), "mxfp8": (8, 32), "nvfp4": (4, 16)}
"""Bits and group of each."""


def scheme_of(quant: str) -> Scheme | None:
    """The scheme behind a quantization's name (`gptq-w4g128-act`); None where sizes of its kind
    are not predicted."""
    match = re.fullmatch(r"(gptq|awq)-w(\d)g(col|\d+)(-act|-asym|-sym)*", quant)
    if match:
        group = -1 if match[3] == "col" else int(match[3])
        return Scheme(
            method="gptq" if match[1] == "gptq" else "awq", bits=int(match[2]), group=group
        )
    match = re.fullmatch(r"bnb-(nf4|fp4|int8)(-dq)?", quant)
    if match:
        bits = 8 if match[1] == "int8" else 4
        return Scheme(method="bnb", bits=bits, mode=match[1], double_quant=bool(match[2]))
    match = re.fullmatch(r"mlx-(\d)bit-g(\d+)", quant)
    if match:
        return Scheme(method="mlx", bits=int(match[1]), group=int(match[2]), mode="affine")
    match = re.fullmatch(r"torchao-(int8wo|float8wo)", quant)
    if match:
        return Scheme(method="torchao", bits=8, mode=match[1])
    mode = quant.removeprefix("mlx-")
    if quant.startswith("mlx-") and mode in _MLX_MODES:
        bits, group = _MLX_MODES[mode]
        return Scheme(method="mlx", bits=bits, group=group, mode=mode)
    return None


def predict(source: Path | Sequence[SafetensorsTensor], scheme: Scheme) -> PredictedSize:
    """Size and bits per weight of the 16-bit checkpoint `source`, a folder or its tensors, under
    a scheme. Raises InputError where the folder cannot be read or is quantized already."""
    tensors = folder_tensors(source) if isinstance(source, Path) else tuple(source)
    stored = [part for tensor in tensors for part in _stored_tensors(tensor, scheme)]
    weights = unpack_weights(stored, _quantization_of(scheme))
    matrices = [weight for weight in weights if weight.in_layer]
    tensor_bytes = sum(tensor.bytes for tensor in stored)
    return PredictedSize(
        file_bytes=tensor_bytes + header_bytes(stored, _header_metadata(tensors, scheme)),
        tensor_bytes=tensor_bytes,
        elements=sum(weight.elements for weight in weights),
        bpw_file=bits_per_weight(weights),
        bpw_layer=bits_per_weight(matrices or weights),
    )


def recipe_bytes(source: Path, recipe: str) -> int:
    """Size of the weight file of a quant by its name, made of a 16-bit checkpoint folder.

    Raises InputError for a name that says no scheme of a known layout.
    """
    scheme = scheme_of(recipe)
    if scheme is None:
        raise InputError(f"the size of {recipe!r} cannot be told from its name")
    return predict(source, scheme).file_bytes


def is_packed(tensor: SafetensorsTensor, scheme: Scheme) -> bool:
    """Whether a method packs this tensor: linear layers of the text model's blocks; MLX also the
    embeddings and the head, and only rows that its groups fill."""
    if scheme.method == "mlx":
        return _is_text_matrix(tensor) and tensor.shape[1] % scheme.group == 0
    return wants_packed(tensor, scheme)


def wants_packed(tensor: SafetensorsTensor, scheme: Scheme) -> bool:
    """Whether a method is to pack this tensor, whatever its shape: linear layers of the text
    model's blocks; for MLX also the embedding of tokens and the head."""
    if not _is_text_matrix(tensor):
        return False
    if scheme.method == "mlx" and _TOKENS_NAME.search(tensor.name):
        return True
    return bool(LAYER_NAME.search(tensor.name)) and not _UNPACKED_NAME.search(tensor.name)


def _is_text_matrix(tensor: SafetensorsTensor) -> bool:
    return (
        len(tensor.shape) == 2
        and tensor.name.endswith(".weight")
        and not NON_TEXT_NAME.search(tensor.name)
    )


def folder_tensors(folder: Path) -> tuple[SafetensorsTensor, ...]:
    """A folder's tensors, less a head that is the embedding over again: no tool saves it."""
    tensors = read_weights(folder).tensors
    tied = read_config(folder).get("tie_word_embeddings") is True
    names = {tensor.name for tensor in tensors}
    if not tied or not any(name.endswith("embed_tokens.weight") for name in names):
        return tensors
    return tuple(tensor for tensor in tensors if tensor.name != "lm_head.weight")


def _header_metadata(tensors: Sequence[SafetensorsTensor], scheme: Scheme) -> dict[str, str]:
    notes = {
        tensor.name: torchao_note(tensor, scheme, is_packed(tensor, scheme)) for tensor in tensors
    }
    return {"format": "pt", **{name: note for name, note in notes.items() if note}}


def _quantization_of(scheme: Scheme) -> Quantization:
    """The scheme as a reader of the checkpoint sees it, as far as elements depend on it."""
    return Quantization(
        format=scheme.method,
        quant=scheme.method,
        bits=scheme.bits,
        group=scheme.group,
        layout=scheme.mode,
    )


def _stored_tensors(tensor: SafetensorsTensor, scheme: Scheme) -> Iterator[SafetensorsTensor]:
    if DTYPE_BITS[tensor.dtype] < 16 or tensor.dtype.startswith(("I", "U")):
        raise InputError(f"{tensor.path}: {tensor.name} is quantized already; name 16-bit weights")
    tensor = _cast(tensor, scheme.dtype or tensor.dtype)
    if not is_packed(tensor, scheme):
        yield tensor
        return
    module = tensor.name.removesuffix(".weight")
    for ending, dtype, shape in stored_parts(tensor, scheme):
        size = math.prod(shape) * DTYPE_BITS[dtype] // 8
        yield SafetensorsTensor(f"{module}.{ending}", dtype, shape, 0, size, tensor.path)


def _cast(tensor: SafetensorsTensor, dtype: str) -> SafetensorsTensor:
    size = tensor.elements * DTYPE_BITS[dtype] // 8
    return tensor._replace(dtype=dtype, start=0, end=size)
