"""Lines that make a file of a public model."""

from __future__ import annotations

import pytest

from grid.advice.making import making_lines


def lines(preset: str) -> list[str]:
    target = f"Qwen3-32B-{preset}.gguf"
    return [
        line.replace(" \\\n    ", " ")
        for line in making_lines("Qwen/Qwen3-32B", "Qwen3-32B", preset, target)
    ]


def test_a_quant_is_made_of_the_16_bits_of_the_hub() -> None:
    assert lines("Q4_K_M") == [
        "hf download Qwen/Qwen3-32B --local-dir Qwen3-32B",
        "python convert_hf_to_gguf.py Qwen3-32B --outfile Qwen3-32B-F16.gguf --outtype f16",
        "llama-quantize Qwen3-32B-F16.gguf Qwen3-32B-Q4_K_M.gguf Q4_K_M",
    ]


@pytest.mark.parametrize("preset", ["IQ1_S", "IQ2_XXS", "IQ3_XXS", "Q2_K_S"])
def test_a_preset_below_three_bits_takes_an_importance_matrix(preset: str) -> None:
    *_, matrix, quantize = lines(preset)
    assert matrix.startswith("llama-imatrix -m Qwen3-32B-F16.gguf")
    assert quantize.startswith("llama-quantize --imatrix imatrix.gguf Qwen3-32B-F16.gguf")


@pytest.mark.parametrize(("preset", "end"), [("BF16", "--outtype bf16"), ("MXFP4_MOE", ".gguf")])
def test_what_the_converter_writes_is_not_quantized(preset: str, end: str) -> None:
    _, convert = lines(preset)
    assert convert.endswith(end)
