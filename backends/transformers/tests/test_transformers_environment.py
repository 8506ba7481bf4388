"""Which methods quantize activations, by the configurations that their tools write."""

from __future__ import annotations

from typing import Any

import pytest
from grid_transformers.environment import quantized_activations

EIGHT = "are quantized to 8 bits"
W8A8 = {"weights": {"num_bits": 8}, "input_activations": {"num_bits": 8, "dynamic": True}}
W4A16 = {"weights": {"num_bits": 4}, "input_activations": None}


@pytest.mark.parametrize(
    ("config", "cpu", "cuda"),
    [
        ({}, "", ""),
        ({"quant_method": "gptq", "bits": 4}, "", ""),
        ({"quant_method": "compressed-tensors", "config_groups": {"group_0": W4A16}}, "", ""),
        (
            {"quant_method": "compressed-tensors", "config_groups": {"a": W4A16, "b": W8A8}},
            EIGHT,
            EIGHT,
        ),
        (
            {
                "quant_method": "torchao",
                "quant_type": {"default": {"_type": "Int8DynamicActivationInt8WeightConfig"}},
            },
            EIGHT,
            EIGHT,
        ),
        (
            {"quant_method": "torchao", "quant_type": "int8_dynamic_activation_int4_weight"},
            EIGHT,
            EIGHT,
        ),
        (
            {
                "quant_method": "torchao",
                "quant_type": {"default": {"_type": "Float8WeightOnlyConfig"}},
            },
            "",
            "",
        ),
        ({"quant_method": "fp8", "activation_scheme": "dynamic"}, "", EIGHT),
        ({"quant_method": "fbgemm_fp8"}, "", EIGHT),
        ({"quant_method": "fp8", "dequantize": True}, "", ""),
    ],
)
def test_activations_are_what_the_method_makes_of_them(
    config: dict[str, Any], cpu: str, cuda: str
) -> None:
    assert quantized_activations(config, "cpu") == cpu
    assert quantized_activations(config, "cuda:1") == cuda
