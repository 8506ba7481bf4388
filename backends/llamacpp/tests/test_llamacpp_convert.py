"""Safetensors -> GGUF computes what an independent forward pass computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grid_llamacpp import backend
from grid_llamacpp.safetensors import to_bfloat16, to_float32
from hypothesis import given
from hypothesis import strategies as st
from llamacpp_random import CONFIG, forward, tokenizer, weights, write_folder

from grid.errors import EngineError, Unsupported
from grid.models.bundled import tokenizer_path

IDS = [0, 17, 258, 80, 3, 99, 200, 261, 45, 45, 12, 7]

pytestmark = pytest.mark.engine


EXACT = {"kv_type_k": "f32", "kv_type_v": "f32", "flash_attention": "off"}


def furthest(path: Path, load_engine: Any, config: dict[str, Any], **options: Any) -> float:
    """Largest difference of a logit from the numpy pass; logits reach 7."""
    with load_engine(path, **options) as engine:
        rows = engine.logits(IDS)
    return float(np.abs(rows - forward(config, weights(config), IDS)).max())


@pytest.mark.parametrize(("recipe", "tolerance"), [("F32", 1e-4), ("F16", 0.03), ("BF16", 0.3)])
def test_logits_agree_with_numpy(
    folder: Path, tmp_path: Path, load_engine: Any, recipe: str, tolerance: float
) -> None:
    """The F16 and BF16 kernels round activations as well, to 11 and 8 bits."""
    backend.quantize(folder, recipe, tmp_path / "m.gguf", 1)
    assert furthest(tmp_path / "m.gguf", load_engine, CONFIG, **EXACT) < tolerance


def test_a_tied_head_is_the_embedding(tmp_path: Path, load_engine: Any) -> None:
    folder = write_folder(tmp_path / "tied", tie_word_embeddings=True)
    backend.quantize(folder, "F32", tmp_path / "m.gguf", 1)
    config = {**CONFIG, "tie_word_embeddings": True}
    assert furthest(tmp_path / "m.gguf", load_engine, config, **EXACT) < 1e-4


def test_header_describes_the_model(folder: Path, f16: Path) -> None:
    inspection = backend.inspect(f16)
    assert (inspection.model.name, inspection.quant) == ("tiny", "F16")
    assert inspection.model.vocabulary == CONFIG["vocab_size"]
    assert inspection.model.context_length == CONFIG["max_position_embeddings"]
    assert inspection.model.parameters == sum(w.size for w in weights(CONFIG).values())
    assert inspection.model.kv_bytes(10) == 10 * 2 * 2 * 2 * 64 * 2


def test_the_tokenizer_of_the_family_is_found_above(tmp_path: Path, load_engine: Any) -> None:
    folder = write_folder(tmp_path / "family" / "base")
    (folder / "tokenizer.json").rename(tmp_path / "family" / "tokenizer.json")
    backend.quantize(folder, "F16", tmp_path / "m.gguf", 1)
    with load_engine(tmp_path / "m.gguf") as engine:
        assert engine.encode("the") == [259]


def test_bos_is_kept_out_where_the_tokenizer_says_so(tmp_path: Path, load_engine: Any) -> None:
    folder = write_folder(tmp_path / "m")
    (folder / "tokenizer_config.json").write_text('{"add_bos_token": false}')
    backend.quantize(folder, "F16", tmp_path / "m.gguf", 1)
    with load_engine(tmp_path / "m.gguf") as engine:
        assert engine.bos is None


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"model_type": "gpt2"}, "model type 'gpt2'; only llama"),
        ({"attention_bias": True}, "attention_bias is not converted"),
        ({"rope_scaling": {"rope_type": "llama3"}}, "scaled rotary positions"),
    ],
)
def test_other_architectures_are_unsupported(
    tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    folder = write_folder(tmp_path / "m", **changes)
    with pytest.raises(Unsupported, match=complaint):
        backend.quantize(folder, "F16", tmp_path / "m.gguf", 1)


def test_an_unknown_way_of_splitting_text_is_unsupported(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m")
    text = (folder / "tokenizer.json").read_text().replace("'ll|'d", "'ll")
    (folder / "tokenizer.json").write_text(text)
    with pytest.raises(Unsupported, match="splits text in a way not known"):
        backend.quantize(folder, "F16", tmp_path / "m.gguf", 1)


@pytest.mark.parametrize("keep", [0, 7, 200, 100_000])
def test_truncated_safetensors_are_one_line_and_leave_no_file(tmp_path: Path, keep: int) -> None:
    folder = write_folder(tmp_path / "m")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(EngineError, match=r"model\.safetensors"):
        backend.quantize(folder, "F16", tmp_path / "m.gguf", 1)
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_the_bundled_tokenizer_agrees_with_its_own_library(
    tmp_path: Path, load_engine: Any
) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    bundled = tokenizer_path()
    folder = write_folder(tmp_path / "m", vocab_size=1024, eos_token_id=0)
    (folder / "tokenizer.json").write_bytes(bundled.read_bytes())
    backend.quantize(folder, "F16", tmp_path / "m.gguf", 1)
    text = "It's 12 + 305 = 317!\n\nThe  cat's  hat,\tnaïve — ☃ I'LL go_on.  \n  x"
    with load_engine(tmp_path / "m.gguf") as engine:
        assert engine.encode(text) == tokenizers.Tokenizer.from_file(str(bundled)).encode(text).ids


def test_the_test_tokenizer_covers_every_byte(f16: Path, load_engine: Any) -> None:
    with load_engine(f16) as engine:
        assert len(tokenizer(320)["model"]["vocab"]) == 2 + 256 + 6
        text = "the naïve ☃\n\x00\x7f"
        assert engine.decode(engine.encode(text)).decode() == text


@given(st.floats(width=32))
def test_bfloat16_rounds_to_the_nearest(value: float) -> None:
    single = np.array([value], np.float32)
    back = to_float32("BF16", to_bfloat16(single))
    if np.isnan(value):
        assert np.isnan(back[0])
    elif abs(value) < 3.38e38:
        assert abs(back[0] - single[0]) <= max(abs(value) * 2**-8, 2**-133)


def test_a_chat_template_is_left_to_the_converter_that_writes_it(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    with pytest.raises(Unsupported, match="has a chat template"):
        backend.predicted_bytes(folder, "F16")
    with pytest.raises(Unsupported, match="has a chat template"):
        backend.quantize(folder, "F16", tmp_path / "m.gguf", 1)


def test_splitting_of_more_steps_is_left_to_the_converter(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m")
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    splitter = content["pre_tokenizer"]
    steps = splitter.get("pretokenizers") or [splitter]
    digits = {"type": "Digits", "individual_digits": True}
    content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, *steps]}
    path.write_text(json.dumps(content))
    with pytest.raises(Unsupported, match="splits text in a way not known"):
        backend.predicted_bytes(folder, "F16")
