"""Made-up models against llama.cpp, which loads them and quantizes to files of the same size."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from grid_llamacpp import backend

from grid.backend import inspect_gguf
from grid.errors import Unsupported
from grid.models.gguf.presets import PRESETS
from grid.models.gguf.reader import read_header
from grid.models.synthetic import SyntheticFile, synthetic_models

_SMALL: dict[str, Any] = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 8,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "vocab_size": 320,
    "max_position_embeddings": 512,
}
_FEW_EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2}


def small_shapes() -> dict[str, dict[str, Any]]:
    """A small shape of each family that is offered, with the family's own further fields."""
    shapes: dict[str, dict[str, Any]] = {}
    for model in synthetic_models():
        config = {**model.config, **_SMALL}
        if any(name in config for name in _FEW_EXPERTS):
            config |= {name: n for name, n in _FEW_EXPERTS.items() if name in config}
            config |= {"moe_intermediate_size": 256} if "moe_intermediate_size" in config else {}
        shapes.setdefault(str(config["model_type"]), config)
    return shapes


SHAPES = small_shapes()
COMPARED_PRESETS = ("Q4_K_M", "Q3_K_L", "Q4_1", "MXFP4_MOE")
pytestmark = pytest.mark.engine


def write(folder: Path, kind: str, preset: str) -> tuple[SyntheticFile, Path]:
    file = SyntheticFile("made-up", SHAPES[kind], preset)
    path = folder / f"{kind}-{preset}.gguf"
    with path.open("wb") as stream:
        file.write(stream)
    return file, path


def types_of(path: Path) -> dict[str, str]:
    return {tensor.name: tensor.type.name for tensor in read_header(path).tensors}


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_types_and_bytes_are_those_of_llama_quantize(kind: str, tmp_path: Path) -> None:
    _, source = write(tmp_path, kind, "F16")
    for preset in COMPARED_PRESETS:
        quantized = tmp_path / f"{preset}-quantized.gguf"
        try:
            backend.quantize(source, preset, quantized, threads=1)
        except Unsupported:
            with pytest.raises(Unsupported):
                write(tmp_path, kind, preset)
            continue
        file, path = write(tmp_path, kind, preset)
        assert types_of(path) == types_of(quantized), preset
        assert file.file_bytes == path.stat().st_size == quantized.stat().st_size, preset
        path.unlink()


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_engine_loads_each_family(kind: str, tmp_path: Path, load_engine: Any) -> None:
    check_logits(write(tmp_path, kind, "Q4_K_M")[1], load_engine)


@pytest.mark.parametrize("preset", PRESETS)
def test_weights_of_each_preset_give_finite_logits(
    preset: str, tmp_path: Path, load_engine: Any
) -> None:
    kind = "qwen3_moe" if preset == "MXFP4_MOE" else "llama"
    check_logits(write(tmp_path, kind, preset)[1], load_engine)


def check_logits(path: Path, load_engine: Any) -> None:
    with load_engine(path) as engine:
        logits = engine.logits(engine.encode("a text in bytes"))
    assert logits.shape == (15, SHAPES["llama"]["vocab_size"])
    assert np.isfinite(logits).all()
    assert np.unique(logits[-1]).size > 100  # rows of the head differ
    assert np.abs(logits[0] - logits[-1]).max() > 0.01  # and so do tokens


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_file_is_described_before_it_exists_as_its_header_is_read(
    kind: str, tmp_path: Path
) -> None:
    file, path = write(tmp_path, kind, "Q5_K_M")
    read, expected = inspect_gguf(path), file.inspection
    assert read.quant == expected.quant == "Q5_K_M"
    assert read.facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert msgspec.structs.replace(read.facts, sha256="") == expected.facts
    assert read.model.layers == expected.model.layers
    assert read.model.vocabulary == SHAPES[kind]["vocab_size"]
