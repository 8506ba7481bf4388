"""A checkpoint folder says what model it is, at which precision, and how large."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
from checkpoint_folders import (
    CONFIG,
    LAYER_WEIGHTS,
    OTHER_WEIGHTS,
    awq_tensors,
    gptq_tensors,
    linear_shapes,
    plain_tensors,
    safetensors_file,
    unpacked_tensors,
    write_folder,
    write_shards,
)
from own_cache import own_cache as own_cache

from grid.models.bundled import size_dir
from grid.models.checkpoint.inspection import format_of, inspect, is_checkpoint
from grid.models.model import LayerState, Model


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("size", "layers", "parameters"), [("small", 2, 2_098_432), ("large", 8, 6_820_096)]
)
def test_the_bundled_family_is_inspected(size: str, layers: int, parameters: int) -> None:
    folder = size_dir(size)
    assert inspect(folder).model == Model(
        name=size,
        family="llama",
        source=str(folder),
        revision=inspect(folder).model.revision,
        architecture="llama",
        parameters=parameters,
        context_length=1024,
        vocabulary=1024,
        layers=(LayerState(key=128, value=128),) * layers,
        active_parameters=parameters - 1024 * 256,
    )


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32"])
def test_plain_weights_are_named_by_their_type(tmp_path: Path, dtype: str) -> None:
    folder = write_folder(tmp_path / "m", plain_tensors(dtype))
    inspection = inspect(folder)
    assert (inspection.quant, format_of(folder)) == (dtype, "safetensors")
    assert inspection.facts.bpw_file == inspection.facts.bpw_layer == {"F32": 32}.get(dtype, 16)


def test_the_type_of_most_elements_names_mixed_weights(tmp_path: Path) -> None:
    tensors = plain_tensors("BF16") | {"model.norm.weight": ("F32", (128,))}
    assert inspect(write_folder(tmp_path / "m", tensors)).quant == "BF16"


def test_the_model_is_what_config_and_tensors_say(tmp_path: Path) -> None:
    model = inspect(write_folder(tmp_path / "tiny-llama", plain_tensors())).model
    assert (model.name, model.family, model.architecture) == ("tiny-llama", "llama", "llama")
    assert (model.context_length, model.vocabulary) == (512, 64)
    assert model.parameters == LAYER_WEIGHTS + OTHER_WEIGHTS
    assert model.layers == (LayerState(key=64, value=64),) * 2


def test_sha256_of_a_single_weight_file_is_that_files(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", plain_tensors())
    assert inspect(folder).facts.sha256 == sha256_of(folder / "model.safetensors")


def test_the_same_weights_under_another_configuration_are_another_model(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", plain_tensors())
    before = inspect(folder).model.revision
    (folder / "README.md").write_text("says nothing of what is computed")
    assert inspect(folder).model.revision == before
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "rope_theta": 1e6}))
    assert inspect(folder).model.revision != before


@pytest.mark.parametrize("index", [True, False])
def test_shards_are_read_with_and_without_an_index(tmp_path: Path, index: bool) -> None:
    folder = write_folder(tmp_path / "m", plain_tensors())
    whole = inspect(folder)
    names = write_shards(folder, plain_tensors(), 3, index)
    parts = inspect(folder)
    assert parts.facts.elements == whole.facts.elements
    assert parts.facts.bytes == sum((folder / name).stat().st_size for name in names)
    joined = "".join(sha256_of(folder / name) for name in names)
    assert parts.facts.sha256 == hashlib.sha256(joined.encode()).hexdigest()


def test_gptq_with_a_quantize_config_and_its_own_file_name_is_read(tmp_path: Path) -> None:
    name = "gptq_model-4bit-64g.safetensors"
    folder = write_folder(tmp_path / "m", gptq_tensors(), name=name)
    old = {"bits": 4, "group_size": 64, "damp_percent": 0.01, "desc_act": True, "sym": True}
    (folder / "quantize_config.json").write_text(json.dumps(old))
    assert (format_of(folder), inspect(folder).quant) == ("gptq", "gptq-w4g64-act")


def test_awq_with_a_quant_config_beside_the_weights_is_read(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", awq_tensors())
    old = {"zero_point": True, "q_group_size": 64, "w_bit": 4, "version": "GEMM"}
    (folder / "quant_config.json").write_text(json.dumps(old))
    assert (format_of(folder), inspect(folder).quant) == ("awq", "awq-w4g64")


def test_consolidated_weights_beside_the_converted_are_left_out(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", plain_tensors())
    shutil.copy(folder / "model.safetensors", folder / "consolidated.safetensors")
    assert inspect(folder).facts.elements == LAYER_WEIGHTS + OTHER_WEIGHTS


def test_a_folder_with_a_config_is_meant_as_a_checkpoint(tmp_path: Path) -> None:
    assert not is_checkpoint(tmp_path)
    assert is_checkpoint(write_folder(tmp_path / "m", plain_tensors()))


def gptq_config(bits: int, group: int) -> dict[str, Any]:
    declared = {"quant_method": "gptq", "bits": bits, "group_size": group, "sym": True}
    return {"quantization_config": declared}


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("group", [32, 64, 128, -1])
def test_gptq_counts_the_matrices_that_its_words_stand_for(
    tmp_path: Path, bits: int, group: int
) -> None:
    facts = inspect(
        write_folder(tmp_path / "m", gptq_tensors(bits, group), gptq_config(bits, group))
    ).facts
    assert facts.elements == LAYER_WEIGHTS + OTHER_WEIGHTS
    stored = 0.0
    for outputs, inputs in linear_shapes().values():
        groups = 1 if group == -1 else inputs // group
        stored += inputs * bits * outputs // 8 + groups * outputs * (2 + bits / 8) + 4 * inputs
    assert facts.bpw_layer == pytest.approx(stored * 8 / LAYER_WEIGHTS, rel=1e-12)
    assert facts.bpw_file == pytest.approx(
        (stored + 2 * OTHER_WEIGHTS) * 8 / (LAYER_WEIGHTS + OTHER_WEIGHTS), rel=1e-12
    )


def test_gptq_without_group_indices_counts_the_same_elements(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m", gptq_tensors(3, 32, index=False), gptq_config(3, 32))
    assert inspect(folder).facts.elements == LAYER_WEIGHTS + OTHER_WEIGHTS


def test_awq_counts_the_matrices_that_its_words_stand_for(tmp_path: Path) -> None:
    declared = {"quant_method": "awq", "bits": 4, "group_size": 64, "zero_point": True}
    folder = write_folder(tmp_path / "m", awq_tensors(), {"quantization_config": declared})
    facts = inspect(folder).facts
    assert facts.elements == LAYER_WEIGHTS + OTHER_WEIGHTS
    assert facts.bpw_layer == 4 + (16 + 4) / 64


def test_biases_and_norms_are_no_matrices_of_a_layer(tmp_path: Path) -> None:
    tensors = plain_tensors() | {"model.layers.0.self_attn.q_proj.bias": ("F32", (128,))}
    assert inspect(write_folder(tmp_path / "m", tensors)).facts.bpw_layer == 16


def test_vision_layers_are_no_layers_of_the_text_model(tmp_path: Path) -> None:
    tensors = plain_tensors() | {"vision_tower.encoder.layers.0.fc.weight": ("F32", (8, 8))}
    facts = inspect(write_folder(tmp_path / "m", tensors)).facts
    assert facts.bpw_layer == 16
    assert facts.bpw_file > 16


def bnb4(kind: str, double: bool) -> dict[str, Any]:
    tensors: dict[str, Any] = dict(unpacked_tensors())
    for module, (outputs, inputs) in linear_shapes().items():
        count = outputs * inputs
        tensors[f"{module}.weight"] = ("U8", (count // 2, 1))
        tensors[f"{module}.weight.absmax"] = ("U8" if double else "F32", (count // 64,))
        tensors[f"{module}.weight.quant_map"] = ("F32", (16,))
        tensors[f"{module}.weight.quant_state.bitsandbytes__{kind}"] = ("U8", (80,))
    return tensors


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
@pytest.mark.parametrize("double", [True, False])
def test_bitsandbytes_packs_two_weights_a_byte(tmp_path: Path, kind: str, double: bool) -> None:
    declared = {
        "quant_method": "bitsandbytes",
        "load_in_4bit": True,
        "bnb_4bit_quant_type": kind,
        "bnb_4bit_use_double_quant": double,
    }
    folder = write_folder(tmp_path / "m", bnb4(kind, double), {"quantization_config": declared})
    inspection = inspect(folder)
    assert inspection.quant == f"bnb-{kind}" + ("-dq" if double else "")
    assert inspection.facts.elements == LAYER_WEIGHTS + OTHER_WEIGHTS
    fixed = 8 * len(linear_shapes()) * (64 + 80) / LAYER_WEIGHTS
    assert inspection.facts.bpw_layer == pytest.approx(4 + (8 if double else 32) / 64 + fixed)


def test_bitsandbytes_int8_has_a_scale_a_row(tmp_path: Path) -> None:
    tensors = unpacked_tensors()
    for module, (outputs, inputs) in linear_shapes().items():
        tensors[f"{module}.weight"] = ("I8", (outputs, inputs))
        tensors[f"{module}.SCB"] = ("F32", (outputs,))
        tensors[f"{module}.weight_format"] = ("U8", ())
    declared = {"quant_method": "bitsandbytes", "load_in_8bit": True}
    inspection = inspect(write_folder(tmp_path / "m", tensors, {"quantization_config": declared}))
    assert inspection.quant == "bnb-int8"
    assert inspection.facts.elements == LAYER_WEIGHTS + OTHER_WEIGHTS
    assert 8 < inspection.facts.bpw_layer < 8.5


@pytest.mark.parametrize(("bits", "group", "expected"), [(3, 64, 3.5), (4, 32, 5), (6, 128, 6.25)])
def test_mlx_packs_embeddings_too(tmp_path: Path, bits: int, group: int, expected: float) -> None:
    tensors: dict[str, Any] = {}
    for name, (dtype, shape) in plain_tensors().items():
        module = name.removesuffix(".weight")
        if len(shape) == 1:
            tensors[name] = (dtype, shape)
            continue
        tensors[name] = ("U32", (shape[0], shape[1] * bits // 32))
        for ending in ("scales", "biases"):
            tensors[f"{module}.{ending}"] = ("F16", (shape[0], shape[1] // group))
    changes = {"quantization": {"group_size": group, "bits": bits}}
    inspection = inspect(write_folder(tmp_path / "m", tensors, changes))
    assert inspection.quant == f"mlx-{bits}bit-g{group}"
    assert inspection.facts.elements == LAYER_WEIGHTS + OTHER_WEIGHTS
    assert inspection.facts.bpw_layer == expected


def test_fp8_scales_count_as_bytes_only(tmp_path: Path) -> None:
    tensors = unpacked_tensors("BF16")
    for module, shape in linear_shapes().items():
        tensors[f"{module}.weight"] = ("F8_E4M3", shape)
        tensors[f"{module}.weight_scale_inv"] = ("F32", (shape[0] // 64, shape[1] // 128))
    changes = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [64, 128]}}
    inspection = inspect(write_folder(tmp_path / "m", tensors, changes))
    assert (inspection.quant, inspection.facts.elements) == ("fp8", LAYER_WEIGHTS + OTHER_WEIGHTS)
    assert inspection.facts.bpw_layer == 8 + 32 / (64 * 128)


def test_compressed_tensors_count_the_matrices_that_they_stand_for(tmp_path: Path) -> None:
    tensors = unpacked_tensors("BF16")
    for module, (outputs, inputs) in linear_shapes().items():
        tensors[f"{module}.weight_packed"] = ("I32", (outputs, inputs // 8))
        tensors[f"{module}.weight_scale"] = ("BF16", (outputs, inputs // 128))
    weights = {"num_bits": 4, "group_size": 128, "symmetric": True}
    declared = {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "config_groups": {"group_0": {"weights": weights, "input_activations": None}},
    }
    inspection = inspect(write_folder(tmp_path / "m", tensors, {"quantization_config": declared}))
    assert inspection.quant == "ct-pack-quantized-w4g128"
    assert inspection.facts.elements == LAYER_WEIGHTS + OTHER_WEIGHTS
    assert inspection.facts.bpw_layer == 4 + 16 / 128


def test_compressed_rows_that_are_padded_count_by_their_shape(tmp_path: Path) -> None:
    name = "model.layers.0.odd"
    tensors = {
        f"{name}.weight_packed": ("I32", (10, 2)),
        f"{name}.weight_scale": ("F16", (10, 1)),
        f"{name}.weight_shape": ("I64", (2,)),
    }
    weights = {"num_bits": 4, "symmetric": True}
    declared = {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "config_groups": {"group_0": {"weights": weights}},
    }
    changes = {"quantization_config": declared, "model_type": "novel"}
    folder = write_folder(tmp_path / "m", tensors, changes)
    content = safetensors_file(tensors, data={f"{name}.weight_shape": struct.pack("<2q", 10, 13)})
    (folder / "model.safetensors").write_bytes(content)
    assert inspect(folder).facts.elements == 10 * 13


def test_mlx_layers_may_have_bits_and_groups_of_their_own(tmp_path: Path) -> None:
    tensors = {
        "model.layers.0.a.weight": ("U32", (8, 128 * 4 // 32)),
        "model.layers.0.a.scales": ("F16", (8, 2)),
        "model.layers.0.b.weight": ("U32", (8, 128 * 6 // 32)),
        "model.layers.0.b.scales": ("F16", (8, 4)),
    }
    own = {"model.layers.0.b": {"bits": 6, "group_size": 32}}
    changes = {"quantization": {"bits": 4, "group_size": 64, **own}, "model_type": "novel"}
    inspection = inspect(write_folder(tmp_path / "m", tensors, changes))
    assert (inspection.quant, inspection.facts.elements) == ("mlx-4bit-g64-mixed", 2 * 8 * 128)


def test_aqlm_codes_stand_for_groups_of_weights(tmp_path: Path) -> None:
    tensors: dict[str, Any] = dict(unpacked_tensors())
    for module, (outputs, inputs) in linear_shapes().items():
        tensors[f"{module}.codes"] = ("I8", (outputs, inputs // 8, 2))
        tensors[f"{module}.codebooks"] = ("F16", (2, 256, 1, 8))
        tensors[f"{module}.scales"] = ("F16", (outputs, 1, 1, 1))
    declared = {
        "quant_method": "aqlm",
        "in_group_size": 8,
        "out_group_size": 1,
        "num_codebooks": 2,
        "nbits_per_codebook": 8,
    }
    inspection = inspect(write_folder(tmp_path / "m", tensors, {"quantization_config": declared}))
    assert (format_of(tmp_path / "m"), inspection.quant) == ("aqlm", "aqlm-2bit-2x8")
    assert inspection.facts.elements == LAYER_WEIGHTS + OTHER_WEIGHTS


def test_torchao_weights_are_several_tensors(tmp_path: Path) -> None:
    tensors: dict[str, Any] = dict(unpacked_tensors())
    for module, (outputs, inputs) in linear_shapes().items():
        tensors[f"{module}._weight_qdata"] = ("I8", (outputs, inputs))
        tensors[f"{module}._weight_scale"] = ("F32", (outputs, 1))
        tensors[f"{module}._weight_zero_point"] = ("I8", (outputs, 1))
    kind = {"default": {"_type": "Int8WeightOnlyConfig", "_version": 2, "_data": {}}}
    changes = {"quantization_config": {"quant_method": "torchao", "quant_type": kind}}
    inspection = inspect(write_folder(tmp_path / "m", tensors, changes))
    assert inspection.quant == "torchao-int8wo"
    assert inspection.facts.elements == LAYER_WEIGHTS + OTHER_WEIGHTS


def test_hqq_codes_are_counted_by_their_bits(tmp_path: Path) -> None:
    tensors: dict[str, Any] = dict(unpacked_tensors())
    for module, (outputs, inputs) in linear_shapes().items():
        tensors[f"{module}.W_q"] = ("U8", (outputs * inputs // 128, 64))
        tensors[f"{module}.scale"] = ("F16", (outputs * inputs // 64, 1))
        tensors[f"{module}.zero"] = ("F16", (outputs * inputs // 64, 1))
    weights = {"nbits": 4, "group_size": 64, "axis": 1}
    declared = {"quant_method": "hqq", "quant_config": {"weight_quant_params": weights}}
    inspection = inspect(write_folder(tmp_path / "m", tensors, {"quantization_config": declared}))
    assert inspection.quant == "hqq-4bit-g64"
    assert inspection.facts.elements == LAYER_WEIGHTS + OTHER_WEIGHTS
    assert inspection.facts.bpw_layer == 4.5


def test_the_text_model_of_a_multimodal_checkpoint_is_inspected(tmp_path: Path) -> None:
    inner = {**CONFIG, "model_type": "mistral"}
    tensors = {f"language_model.{name}": tensor for name, tensor in plain_tensors().items()}
    folder = write_folder(tmp_path / "m", tensors, {"model_type": "llava"})
    (folder / "config.json").write_text(json.dumps({"model_type": "llava", "text_config": inner}))
    model = inspect(folder).model
    assert (model.architecture, model.context_length, len(model.layers)) == ("mistral", 512, 2)
