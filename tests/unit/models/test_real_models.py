"""The real models that tests use are what they should be."""

from __future__ import annotations

import pytest
from real_models import dequantized, gemma3_270m, quantized, smollm2

from grid.models.gguf.inspection import inspect

pytestmark = pytest.mark.engine


def test_smollm2_is_a_llama_of_576_wide_rows_and_49152_tokens() -> None:
    inspection = inspect(smollm2())
    assert (inspection.model.architecture, inspection.quant) == ("llama", "Q4_1")
    assert inspection.model.vocabulary == 49152


def test_gemma_is_joined_of_its_four_parts() -> None:
    inspection = inspect(gemma3_270m())
    assert (inspection.model.architecture, inspection.quant) == ("gemma3", "Q4_K_M")
    assert inspection.model.vocabulary == 262144


def test_a_ladder_starts_from_dequantized_weights() -> None:
    whole = dequantized(smollm2())
    assert inspect(whole).quant == "F16"
    assert inspect(quantized(whole, "Q8_0")).quant == "Q8_0"
