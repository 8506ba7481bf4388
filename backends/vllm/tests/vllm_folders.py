"""Quantized checkpoints made by rounding, in the formats that vLLM reads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from vllm_truth import tensors

Array = npt.NDArray[Any]
GROUP = 128


def write_gptq(source: Path, target: Path, bits: int) -> Path:
    """Symmetric GPTQ of groups of 128, every weight rounded to the nearest."""
    quantized: dict[str, Array] = {}
    for name, weight in tensors(source).items():
        if name.endswith("_proj.weight"):
            packed = _gptq(weight.astype(np.float64).T, bits)
            quantized |= {
                name.removesuffix("weight") + part: array for part, array in packed.items()
            }
        else:
            quantized[name] = weight
    declared = {"quant_method": "gptq", "bits": bits, "group_size": GROUP, "sym": True}
    return _write(source, target, quantized, {**declared, "desc_act": False})


def write_int8(source: Path, target: Path) -> Path:
    """compressed-tensors' w8a8: a scale a row, activations quantized as they come."""
    quantized: dict[str, Array] = {}
    for name, weight in tensors(source).items():
        quantized[name] = weight
        if name.endswith("_proj.weight"):
            scale = np.abs(weight.astype(np.float64)).max(axis=1, keepdims=True) / 127
            quantized[name] = np.rint(weight / scale).astype(np.int8)
            quantized[name + "_scale"] = scale.astype(np.float16)
    eight = {"num_bits": 8, "type": "int", "symmetric": True}
    group = {
        "targets": ["Linear"],
        "weights": {**eight, "strategy": "channel", "dynamic": False},
        "input_activations": {**eight, "strategy": "token", "dynamic": True},
    }
    declared = {
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "quantization_status": "compressed",
        "ignore": ["lm_head"],
        "config_groups": {"group_0": group},
    }
    return _write(source, target, quantized, declared)


def rounded(weight: npt.NDArray[np.float64], bits: int) -> npt.NDArray[np.float64]:
    """The weights [out, in] that `write_gptq` keeps of these."""
    codes, scales = _codes(weight.T, bits)
    steps = (codes - 2 ** (bits - 1)).reshape(-1, GROUP, codes.shape[1])
    return (steps * scales.astype(np.float64)[:, None, :]).reshape(codes.shape).T


def _codes(weight: npt.NDArray[np.float64], bits: int) -> tuple[Array, npt.NDArray[np.float16]]:
    """Numbers [in, out] from 0 on, and the step of each group [groups, out]."""
    half = 2 ** (bits - 1)
    groups = weight.reshape(-1, GROUP, weight.shape[1])
    scales = np.abs(groups).max(axis=1) / (half - 1)
    codes = np.clip(np.rint(groups / scales[:, None, :]) + half, 0, 2 * half - 1)
    return codes.reshape(weight.shape), scales.astype(np.float16)


def _gptq(weight: npt.NDArray[np.float64], bits: int) -> Mapping[str, Array]:
    codes, scales = _codes(weight, bits)
    zeros = np.full(scales.T.shape, 2 ** (bits - 1) - 1)  # kept less one, as AutoGPTQ does
    return {
        "qweight": _packed(codes, bits),
        "qzeros": np.ascontiguousarray(_packed(zeros, bits).T),
        "scales": scales,
        "g_idx": (np.arange(len(codes)) // GROUP).astype(np.int32),
    }


def _packed(codes: npt.NDArray[Any], bits: int) -> npt.NDArray[np.int32]:
    """Codes of `bits` bits, 32 // bits of a column in one number."""
    per = 32 // bits
    lanes = codes.astype(np.uint32).reshape(-1, per, codes.shape[1])
    shifts = np.arange(per, dtype=np.uint32)[None, :, None] * np.uint32(bits)
    words: npt.NDArray[np.uint32] = np.bitwise_or.reduce(lanes << shifts, axis=1)
    return words.view(np.int32)


def _write(
    source: Path, target: Path, tensors: Mapping[str, Array], declared: Mapping[str, Any]
) -> Path:
    from safetensors.numpy import save_file

    shutil.copytree(source, target)
    whole = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    save_file(whole, target / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((source / "config.json").read_text())
    (target / "config.json").write_text(json.dumps({**config, "quantization_config": declared}))
    return target
