"""Read what NVIDIA's Model Optimizer writes: hf_quant_config.json, or its fields in config.json.

`quant_algo` names the scheme of most layers; `MIXED_PRECISION` gives one to each of
`quantized_layers` (docs of Model Optimizer, unified Hugging Face checkpoint).
"""

from __future__ import annotations

from collections.abc import Mapping

from grid.models.checkpoint.quantization_fields import QuantizationFields
from grid.models.checkpoint.quantization_scheme import Quantization

CONFIG_FILE = "hf_quant_config.json"
_MIXED = "mixed_precision"

_BITS: Mapping[str, int] = {
    "fp8": 8,
    "fp8_pb_wo": 8,
    "fp8_pc_pt": 8,
    "fp8_per_channel_per_token": 8,
    "int8_sq": 8,
    "mxfp8": 8,
    "nvfp4": 4,
    "nvfp4_awq": 4,
    "nvfp4_svdquant": 4,
    "w4a16_mxfp4": 4,
    "w4a16_nvfp4": 4,
    "w4a16_awq": 4,
    "w4a8_awq": 4,
    "w4a8_mxfp4_fp8": 4,
    "w4a8_nvfp4_fp8": 4,
    "w8a16": 8,
    "w8a8_sq_per_channel": 8,
}
"""Bits of a weight, by the algorithm in lower case."""


def declaration(values: Mapping[str, object]) -> dict[str, object]:
    """The content of hf_quant_config.json in the shape of a quantization_config."""
    section = values.get("quantization")
    return {"quant_method": "modelopt", **(section if isinstance(section, dict) else {})}


def read_modelopt(fields: QuantizationFields) -> Quantization:
    """The quantization, `modelopt-nvfp4`; a mix names its algorithms in alphabetic order.

    Raises InputError for an algorithm that is missing or not known.
    """
    algorithm = fields.text("quant_algo").lower()
    if algorithm != _MIXED:
        return Quantization(
            format="modelopt",
            quant=f"modelopt-{_word(algorithm)}",
            bits=_bits(fields, algorithm),
            group=fields.integer("group_size"),
            layout=algorithm,
        )
    layers = fields.section("quantized_layers")
    algorithms = sorted({layers.section(name).text("quant_algo").lower() for name in layers.values})
    bits = {_bits(fields, name) for name in algorithms}
    if not algorithms:
        raise fields.error("MIXED_PRECISION without quantized_layers")
    return Quantization(
        format="modelopt",
        quant="modelopt-mixed-" + "-".join(map(_word, algorithms)),
        bits=bits.pop() if len(bits) == 1 else None,
        layout=algorithm,
        overrides=True,
    )


def _word(algorithm: str) -> str:
    return algorithm.replace("_", "-")


def _bits(fields: QuantizationFields, algorithm: str) -> int:
    if algorithm not in _BITS:
        written = repr(algorithm[:60]) if algorithm else "missing"
        raise fields.error(f"quant_algo is {written}; known: {', '.join(sorted(_BITS))}")
    return _BITS[algorithm]
