"""What loading refuses, with one line; and the type that weights are computed in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from grid_transformers import backend

from grid.errors import EngineError, OutOfMemory, Unsupported
from grid.hardware.node import Node
from grid.testing.fixtures import copy_folder

pytestmark = pytest.mark.usefixtures("stack")


def test_weights_that_the_config_asks_for_must_be_there(
    folder: Path, load_engine: Any, tmp_path: Path
) -> None:
    wrong = copy_folder(folder, tmp_path / "wrong", num_hidden_layers=3)
    with pytest.raises(EngineError, match="lacks 9 of the weights") as caught, load_engine(wrong):
        pass
    assert "\n" not in str(caught.value)


def test_layers_that_the_config_does_not_count_are_an_error(
    folder: Path, load_engine: Any, tmp_path: Path
) -> None:
    wrong = copy_folder(folder, tmp_path / "wrong", num_hidden_layers=1)
    with pytest.raises(EngineError, match=r"layers\.1\..* says 1 layers"), load_engine(wrong):
        pass


def test_a_folder_without_a_tokenizer_fails_before_it_is_loaded(
    folder: Path, load_engine: Any, tmp_path: Path
) -> None:
    bare = copy_folder(folder, tmp_path / "bare")
    (bare / "tokenizer.json").unlink()
    (bare / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(EngineError, match=r"no tokenizer\.json there"), load_engine(bare):
        pass


@pytest.mark.parametrize("stored", ["bfloat16", "float16"])
def test_the_stored_type_is_that_of_the_weights_where_none_is_named(
    stored: str, folder: Path, tmp_path: Path
) -> None:
    import torch
    from grid_transformers.loading import compute_type
    from safetensors.torch import save_file

    (tmp_path / "config.json").write_text("{}")
    weights = {"a": torch.zeros(9, dtype=getattr(torch, stored)), "b": torch.zeros(2)}
    save_file(weights, tmp_path / "model.safetensors")
    assert compute_type(torch, tmp_path, "cuda", "auto") == getattr(torch, stored)
    assert compute_type(torch, tmp_path, "cpu", "auto") == torch.float32


@pytest.mark.parametrize(
    "method",
    [
        {"quant_method": "no_such"},
        {"bits": 4},
        {"bits": 4, "group_size": 64},
        {"quant_method": "gptq", "bits": 5, "group_size": 128},
        {"quant_method": "hqq", "nbits": 4, "group_size": 64},
    ],
)
def test_a_quantization_that_is_not_loaded_is_unsupported(
    method: dict[str, Any], folder: Path, load_engine: Any, tmp_path: Path
) -> None:
    """transformers itself would ignore some of them and compute nonsense."""
    wrong = copy_folder(folder, tmp_path / "wrong", quantization_config=method)
    with pytest.raises(Unsupported) as caught, load_engine(wrong):
        pass
    assert "\n" not in str(caught.value)


def test_a_device_that_is_not_there_is_unsupported(folder: Path, with_gpu: Node) -> None:
    options = backend.options({}, with_gpu)
    with (
        pytest.raises(Unsupported, match="device cuda:99"),
        backend.load(folder, "cuda:99", options),
    ):
        pass


@pytest.mark.parametrize(
    "message", ["DefaultCPUAllocator: can't allocate memory", "CUDA error: out of memory"]
)
def test_no_memory_is_told_apart(message: str) -> None:
    from grid_transformers.failures import computing, loading

    for guard in (computing, loading):
        with pytest.raises(OutOfMemory), guard("x"):
            raise RuntimeError(f"{message}\nand more")
    with pytest.raises(EngineError, match="x: RuntimeError: other"), computing("x"):
        raise RuntimeError("other\ntrace")
