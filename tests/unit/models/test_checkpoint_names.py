"""The same weights are called the same, whoever makes or reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grid.errors import InputError
from grid.models.checkpoint import quantization_names as names
from grid.models.checkpoint.quantization import Quantization, known_methods, read_quantization


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (names.gptq_name(4, 128), "gptq-w4g128"),
        (names.gptq_name(4, -1), "gptq-w4gcol"),
        (names.gptq_name(3, 64, desc_act=True), "gptq-w3g64-act"),
        (names.gptq_name(2, 32, desc_act=True, sym=False), "gptq-w2g32-act-asym"),
        (names.awq_name(4, 128), "awq-w4g128"),
        (names.awq_name(4, 128, zero_point=False), "awq-w4g128-sym"),
        (names.bnb_name("nf4"), "bnb-nf4"),
        (names.bnb_name("fp4", double_quant=True), "bnb-fp4-dq"),
        (names.bnb_name("int8"), "bnb-int8"),
        (names.mlx_name(4, 64), "mlx-4bit-g64"),
        (names.mlx_name(4, 32, "mxfp4"), "mlx-mxfp4"),
        (names.mlx_name(4, 64, mixed=True), "mlx-4bit-g64-mixed"),
        (names.hqq_name(4, 64), "hqq-4bit-g64"),
        (names.hqq_name(8, None), "hqq-8bit-gcol"),
        (names.aqlm_name(1, 16, 8), "aqlm-2bit-1x16"),
        (names.aqlm_name(3, 8, 16), "aqlm-1.5bit-3x8"),
        (names.fp8_name(), "fp8"),
        (names.torchao_name("Int8WeightOnlyConfig"), "torchao-int8wo"),
        (names.torchao_name("int8_weight_only"), "torchao-int8wo"),
        (names.torchao_name("Int4WeightOnlyConfig", 128), "torchao-int4wo-g128"),
        (names.torchao_name("Float8WeightOnlyConfig"), "torchao-float8wo"),
        (names.torchao_name("IntxWeightOnlyConfig", 64, "int4"), "torchao-intx4wo-g64"),
        (
            names.torchao_name("Int8DynamicActivationInt4WeightConfig", 32),
            "torchao-int8da-int4w-g32",
        ),
        (names.compressed_name("pack-quantized", 4, 128), "ct-pack-quantized-w4g128"),
        (names.compressed_name("int-quantized", 8, None, activation=8), "ct-int-quantized-w8a8"),
        (names.compressed_name("pack-quantized", 4, 64, sym=False), "ct-pack-quantized-w4g64-asym"),
    ],
)
def test_quantizations_have_one_name(name: str, expected: str) -> None:
    assert name == expected


def read_config(**values: Any) -> Quantization:
    quantization = read_quantization(Path("m"), {"quantization_config": values})
    assert quantization is not None
    return quantization


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": False}, "gptq-w4g128-asym"),
        ({"method": "gptq", "bits": 8, "group_size": -1}, "gptq-w8gcol"),
        ({"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}, "awq-w4g128"),
        ({"w_bit": 4, "q_group_size": 64, "zero_point": True, "version": "GEMM"}, "awq-w4g64"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bnb-int8"),
        ({"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "bnb-nf4"),
        ({"quant_method": "bitsandbytes", "_load_in_4bit": True}, "bnb-fp4"),
        ({"group_size": 32, "bits": 4, "mode": "mxfp4", "quant_method": "mlx"}, "mlx-mxfp4"),
        ({"group_size": 64, "bits": 4, "lm_head": False, "quant_method": "mlx"}, "mlx-4bit-g64"),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8"),
        ({"quant_method": "fbgemm_fp8"}, "fp8"),
        ({"quant_method": "torchao", "quant_type": "int8_weight_only"}, "torchao-int8wo"),
        (
            {
                "quant_method": "torchao",
                "quant_type": "int4_weight_only",
                "quant_type_kwargs": {"group_size": 64},
            },
            "torchao-int4wo-g64",
        ),
    ],
)
def test_quantization_configs_lead_to_names(values: dict[str, Any], expected: str) -> None:
    assert read_config(**values).quant == expected


def test_layers_of_their_own_bits_make_mlx_weights_mixed() -> None:
    own = {"model.layers.0.mlp.down_proj": {"bits": 6, "group_size": 64}}
    config = {"quantization": {"bits": 4, "group_size": 64, **own}}
    quantization = read_quantization(Path("m"), config)
    assert quantization is not None
    assert (quantization.quant, quantization.overrides) == ("mlx-4bit-g64-mixed", True)


def test_plain_weights_declare_nothing() -> None:
    assert read_quantization(Path("m"), {"quantization_config": None}) is None


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"quant_method": "bitsandbytes"}, "neither load_in_4bit nor load_in_8bit is true"),
        (
            {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf5"},
            "bnb_4bit_quant_type is 'nf5'; there are nf4 and fp4",
        ),
        ({"quant_method": "hqq", "nbits": 7}, "hqq of 7 bits"),
        ({"quant_method": "aqlm", "num_codebooks": 1}, "nbits_per_codebook is missing"),
        ({"quant_method": "torchao"}, "torchao without a readable quant_type"),
        ({"quant_method": "compressed-tensors"}, "compressed-tensors without a format"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 64, "sym": "yes"}, "sym is 'yes'"),
        ({"something": 1}, "quant_method is missing; known: aqlm, awq"),
        ({"quant_method": "mlx", "bits": 9, "group_size": 64}, "mlx of 9 bits in groups of 64"),
    ],
)
def test_impossible_quantization_configs_are_refused(values: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError) as caught:
        read_config(**values)
    assert str(caught.value).startswith("m/config.json: quantization_config: ")
    assert fault in str(caught.value)


def test_a_quantization_config_that_is_no_object_is_refused() -> None:
    with pytest.raises(InputError, match="quantization_config is not a JSON object"):
        read_quantization(Path("m"), {"quantization_config": [1]})


def test_known_quant_methods_are_listed_in_order() -> None:
    assert list(known_methods()) == sorted(known_methods())
    assert {"gptq", "awq", "bitsandbytes", "mlx", "torchao"} <= set(known_methods())
