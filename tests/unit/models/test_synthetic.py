"""Made-up models: names, sizes known before a byte is written, the same bytes everywhere."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest

from grid.errors import InputError, Unsupported
from grid.models.gguf.ggml_types import TYPES_BY_NAME
from grid.models.gguf.inspection import inspect
from grid.models.public import find_model
from grid.models.synthetic import SyntheticFile, find_synthetic, synthetic_models
from grid.models.synthetic.blocks import BLOCKS_OF_TILE, can_make, tile
from grid.models.synthetic.header import header_bytes

MODELS = synthetic_models()
TINY: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 300,
    "max_position_embeddings": 128,
    "tie_word_embeddings": False,
}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_shape_is_that_of_the_public_model(model: Any) -> None:
    described = SyntheticFile("x", model.config, "Q4_K_M").inspection.model
    assert described.parameters == model.parameters
    assert described.vocabulary == model.config["vocab_size"]
    public = find_model(model.like)
    if public is not None:
        assert described.layers == public.layers
        assert described.active_parameters == public.weights.active_parameters


def test_names_are_short_or_public_whatever_the_separators() -> None:
    for name in ("llama-1b", "Llama-3.2-1B", "LLAMA_1B"):
        assert find_synthetic(f"synthetic:{name}").like == "Llama-3.2-1B"
    assert find_synthetic("synthetic:gemma-3-270m").parameters == 268_098_176
    assert find_synthetic("synthetic:qwen3-30b-a3b").like == "Qwen3-30B-A3B"


def test_a_near_name_is_offered() -> None:
    with pytest.raises(InputError, match="Did you mean 'synthetic:llama-70b'"):
        find_synthetic("synthetic:lama-70b")


def test_written_bytes_are_those_predicted_and_the_hash_is_theirs(tmp_path: Path) -> None:
    for preset in ("F16", "Q8_0", "Q4_K_M", "IQ2_XXS"):
        file = SyntheticFile("x", TINY, preset)
        with (tmp_path / f"{preset}.gguf").open("wb") as stream:
            sha256 = file.write(stream)
        content = (tmp_path / f"{preset}.gguf").read_bytes()
        assert len(content) == file.file_bytes
        assert hashlib.sha256(content).hexdigest() == sha256
        assert inspect(tmp_path / f"{preset}.gguf").facts.bytes == file.file_bytes


def test_bytes_are_the_same_on_every_machine() -> None:
    sha256 = SyntheticFile("x", TINY, "Q4_K_M").write(io.BytesIO())
    assert sha256 == "acb2550a8bbf6aeb3abd178ef80ccddec477180246659b5e41c231fac9936c0c"


def test_norms_are_one_biases_zero_and_no_two_rows_alike() -> None:
    file = SyntheticFile("x", {**TINY, "attention_bias": True}, "F32")
    stream = io.BytesIO()
    file.write(stream)
    content = stream.getvalue()[len(file.header) :]
    parts = {t.tensor.name: content[t.offset : t.offset + t.bytes] for t in file.tensors}
    assert parts["blk.0.attn_norm.weight"] == b"\0\0\x80\x3f" * 256
    assert not any(parts["blk.0.attn_q.bias"])
    matrix = parts["blk.1.ffn_up.weight"]
    rows = {matrix[i : i + 1024] for i in range(0, len(matrix), 1024)}
    assert len(rows) == 512
    assert matrix != parts["blk.2.ffn_up.weight"]


@pytest.mark.parametrize("kind", [kind for kind in TYPES_BY_NAME if can_make(kind)])
def test_a_tile_is_whole_blocks_of_its_type(kind: str) -> None:
    ggml_type = TYPES_BY_NAME[kind]
    assert len(tile(kind, 7)) == BLOCKS_OF_TILE[ggml_type.block] * ggml_type.bytes


def test_70b_streams_in_bounded_memory() -> None:
    file = SyntheticFile("x", find_synthetic("synthetic:llama-70b").config, "Q4_K_M")
    pieces = file.pieces()
    sizes = [len(next(pieces)) for _ in range(300)]
    assert file.file_bytes == 42_515_412_864
    assert max(sizes) < 8 * 2**20


def test_presets_that_cannot_be_are_refused_with_the_reason() -> None:
    with pytest.raises(InputError, match="no preset"):
        SyntheticFile("x", TINY, "Q4_K_X")
    with pytest.raises(Unsupported, match="mixtures of experts"):
        SyntheticFile("x", TINY, "MXFP4_MOE")


def test_header_is_filled_up_to_the_alignment() -> None:
    assert len(header_bytes({"general.architecture": "llama"}, 300, ())) % 32 == 0
