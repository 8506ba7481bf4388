"""Models whose shapes are public: counts, sizes and caches that can be checked elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from real_models import quantized, smollm2

from grid.models.gguf.inspection import inspect
from grid.models.gguf.inventory_config import from_config
from grid.models.public import (
    PublicModel,
    computed_size,
    find_model,
    public_models,
    typical_bits,
)

PUBLISHED = Path(__file__).parents[3] / "grid" / "results" / "imports" / "published"


def model(name: str) -> PublicModel:
    shape = find_model(name)
    assert shape is not None
    return shape


def bits(shape: PublicModel, preset: str) -> float:
    size = shape.size(preset)
    assert size is not None
    return size.bpw_file


@pytest.mark.parametrize("name", [model.name for model in public_models()])
def test_shape_has_the_published_number_of_weights(name: str) -> None:
    shape = model(name)
    tensors, _ = from_config(shape.config)
    assert sum(tensor.elements for tensor in tensors) == shape.parameters


def test_sizes_are_those_of_the_published_ladder() -> None:
    """llama.cpp's own table of Llama-3.1-8B: bits per weight of each preset, made with matrices."""
    table = json.loads((PUBLISHED / "llama3.1-8b-gguf-speed.json").read_text())
    shape = model("Llama-3.1-8B")
    stated = {row["quant"].upper(): row["bpw_file"] for row in table["rows"]}
    errors = {q: abs(bits(shape, q) / wanted - 1) for q, wanted in stated.items()}
    assert len(errors) > 20
    assert max(errors.values()) < 1e-4, errors


@pytest.mark.parametrize(
    ("name", "billions"),
    [("Qwen3-30B-A3B", 3.04), ("gpt-oss-20b", 3.61), ("Mixtral-8x7B", 12.75), ("phi-4", 14.15)],
)
def test_active_parameters_leave_out_idle_experts_and_looked_up_rows(
    name: str, billions: float
) -> None:
    assert model(name).active_parameters / 1e9 == pytest.approx(billions, abs=0.01)


def test_caches_follow_heads_and_windows() -> None:
    # 80 layers x 2 x 8 heads of 128 at 2 bytes
    assert model("Llama-3.1-70B").kv_bytes(1) == 80 * 2 * 1024 * 2
    # of 24 layers every other one keeps 128 tokens
    assert model("gpt-oss-20b").kv_bytes(1000) == 12 * (1000 + 128) * 2 * 512 * 2


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("Meta-Llama-3.1-8B-Instruct", "Llama-3.1-8B"),
        ("Qwen3-4B-Instruct-2507", "Qwen3-4B"),
        ("gemma-3-12b-it", "gemma-3-12b"),
        ("Mixtral-8x7B-Instruct-v0.1", "Mixtral-8x7B"),
        ("llama 3.1 8b", "Llama-3.1-8B"),
    ],
)
def test_a_tuned_model_has_its_base_models_shape(name: str, shape: str) -> None:
    assert model(name).name == shape


@pytest.mark.parametrize("name", ["Llama-3.1-9B", "my-tune", "", "Qwen3-4B-Pruned-3B"])
def test_other_names_have_no_shape(name: str) -> None:
    assert find_model(name) is None


@pytest.mark.parametrize(
    ("preset", "middle", "p90"), [("Q8_0", 0.001, 0.002), ("Q6_K", 0.005, 0.02),
                                  ("Q4_K_M", 0.02, 0.05), ("Q2_K", 0.03, 0.10)],
)  # fmt: skip
def test_typical_bits_hold_for_families_left_out(
    preset: str, middle: float, p90: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = public_models()
    errors = []
    for left_out in (m for m in models if m.parameters >= 1e9):
        others = tuple(m for m in models if m.name[:5] != left_out.name[:5])
        monkeypatch.setattr(
            "grid.models.public.catalog.public_models", lambda others=others: others
        )
        typical = typical_bits(left_out.parameters, preset)
        assert typical is not None
        errors.append(abs(typical / bits(left_out, preset) - 1))
    assert np.median(errors) <= middle
    assert np.quantile(errors, 0.9) <= p90


@pytest.mark.parametrize(
    ("name", "parameters", "quant", "kind", "gigabytes"),
    [
        ("Meta-Llama-3.1-8B-Instruct", None, "Q4_K_M", "gguf", 4.91),
        ("Meta-Llama-3.1-8B-Instruct", 8_030_000_000, "i1-Q4_K_M", "gguf", 4.91),
        ("Qwen2.5-7B-Instruct", None, "BF16", "safetensors", 15.23),
        ("Some-7B", None, "q4-g64", "mlx", 7 * 4.5 / 8),
        ("Some-7B", None, "q4-g32", "mlx", 7 * 5 / 8),
        ("Some-30B-A3B", None, "Q8_0", "gguf", 31.9),
        ("gpt-oss-20b", None, "MXFP4", "gguf", 12.1),
    ],
)
def test_size_is_parameters_times_bits(
    name: str, parameters: int | None, quant: str, kind: str, gigabytes: float
) -> None:
    size = computed_size(name, parameters, quant, kind)
    assert size is not None
    assert size.bytes / 1e9 == pytest.approx(gigabytes, rel=0.005)
    assert size.text.startswith("computed: ")


@pytest.mark.parametrize(
    ("name", "quant", "kind"),
    [
        ("a-model", "Q4_K_M", "gguf"),  # nothing says its parameters
        ("Some-7B", "awq", "safetensors"),  # its embedding table stays at 16 bits
        ("Some-7B", "odd", "gguf"),
        ("Some-0.5B", "Q4_K_M", "gguf"),  # small ones differ too much
    ],
)
def test_no_size_without_parameters_or_bits(name: str, quant: str, kind: str) -> None:
    assert computed_size(name, None, quant, kind) is None


@pytest.mark.parametrize("preset", ["F16", "Q8_0", "Q4_K_M", "Q2_K"])
def test_sizes_are_those_of_files_that_llama_cpp_makes(preset: str) -> None:
    """Of a real model: the bits exactly, the file to what its header holds."""
    path = quantized(smollm2(), preset)
    size = model("SmolLM2-135M").size(preset)
    assert size is not None
    assert size.bpw_file == pytest.approx(inspect(path).facts.bpw_file, rel=1e-6)
    assert size.file_bytes == pytest.approx(path.stat().st_size, rel=0.005)
