"""What lm-evaluation-harness loaded: the data type never names a quantization, an adapter is
another model."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from imports_files import LM_EVAL, put

from grid.results.imports import read_report


def attempt(folder: Path, arguments: str | dict[str, Any], **config: Any) -> dict[str, Any]:
    whole = deepcopy(LM_EVAL)
    whole["config"] = {"model": "hf", "model_args": arguments, **config}
    return dict(read_report(put(folder, "r.json", whole)).rows["attempts"][0])


@pytest.mark.parametrize(
    ("beside", "quant"),
    [
        ("quantization=fp8", "fp8"), ("quantization=bitsandbytes", "bnb-4bit"),
        ("quantization=awq_marlin", "awq"), ("quantization=modelopt", "modelopt"),
        ("load_in_4bit=True", "bnb-4bit"), ("load_in_8bit=1", "bnb-8bit"),
        ("gptqmodel=True", "gptq"), ("autogptq=model.safetensors", "gptq"),
        ("load_format=bitsandbytes", "bnb-4bit"),
        ("torchao_config=int4wo-128", "torchao_config=int4wo-128"),
        ("load_in_low_bit=sym_int4", "load_in_low_bit=sym_int4"),
        ("weight_bits=3", "weight_bits=3"),
        ("quantization=None", "BF16"), ("load_in_4bit=False", "BF16"),
        ("kv_cache_dtype=fp8", "BF16"), ("gptqmodel=False", "BF16"), ("batch_size=8", "BF16"),
    ],
)  # fmt: skip
def test_arguments_name_the_quant_and_never_the_data_type(
    tmp_path: Path, beside: str, quant: str
) -> None:
    for order in ("pretrained=o/Toy-7B,dtype=bfloat16,{}", "{},dtype=bfloat16,pretrained=o/Toy-7B"):
        assert attempt(tmp_path, order.format(beside))["quant"] == quant
    name, _, value = beside.partition("=")
    arguments = {"pretrained": "o/Toy-7B", "dtype": "bfloat16", name: value}
    assert attempt(tmp_path, arguments)["quant"] == quant


@pytest.mark.parametrize(
    ("config", "quant"),
    [
        ({"quant_method": "hqq", "nbits": 3}, "hqq-3bit"), ({"load_in_4bit": True}, "bnb-4bit"),
        ({"quant_method": "torchao", "quant_type": "int8_weight_only"}, "torchao-int8_weight_only"),
    ],
)  # fmt: skip
def test_a_config_of_quantization_names_the_quant(
    tmp_path: Path, config: dict[str, Any], quant: str
) -> None:
    arguments = {"pretrained": "o/Toy-7B", "dtype": "bfloat16", "quantization_config": config}
    assert attempt(tmp_path, arguments)["quant"] == quant


def test_packed_weights_without_a_name_are_of_an_unknown_quant(tmp_path: Path) -> None:
    packed = attempt(tmp_path, "pretrained=o/Toy-7B,dtype=float16", model_num_parameters=1.2e9)
    assert packed["quant"] == "unknown"
    whole = attempt(tmp_path, "pretrained=o/Toy-7B,dtype=float16", model_num_parameters=6.9e9)
    assert whole["quant"] == "F16"


@pytest.mark.parametrize(
    ("beside", "model"),
    [
        ("peft=me/my-lora", "Toy-7B+my-lora"), ("lora_local_path=/a/my-lora/", "Toy-7B+my-lora"),
        ("delta=me/my-delta", "Toy-7B+my-delta"), ("peft=run/final", "Toy-7B+run/final"),
        ("peft=None", "Toy-7B"), ("revision=step1000", "Toy-7B@step1000"),
        ("revision=main", "Toy-7B"), ("revision=0123456789abcdef", "Toy-7B"),
    ],
)  # fmt: skip
def test_an_adapter_or_a_revision_is_another_model(tmp_path: Path, beside: str, model: str) -> None:
    assert attempt(tmp_path, f"pretrained=o/Toy-7B,dtype=bfloat16,{beside}")["model"] == model


def test_how_the_cache_is_kept_is_another_cell(tmp_path: Path) -> None:
    plain = attempt(tmp_path, "pretrained=o/Toy-7B,dtype=bfloat16")
    packed = attempt(tmp_path, "pretrained=o/Toy-7B,dtype=bfloat16,kv_cache_dtype=fp8")
    assert json.loads(packed["options"]) == {"kv_cache_dtype": "fp8"}
    assert plain["cell_id"] != packed["cell_id"]
