"""Presets that the linked llama.cpp makes without an importance matrix."""

from __future__ import annotations

from grid.backend import Recipe
from grid.models.gguf.ggml_types import FILE_TYPES

FILE_TYPE_NUMBERS = {name: number for number, name in FILE_TYPES.items()}

PLAIN = ("F32", "F16", "BF16")
"""Not quantized: made by conversion."""

EXPERTS_ONLY = "MXFP4_MOE"
"""Stores the experts of a mixture in MXFP4; a model without experts would come out as Q8_0."""

_BITS: dict[str, float] = {
    "F32": 32.0,
    "F16": 16.0,
    "BF16": 16.0,
    "Q8_0": 8.5,
    "Q6_K": 6.5633,
    "Q5_K_M": 5.7036,
    "Q5_K_S": 5.5704,
    "Q5_1": 6.0,
    "Q5_0": 5.5,
    "Q4_K_M": 4.8944,
    "Q4_K_S": 4.6672,
    "Q4_1": 5.0,
    "Q4_0": 4.5,
    "IQ4_NL": 4.6818,
    "IQ4_XS": 4.4597,
    "MXFP4_MOE": 4.25,
    "Q3_K_L": 4.2979,
    "Q3_K_M": 3.9960,
    "Q3_K_S": 3.6429,
    "IQ3_M": 3.7628,
    "IQ3_S": 3.6606,
    "Q2_K": 3.1593,
    "Q2_0": 2.25,
    "TQ2_0": 2.0625,
    "TQ1_0": 1.6875,
    "Q1_0": 1.125,
}
"""Nominal bits per weight: what llama.cpp's quantize README gives for Llama-3.1-8B (mixed presets,
embeddings included), the block type's own for the others."""

RECIPES: dict[str, Recipe] = {name: Recipe(name=name, bits=bits) for name, bits in _BITS.items()}

NEEDS_MATRIX = frozenset(
    {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "IQ3_XS", "Q2_K_S"}
)
"""Presets that llama.cpp refuses without an importance matrix."""
