"""What presets come to for rows that their blocks do not divide, and that it is what is made."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
import real_models
from grid_llamacpp import backend
from llamacpp_families import config_of
from llamacpp_synthetic import write_model

from grid.errors import Unsupported
from grid.models.gguf.ggml_types import llama_cpp_name
from grid.models.gguf.inventory_config import from_config
from grid.models.gguf.reader import read_header

ODD = {"hidden_size": 96, "head_dim": 32, "num_attention_heads": 3, "num_key_value_heads": 1}
"""Rows of 96 beside those of the feed forward, which are a multiple of 256."""


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = {**config_of("llama"), **ODD, "intermediate_size": 512}
    target = tmp_path_factory.mktemp("odd") / "odd-F16.gguf"
    return write_model(target, config, *from_config(config))


def stored_types(path: Path) -> dict[str, str]:
    return {tensor.name: llama_cpp_name(tensor.type) for tensor in read_header(path).tensors}


def tensor_bytes(path: Path) -> bytes:
    return path.read_bytes()[read_header(path).data_start :]


def test_fallbacks_are_counted_and_explained(odd: Path) -> None:
    prediction = backend.predicted_types(odd, "Q2_K")
    assert prediction.cause == "rows of 96 are no multiple of 256"
    assert prediction.note.startswith(f"{prediction.fallbacks} of ")
    assert prediction.note.endswith(prediction.cause)
    assert backend.predicted_types(odd, "Q8_0").note == ""


def test_a_preset_that_stores_no_such_rows_names_one_that_does(odd: Path) -> None:
    with pytest.raises(Unsupported, match=r"its rows of 96 are no multiple of 128; \w+ works"):
        backend.predicted_bytes(odd, "Q1_0")


def test_experts_alone_are_not_stored_where_there_are_none(odd: Path) -> None:
    with pytest.raises(Unsupported, match="MXFP4_MOE is for mixtures of experts; Q8_0 works"):
        backend.predicted_bytes(odd, "MXFP4_MOE")


@pytest.mark.engine
def test_presets_of_the_same_types_make_the_same_bytes(odd: Path, tmp_path: Path) -> None:
    presets = ("Q3_K_S", "Q2_K", "Q4_0", "TQ1_0")
    predictions = {preset: backend.predicted_types(odd, preset) for preset in presets}
    targets = {preset: tmp_path / f"{preset}.gguf" for preset in presets}
    for preset, target in targets.items():
        backend.quantize(odd, preset, target, 1)
        assert stored_types(target) == dict(predictions[preset].tensor_types), preset
    for one_preset, other_preset in combinations(presets, 2):
        predicted = [predictions[p].tensor_types for p in (one_preset, other_preset)]
        content = [tensor_bytes(targets[preset]) for preset in (one_preset, other_preset)]
        assert (content[0] == content[1]) == (predicted[0] == predicted[1])
    assert predictions["Q2_K"].tensor_types == predictions["Q3_K_S"].tensor_types


@pytest.mark.engine
def test_q2_k_and_q3_k_s_of_smollm2_are_one_content() -> None:
    whole = real_models.dequantized(real_models.smollm2())
    two, three = (real_models.quantized(whole, preset) for preset in ("Q2_K", "Q3_K_S"))
    assert stored_types(two) == dict(backend.predicted_types(whole, "Q2_K").tensor_types)
    assert backend.predicted_bytes(whole, "Q2_K") == two.stat().st_size
    assert tensor_bytes(two) == tensor_bytes(three)
    assert backend.predicted_types(whole, "Q2_K").note == (
        "181 of 211 matrices fall back (180 to Q4_0, 1 to Q8_0); rows of 576 are no multiple of 256"
    )
