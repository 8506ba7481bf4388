"""Checkpoints whose modules are stored in several ways, and those of NVIDIA's Model Optimizer."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from checkpoint_folders import (
    LAYER_WEIGHTS,
    OTHER_WEIGHTS,
    linear_shapes,
    unpacked_tensors,
    write_folder,
)

from grid.errors import InputError
from grid.models.checkpoint.inspection import inspect

CASES = Path(__file__).parents[4] / "shared/cases"
Tensors = dict[str, Any]

FP8 = {"format": "float-quantized", "weights": {"num_bits": 8, "type": "float"}}
NVFP4 = {
    "format": "nvfp4-pack-quantized",
    "weights": {"num_bits": 4, "type": "float", "group_size": 16},
}
W4 = {"format": "pack-quantized", "weights": {"num_bits": 4, "type": "int", "group_size": 128}}
W8 = {"format": "pack-quantized", "weights": {"num_bits": 8, "type": "int", "group_size": 64}}
INT8 = {
    "format": "int-quantized",
    "weights": {"num_bits": 8, "type": "int"},
    "input_activations": {"num_bits": 8},
}
SCALE_BITS = {"fp8": (8, None), "nvfp4": (4, 8 / 16), "w4g128": (4, 16 / 128)} | {
    "w8g64": (8, 16 / 64),
    "w8a8": (8, None),
}
"""Bits of a code, and of scales a weight; None: one BF16 scale a row."""


def _stored_bits(kind: str, shape: tuple[int, int]) -> float:
    codes, scales = SCALE_BITS[kind]
    return math.prod(shape) * (codes + (16 / shape[1] if scales is None else scales))


def _stored(module: str, kind: str, shape: tuple[int, int]) -> Tensors:
    """The tensors of a module, without the shape that may stand beside packed codes."""
    outputs, inputs = shape
    if kind == "fp8":
        codes, scales = ("weight", "F8_E4M3", inputs), ("BF16", (outputs, 1))
    elif kind == "w8a8":
        codes, scales = ("weight", "I8", inputs), ("BF16", (outputs, 1))
    elif kind == "nvfp4":
        codes, scales = ("weight_packed", "U8", inputs // 2), ("F8_E4M3", (outputs, inputs // 16))
    elif kind == "w4g128":
        codes, scales = ("weight_packed", "I32", inputs // 8), ("BF16", (outputs, inputs // 128))
    else:
        codes, scales = ("weight_packed", "I32", inputs // 4), ("BF16", (outputs, inputs // 64))
    return {
        f"{module}.{codes[0]}": (codes[1], (outputs, codes[2])),
        f"{module}.weight_scale": scales,
    }


def _mixed_folder(
    folder: Path, attention: str, mlp: str, groups: Mapping[str, Mapping[str, Any]]
) -> Path:
    tensors = unpacked_tensors("BF16")
    for module, shape in linear_shapes().items():
        tensors |= _stored(module, attention if "self_attn" in module else mlp, shape)
    declared = {
        "quant_method": "compressed-tensors",
        "format": "mixed-precision",
        "config_groups": groups,
    }
    return write_folder(folder, tensors, {"quantization_config": declared})


ATTENTION, MLP = ["re:.*self_attn.*"], ["re:.*mlp.*"]
NAMES_OF_ATTENTION = [name for name in linear_shapes() if "self_attn" in name]
ELSEWHERE = ["re:language_model.*"]
"""Names that the file's tensors do not have: the scales tell the groups apart."""


@pytest.mark.parametrize(
    ("attention", "mlp", "groups", "quant"),
    [
        ("fp8", "nvfp4", [(FP8, ATTENTION), (NVFP4, MLP)], "ct-mixed-fp8-nvfp4"),
        ("fp8", "nvfp4", [(NVFP4, MLP), (FP8, ATTENTION)], "ct-mixed-nvfp4-fp8"),
        ("nvfp4", "fp8", [(FP8, MLP), (NVFP4, ATTENTION)], "ct-mixed-fp8-nvfp4"),
        ("w8g64", "w4g128", [(W8, ATTENTION), (W4, MLP)], "ct-mixed-w8g64-w4g128"),
        ("w4g128", "w8g64", [(W8, MLP), (W4, ATTENTION)], "ct-mixed-w8g64-w4g128"),
        ("w4g128", "nvfp4", [(W4, NAMES_OF_ATTENTION), (NVFP4, MLP)], "ct-mixed-w4g128-nvfp4"),
        ("w8g64", "w4g128", [(W8, NAMES_OF_ATTENTION), (W4, ["Linear"])], "ct-mixed-w8g64-w4g128"),
        ("fp8", "w4g128", [(FP8, ELSEWHERE), (W4, ["Linear"])], "ct-mixed-fp8-w4g128"),
        ("w4g128", "nvfp4", [(NVFP4, ELSEWHERE), (W4, ELSEWHERE)], "ct-mixed-nvfp4-w4g128"),
        ("w8g64", "nvfp4", [(NVFP4, ELSEWHERE), (W8, ELSEWHERE)], "ct-mixed-nvfp4-w8g64"),
        ("w8a8", "w4g128", [(INT8, ATTENTION), (W4, MLP)], "ct-mixed-w8a8-w4g128"),
        ("fp8", "w8g64", [(W8, ["re:(", *MLP]), (FP8, ATTENTION)], "ct-mixed-w8g64-fp8"),
    ],
)
def test_every_group_counts_its_own_bits(
    tmp_path: Path,
    attention: str,
    mlp: str,
    groups: list[tuple[Mapping[str, Any], list[str]]],
    quant: str,
) -> None:
    declared = {
        f"group_{index}": {**scheme, "targets": targets}
        for index, (scheme, targets) in enumerate(groups)
    }
    inspection = inspect(_mixed_folder(tmp_path / "m", attention, mlp, declared))
    assert inspection.quant == quant
    assert inspection.facts.elements == LAYER_WEIGHTS + OTHER_WEIGHTS
    bits = sum(
        _stored_bits(attention if "self_attn" in name else mlp, shape)
        for name, shape in linear_shapes().items()
    )
    assert inspection.facts.bpw_layer == pytest.approx(bits / LAYER_WEIGHTS)


@pytest.mark.parametrize(
    ("mlp", "groups"),
    [
        ("nvfp4", [(W8, ELSEWHERE), (FP8, ATTENTION)]),
        ("w4g128", [(W8, ELSEWHERE), (W4, ELSEWHERE), (FP8, ATTENTION)]),
    ],
    ids=["no group fits", "two groups fit"],
)
def test_packed_weights_that_no_group_explains_are_refused(
    tmp_path: Path, mlp: str, groups: list[tuple[Mapping[str, Any], list[str]]]
) -> None:
    declared = {
        f"group_{index}": {**scheme, "targets": targets}
        for index, (scheme, targets) in enumerate(groups)
    }
    folder = _mixed_folder(tmp_path / "m", "fp8", mlp, declared)
    with pytest.raises(InputError, match=r"no group of config_groups names \S+mlp\.\S+, which is"):
        inspect(folder)


def _modelopt_tensors(algorithm: str) -> Tensors:
    tensors = unpacked_tensors("BF16")
    for module, (outputs, inputs) in linear_shapes().items():
        fours = algorithm in ("NVFP4", "W4A16_AWQ")
        width = inputs // 2 if fours else inputs
        tensors[f"{module}.weight"] = ("U8" if fours else "F8_E4M3", (outputs, width))
        tensors[f"{module}.weight_scale"] = ("F8_E4M3", (outputs, inputs // 16))
        tensors[f"{module}.input_scale"] = ("F32", ())
    return tensors


@pytest.mark.parametrize("embedded", [False, True])
@pytest.mark.parametrize(
    ("algorithm", "bits"), [("NVFP4", 4.5), ("FP8", 8.5), ("MXFP8", 8.5), ("W4A16_AWQ", 4.5)]
)
def test_model_optimizer_checkpoints_count_their_weights(
    tmp_path: Path, algorithm: str, bits: float, embedded: bool
) -> None:
    scheme = {"quant_algo": algorithm, "group_size": 16, "exclude_modules": ["lm_head"]}
    changes = {"quantization_config": {"quant_method": "modelopt", **scheme}} if embedded else {}
    folder = write_folder(tmp_path / "m", _modelopt_tensors(algorithm), changes)
    if not embedded:
        content = {"producer": {"name": "modelopt"}, "quantization": scheme}
        (folder / "hf_quant_config.json").write_text(json.dumps(content))
    inspection = inspect(folder)
    assert inspection.quant == f"modelopt-{algorithm.lower().replace('_', '-')}"
    assert inspection.facts.elements == LAYER_WEIGHTS + OTHER_WEIGHTS
    assert bits <= inspection.facts.bpw_layer < bits + 0.02


def test_a_model_optimizer_mix_names_its_algorithms(tmp_path: Path) -> None:
    layers = {"a": {"quant_algo": "NVFP4"}, "b": {"quant_algo": "FP8"}, "c": {"quant_algo": "FP8"}}
    scheme = {"quant_algo": "MIXED_PRECISION", "quantized_layers": layers}
    folder = write_folder(tmp_path / "m", _modelopt_tensors("NVFP4"), {})
    (folder / "hf_quant_config.json").write_text(json.dumps({"quantization": scheme}))
    assert inspect(folder).quant == "modelopt-mixed-fp8-nvfp4"


@pytest.mark.parametrize(
    ("scheme", "fault"),
    [
        ({"quant_algo": "NVFP5"}, "quant_algo is 'nvfp5'; known: fp8, "),
        ({}, "quant_algo is missing"),
        ({"quant_algo": "MIXED_PRECISION"}, "MIXED_PRECISION without quantized_layers"),
    ],
)
def test_an_unreadable_hf_quant_config_is_named(
    tmp_path: Path, scheme: dict[str, Any], fault: str
) -> None:
    folder = write_folder(tmp_path / "m", _modelopt_tensors("NVFP4"), {})
    (folder / "hf_quant_config.json").write_text(json.dumps({"quantization": scheme}))
    with pytest.raises(InputError) as caught:
        inspect(folder)
    assert "hf_quant_config.json" in str(caught.value)
    assert fault in str(caught.value)


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases")
@pytest.mark.parametrize(
    ("case", "quant"),
    [("17-ct-mixed-nvfp4", "ct-mixed-fp8-nvfp4"), ("18-modelopt/nvfp4", "modelopt-nvfp4")],
)
def test_the_reported_folders_count_all_weights(case: str, quant: str) -> None:
    inspection = inspect(CASES / case)
    assert (inspection.quant, inspection.facts.elements) == (quant, 311_936)
