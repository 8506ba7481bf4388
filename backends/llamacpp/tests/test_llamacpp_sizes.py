"""Sizes predicted without quantizing are those of the files that llama.cpp then makes."""

from __future__ import annotations

import ctypes
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grid_llamacpp import backend
from grid_llamacpp.library import library
from grid_llamacpp.matrix.importance import Importance, ImportanceMatrix
from grid_llamacpp.native_recipe import NativeRecipe
from grid_llamacpp.recipes import NEEDS_MATRIX, RECIPES, parse
from llamacpp_families import CONFIGS, config_of
from llamacpp_synthetic import write_model

from grid.errors import InputError, Unsupported
from grid.models.bundled import size_dir
from grid.models.gguf.families import FAMILIES
from grid.models.gguf.ggml_types import llama_cpp_name
from grid.models.gguf.inventory import Hyperparameters, UnquantizedTensor, from_headers
from grid.models.gguf.inventory_config import from_config
from grid.models.gguf.predict import (
    metadata_bytes_of,
    metadata_bytes_with,
    predict,
)
from grid.models.gguf.presets import PRESETS, tensor_types
from grid.models.gguf.reader import read_header

pytestmark = pytest.mark.engine

_LINE = re.compile(
    r"\[ *\d+/ *\d+\] +(\S+) +- \[[^\]]*\], type = +(\w+), +"
    r"size = +[\d.]+ MiB(?: -> +[\d.]+ MiB \((\w+)\))?"
)
TELLING = ("Q4_K_M", "Q3_K_L", "Q2_K", "IQ4_XS", "IQ3_XS", "IQ3_XXS", "IQ2_M", "IQ1_S", "TQ1_0")
"""Presets that between them use every rule there is for dense models."""
COUNT = np.ones(1, np.int64)
MIXTURES = ("mixtral", "qwen3_moe", "deepseek_v3")


Writer = Callable[..., Path]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Writer:
    """Writes the GGUF of a small model, once for each name and set of changes."""

    @cache
    def write(name: str, **changes: Any) -> Path:
        config = {**config_of(name), **changes}
        target = tmp_path_factory.mktemp("source") / "model.gguf"
        return write_model(target, config, *from_config(config))

    return write


def dry_run(
    source: Path, preset: str, matrix: tuple[UnquantizedTensor, ...] = ()
) -> dict[str, str]:
    """Types that llama.cpp announces, in its order; empty where it refuses.

    `matrix`: tensors to give an importance matrix for.
    """
    engine = library()
    ones = {
        tensor.name: Importance(np.ones((1, (tensor.shape or (0,))[0] or 0), np.float32), COUNT)
        for tensor in matrix
    }
    native = NativeRecipe(engine.api, parse(preset), ImportanceMatrix(ones), 1, requantize=False)
    native.fields.dry_run = True
    if not matrix:
        native.fields.imatrix = None
    mark = engine.log.mark()
    target = source.with_name("never.gguf")
    code = engine.api.llama_model_quantize(
        str(source).encode(), str(target).encode(), ctypes.byref(native.fields)
    )
    lines = engine.log.since(mark)
    if code:
        assert "failed to quantize" in " ".join(lines), (code, lines)
        return {}
    matches = _LINE.findall(" ".join(lines))
    assert matches, lines
    return {name: new or old for name, old, new in matches}


def predicted(
    inventory: tuple[UnquantizedTensor, ...], model: Hyperparameters, preset: str, **fields: Any
) -> dict[str, str]:
    """The same of the prediction."""
    try:
        return tensor_types(inventory, model, preset, **fields)
    except (InputError, Unsupported):
        return {}


def test_every_family_is_tried() -> None:
    assert {name.split()[0] for name in CONFIGS} == set(FAMILIES)


@pytest.mark.parametrize("name", CONFIGS)
def test_llama_cpp_loads_an_inventory_made_from_a_config(name: str, written: Writer) -> None:
    """It refuses a file with a tensor too few, too many, or of another shape."""
    engine = library()
    source = written(name)
    mark = engine.log.mark()
    parameters = engine.api.llama_model_default_params()
    model = engine.api.llama_model_load_from_file(str(source).encode(), parameters)
    assert model, engine.log.since(mark)[-4:]
    engine.api.llama_model_free(model)


@pytest.mark.parametrize("name", CONFIGS)
def test_types_of_every_family_are_llama_cpps(name: str, written: Writer) -> None:
    source = written(name)
    inventory, model = from_config(config_of(name))
    for preset in (*TELLING, "MXFP4_MOE"):
        assert predicted(inventory, model, preset) == dry_run(source, preset), preset


@pytest.mark.parametrize("name", ["llama", "llama of 80 layers", *MIXTURES])
@pytest.mark.parametrize("preset", PRESETS)
def test_types_of_every_preset_are_llama_cpps(name: str, preset: str, written: Writer) -> None:
    source = written(name)
    theirs = dry_run(source, preset)
    ours = predicted(*from_headers([read_header(source)]), preset)
    assert list(ours.items()) == list(theirs.items())


@pytest.mark.parametrize("name", ["llama", "mixtral"])
@pytest.mark.parametrize("preset", ["IQ4_XS", "IQ4_NL", "IQ3_XXS", "Q4_0", "Q5_0", "Q2_K_S"])
def test_an_importance_matrix_changes_types_as_in_llama_cpp(
    name: str, preset: str, written: Writer
) -> None:
    source = written(name)
    inventory, model = from_config(config_of(name))
    ours = predicted(inventory, model, preset, importance_matrix=True)
    assert ours == dry_run(source, preset, matrix=inventory)


def test_a_source_in_parts_is_predicted_from_all_of_them(tmp_path: Path) -> None:
    """Beside the whole file's size there are the numbers of the parts in the header."""
    config = {**config_of("llama"), "num_hidden_layers": 2}
    whole = write_model(tmp_path / "whole.gguf", config, *from_config(config))
    first = write_model(tmp_path / "split.gguf", config, *from_config(config), parts_of=4)
    assert first.name.startswith("split-00001-of-")
    for preset in ("Q8_0", "Q4_K_M"):
        expected = backend.predicted_bytes(whole, preset)
        assert expected <= backend.predicted_bytes(first, preset) < expected + 200


@pytest.mark.parametrize("name", ["llama tied", "qwen3", "mixtral"])
def test_every_file_has_the_size_and_types_predicted(
    name: str, written: Writer, tmp_path: Path
) -> None:
    source = written(name, num_hidden_layers=2)
    header = read_header(source)
    inventory, model = from_headers([header])
    presets = set(RECIPES) - NEEDS_MATRIX  # which test_llamacpp_matrix makes
    presets -= {"MXFP4_MOE"} if name != "mixtral" else set()
    for preset in sorted(presets):
        target = tmp_path / f"{preset}.gguf"
        backend.quantize(source, preset, target, 1)
        ours = predict(inventory, model, preset, metadata_bytes=metadata_bytes_of([header]))
        assert ours.file_bytes == target.stat().st_size, preset
        assert tensor_types(inventory, model, preset) == {
            t.name: llama_cpp_name(t.type) for t in read_header(target).tensors
        }


@pytest.mark.parametrize("size", ["small", "large"])
def test_the_reference_familys_files_are_predicted_before_the_first_is_made(
    size: str, tmp_path: Path
) -> None:
    """From config.json and tokenizer.json alone, within 0.1 %."""
    folder = size_dir(size)
    config = json.loads((folder / "config.json").read_text())
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    inventory, model = from_config(config)
    metadata = metadata_bytes_with(tokenizer, config["vocab_size"])
    f16 = tmp_path / "f16.gguf"
    backend.quantize(folder, "F16", f16, 1)
    for preset in ("F16", "Q8_0", "Q4_K_M", "Q2_K"):
        target = f16 if preset == "F16" else tmp_path / f"{preset}.gguf"
        if preset != "F16":
            backend.quantize(f16, preset, target, 1)
        ours = predict(inventory, model, preset, metadata_bytes=metadata)
        facts = backend.inspect(target).facts
        assert tensor_types(inventory, model, preset) == {
            t.name: llama_cpp_name(t.type) for t in read_header(target).tensors
        }
        assert ours.file_bytes == pytest.approx(facts.bytes, rel=1e-3)
        assert ours.bpw_file == pytest.approx(facts.bpw_file, rel=1e-12)
        assert ours.bpw_layer == pytest.approx(facts.bpw_layer, rel=1e-12)


def test_needing_a_matrix_is_no_reason_to_have_no_size() -> None:
    inventory, model = from_config(config_of("llama"))
    for preset in sorted(NEEDS_MATRIX):
        assert predict(inventory, model, preset, importance_matrix=True).file_bytes > 0


@pytest.mark.parametrize("size", ["small", "large"])
def test_the_plan_is_told_a_presets_size_from_a_folder_or_a_file(size: str, tmp_path: Path) -> None:
    f16 = tmp_path / "f16.gguf"
    backend.quantize(size_dir(size), "F16", f16, 1)
    target = tmp_path / "q4.gguf"
    backend.quantize(f16, "Q4_K_M", target, 1)
    q4_bytes = target.stat().st_size
    assert backend.predicted_bytes(f16, "Q4_K_M") == pytest.approx(q4_bytes, abs=32)
    assert backend.predicted_bytes(size_dir(size), "Q4_K_M") == pytest.approx(q4_bytes, rel=1e-3)


CHANGED = (
    "Q4_K_M --tensor-type ffn_down=q6_K",
    "Q4_K_M+imatrix --output-tensor-type q8_0 --tensor-type attn_v=q8_0 --tensor-type attn=q5_K",
    "Q4_0+imatrix --token-embedding-type q4_K",
    "Q3_K_L --tensor-type 'blk\\.[0-3]\\.ffn_(up|gate)=iq4_xs' --tensor-type exps=mxfp4",
    "IQ2_M --tensor-type attn_v=q4_K",
    "NVFP4 --tensor-type 'blk\\.0\\.=q8_0'",
    "Q5_K_M --output-tensor-type f16",
)


@pytest.mark.parametrize("name", ["llama", "llama tied", *MIXTURES])
@pytest.mark.parametrize("recipe", CHANGED)
def test_types_of_a_changed_recipe_are_llama_cpps(name: str, recipe: str, written: Writer) -> None:
    """A tensor that a pattern takes is not counted among its role, so that others change too."""
    source = written(name)
    inventory, model = from_headers([read_header(source)])
    preset = parse(recipe)
    ours = predicted(
        inventory, model, preset.name, importance_matrix=preset.matrix, changes=preset.changes
    )
    theirs = dry_run(source, recipe, matrix=inventory if preset.matrix else ())
    assert list(ours.items()) == list(theirs.items())
