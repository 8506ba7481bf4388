"""The recipes listed are the presets that the linked llama.cpp really makes."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from grid_llamacpp import backend
from grid_llamacpp.library import library
from grid_llamacpp.recipes import NEEDS_MATRIX, RECIPES
from llamacpp_random import CONFIG, forward, weights

from grid.errors import EngineError, Unsupported
from grid.models.gguf.ggml_types import FILE_TYPES, GGML_TYPES

pytestmark = pytest.mark.engine

DENSE = sorted(set(RECIPES) - {"MXFP4_MOE"} - NEEDS_MATRIX)
"""Made without an importance matrix; test_llamacpp_matrix makes the others."""


@pytest.fixture(scope="module")
def checkpoints(f16: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("made")
    for recipe in DENSE:
        backend.quantize(f16, recipe, folder / f"{recipe}.gguf", 1)
    return {recipe: folder / f"{recipe}.gguf" for recipe in DENSE}


def native(source: Path, target: Path, number: int) -> int:
    api = library().api
    parameters = api.llama_model_quantize_default_params()
    parameters.ftype, parameters.nthread = number, 1
    code = api.llama_model_quantize(
        str(source).encode(), str(target).encode(), ctypes.byref(parameters)
    )
    return int(code)


@pytest.mark.parametrize("recipe", DENSE)
def test_every_recipe_is_made_and_names_itself(checkpoints: dict[str, Path], recipe: str) -> None:
    assert backend.inspect(checkpoints[recipe]).quant == recipe


@pytest.mark.parametrize("recipe", DENSE)
def test_every_recipe_can_be_run(
    checkpoints: dict[str, Path], recipe: str, load_engine: Any
) -> None:
    with load_engine(checkpoints[recipe]) as engine:
        assert np.isfinite(engine.logits([0, 5, 6])).all()


def test_every_preset_that_the_library_knows_is_a_recipe() -> None:
    """Its constants, and every number that it takes, a newer library's too."""
    api = library().api
    prefixes = ("LLAMA_FTYPE_MOSTLY_", "LLAMA_FTYPE_ALL_")
    constants = {
        getattr(api, name): name
        for name in dir(api)
        if name.startswith(prefixes) and "_Q4_1_SOME_F16" not in name
    }
    assert {number: name.split("_", 3)[3] for number, name in constants.items()}.items() <= (
        FILE_TYPES.items()
    )
    assert set(FILE_TYPES.values()) == set(RECIPES)


def test_the_library_refuses_without_a_matrix_what_needs_one(f16: Path, tmp_path: Path) -> None:
    numbers = range(max(FILE_TYPES) + 20)
    accepted = {n for n in numbers if native(f16, tmp_path / "x.gguf", n) == 0}
    refused = {FILE_TYPES.get(n, str(n)) for n in {*FILE_TYPES} - accepted}
    assert {FILE_TYPES.get(n, str(n)) for n in accepted} <= set(RECIPES)
    assert refused == NEEDS_MATRIX | {"NVFP4"}  # which is made by types of tensors


def test_fewer_bits_are_further_from_the_16_bit_model(
    checkpoints: dict[str, Path], load_engine: Any
) -> None:
    ids = [0, 17, 258, 80, 3, 99, 200, 261]
    true = forward(CONFIG, weights(CONFIG), ids)

    def error(recipe: str) -> float:
        with load_engine(checkpoints[recipe]) as engine:
            return float(np.sqrt(np.mean((engine.logits(ids) - true) ** 2)))

    errors = [error(recipe) for recipe in ("F16", "Q8_0", "Q5_K_M", "Q4_0", "Q2_K", "Q1_0")]
    assert errors == sorted(errors)


@pytest.mark.parametrize("recipe", ["Q8_0", "Q4_0", "Q5_1", "TQ1_0", "Q1_0", "Q2_0", "NVFP4"])
def test_nominal_bits_are_those_of_the_block_type(
    checkpoints: dict[str, Path], recipe: str
) -> None:
    assert backend.inspect(checkpoints[recipe]).facts.bpw_layer == RECIPES[recipe].bits


def test_nominal_bits_are_near_the_observed(checkpoints: dict[str, Path]) -> None:
    """Small embeddings weigh more here than in the 8B model the mixed figures are from."""
    for recipe in DENSE:
        observed = backend.inspect(checkpoints[recipe]).facts.bpw_layer
        assert observed == pytest.approx(RECIPES[recipe].bits, rel=0.08), recipe


def test_type_table_is_the_librarys() -> None:
    base = library().cdll
    base.ggml_blck_size.restype = ctypes.c_int64
    base.ggml_type_size.restype = ctypes.c_size_t
    base.ggml_type_name.restype = ctypes.c_char_p
    for number, kind in GGML_TYPES.items():
        assert base.ggml_type_name(number).decode().upper() == kind.name
        assert (base.ggml_blck_size(number), base.ggml_type_size(number)) == kind[1:]


def test_quantizing_twice_is_unsupported(q8: Path, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match=r"already quantized \(Q8_0\)"):
        backend.quantize(q8, "Q4_0", tmp_path / "x.gguf", 1)


@pytest.mark.parametrize(
    ("recipe", "complaint"),
    [
        ("IQ2_XS", r"text of \[calibration\], or give a file"),
        ("Q4_K_X", "Did you mean"),
        ("MXFP4_MOE", "mixtures"),
    ],
)
def test_a_recipe_that_cannot_be_made_is_unsupported(
    f16: Path, tmp_path: Path, recipe: str, complaint: str
) -> None:
    with pytest.raises(Unsupported, match=complaint):
        backend.quantize(f16, recipe, tmp_path / "x.gguf", 1)
    assert list(tmp_path.iterdir()) == []


def test_a_torn_source_fails_and_leaves_no_file(f16: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.gguf"
    torn.write_bytes(f16.read_bytes()[:-100])
    with pytest.raises(EngineError, match="truncated"):
        backend.quantize(torn, "Q4_0", tmp_path / "x.gguf", 1)
    assert list(tmp_path.iterdir()) == [torn]


def test_a_target_that_cannot_be_written_is_one_line(f16: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="cannot be written"):
        backend.quantize(f16, "Q4_0", tmp_path / "file" / "x.gguf", 1)


def test_a_mixture_of_experts_keeps_them_in_mxfp4(tmp_path: Path, load_engine: Any) -> None:
    source = _mixture(tmp_path / "moe.gguf")
    backend.quantize(source, "MXFP4_MOE", tmp_path / "q.gguf", 1)
    inspection = backend.inspect(tmp_path / "q.gguf")
    assert inspection.quant == "MXFP4_MOE"
    assert 4.25 < inspection.facts.bpw_layer < 8.5
    with load_engine(tmp_path / "q.gguf") as engine:
        assert np.isfinite(engine.logits([0, 5])).all()


def _mixture(path: Path) -> Path:
    """One layer of four experts, two used, random."""
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_file_type(1)
    for name, value in {
        "block_count": 1, "context_length": 128, "embedding_length": 64, "vocab_size": 8,
        "feed_forward_length": 64, "expert_count": 4, "expert_used_count": 2,
        "attention.head_count": 2, "rope.dimension_count": 32,
    }.items():  # fmt: skip
        writer.add_uint32(f"llama.{name}", value)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("none")
    random = np.random.default_rng(0)
    shapes = {"token_embd": (8, 64), "output": (8, 64), "blk.0.ffn_gate_inp": (4, 64)}
    shapes |= {f"blk.0.attn_{n}": (64, 64) for n in ("q", "k", "v", "output")}
    experts = {f"blk.0.ffn_{n}_exps": (4, 64, 64) for n in ("gate", "up", "down")}
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(64, np.float32))
    for name, shape in {**shapes, **experts}.items():
        kind = np.float32 if name.endswith("inp") else np.float16
        writer.add_tensor(f"{name}.weight", (random.standard_normal(shape) / 8).astype(kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_identity_names_the_quantizer_and_its_version() -> None:
    assert backend.quantizer() == "llama-cpp-python 0.3.36, converter 1"


@pytest.mark.parametrize("recipe", ["Q8_0", "Q4_0", "Q5_1"])
def test_dequantized_weights_are_those_that_the_quant_stands_for(
    checkpoints: dict[str, Path], tmp_path: Path, recipe: str
) -> None:
    backend.quantize(checkpoints[recipe], "F16", tmp_path / "x.gguf", 1)
    assert backend.inspect(tmp_path / "x.gguf").quant == "F16"
    whole = {tensor.name: tensor for tensor in gguf.GGUFReader(tmp_path / "x.gguf").tensors}
    for tensor in gguf.GGUFReader(checkpoints[recipe]).tensors:
        meant = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        values = whole[tensor.name].data
        np.testing.assert_array_equal(values, meant.astype(values.dtype), tensor.name)
