"""llamacpp-converter: what it knows before its environment is made, and what it makes in it."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from grid_llamacpp.converter import backend
from grid_llamacpp.converter.architectures import architectures, refuse_unknown

from grid.errors import EngineError, InputError, Unsupported
from grid.models import bundled
from grid.models.gguf.reader import read_header

runs = pytest.mark.skipif(
    importlib.util.find_spec("conversion") is None, reason="llama.cpp's converter is not installed"
)
"""Tests that run the converter, in its environment."""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A copy of the smallest bundled model that a test may change."""
    return Path(shutil.copytree(bundled.size_dir("small"), tmp_path / "small"))


@pytest.fixture
def pieces(small: Path) -> Path:
    """The same weights with a tokenizer of a kind that the converter knows; the bundled one is none
    of those whose splitting it recognises."""
    import sentencepiece

    prose = bundled.FOLDER / "prose.txt"
    sentencepiece.SentencePieceTrainer.train(
        input=str(prose), model_prefix=str(small / "tokenizer"), vocab_size=600, model_type="bpe"
    )
    for name in ("tokenizer.json", "tokenizer_config.json", "tokenizer.vocab"):
        (small / name).unlink()
    return small


def change_config(folder: Path, **changes: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return folder


def test_an_architecture_that_it_does_not_know_is_refused_with_the_nearest(small: Path) -> None:
    change_config(small, architectures=["Qwen3ForCausalLn"])
    with pytest.raises(Unsupported, match="Did you mean 'Qwen3ForCausalLM'"):
        refuse_unknown(small)


def test_the_language_model_of_a_multimodal_one_counts(small: Path) -> None:
    change_config(small, architectures=["X"], text_config={"architectures": ["LlamaForCausalLM"]})
    refuse_unknown(small)


def test_a_folder_that_names_no_architecture_is_refused_with_the_remedy(small: Path) -> None:
    change_config(small, architectures=None)
    with pytest.raises(Unsupported, match='add them, such as "architectures"'):
        backend.quantize(small, "F16", small.with_suffix(".gguf"), 1)


def test_a_folder_without_config_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json: cannot be read"):
        refuse_unknown(tmp_path)


def test_it_makes_whole_weights_of_folders_only(small: Path, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="makes F32, F16, BF16, not Q4_0"):
        backend.quantize(small, "Q4_0", tmp_path / "x.gguf", 1)
    with pytest.raises(Unsupported, match="converts folders"):
        backend.quantize(small / "model.safetensors", "F16", tmp_path / "x.gguf", 1)


def test_its_size_is_predicted_of_an_architecture_that_it_knows(small: Path) -> None:
    assert backend.predicted_bytes(small, "F16") > 2 * 2_000_000


@runs
def test_the_list_is_the_converters_own_registry() -> None:
    from conversion import TEXT_MODEL_MAP

    assert architectures() == set(TEXT_MODEL_MAP)


@runs
@pytest.mark.parametrize("recipe", ["F32", "F16", "BF16"])
def test_it_makes_the_tensors_that_ours_makes(pieces: Path, tmp_path: Path, recipe: str) -> None:
    import gguf
    import numpy as np
    from grid_llamacpp.convert import convert

    ours, theirs = tmp_path / "ours.gguf", tmp_path / "theirs.gguf"
    convert(bundled.size_dir("small"), recipe, ours)
    backend.quantize(pieces, recipe, theirs, 1)
    expected = {t.name: t for t in gguf.GGUFReader(ours).tensors}
    tensors = {t.name: t for t in gguf.GGUFReader(theirs).tensors}
    assert tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        assert tensors[name].tensor_type == tensor.tensor_type, name
        np.testing.assert_array_equal(tensors[name].data, tensor.data, name)


@runs
@pytest.mark.parametrize(
    ("kind", "changes", "architecture"),
    [
        ("gemma3_text", {"head_dim": 16, "sliding_window": 32}, "gemma3"),
        ("mixtral", {"num_local_experts": 4, "num_experts_per_tok": 2}, "llama"),
    ],
)
def test_architectures_beyond_llama_are_converted(
    pieces: Path, tmp_path: Path, kind: str, changes: dict[str, Any], architecture: str
) -> None:
    folder = _random_model(tmp_path / kind, kind, changes)
    shutil.copy(pieces / "tokenizer.model", folder)
    backend.quantize(folder, "F16", tmp_path / "x.gguf", 1)
    inspection = backend.inspect(tmp_path / "x.gguf")
    assert (inspection.model.architecture, inspection.quant) == (architecture, "F16")
    names = {tensor.name for tensor in read_header(tmp_path / "x.gguf").tensors}
    assert ("blk.0.ffn_gate_exps.weight" in names) == (kind == "mixtral")


@runs
def test_a_tokenizer_that_the_converter_does_not_know_is_its_own_reason(
    small: Path, tmp_path: Path
) -> None:
    with pytest.raises(Unsupported, match=r"stops: .*pre-tokenizer was not recognized"):
        backend.quantize(small, "F16", tmp_path / "x.gguf", 1)


@runs
def test_code_that_lies_in_the_folder_is_never_run(small: Path, tmp_path: Path) -> None:
    change_config(small, architectures=["DreamModel"])  # it trusts this kind's tokenizers
    witness = tmp_path / "witness"
    (small / "evil.py").write_text(f"open({str(witness)!r}, 'w')\nclass Tokenizer: pass\n")
    path = small / "tokenizer_config.json"
    config = json.loads(path.read_text())
    auto_map = {"AutoTokenizer": ["evil.Tokenizer", None]}
    config |= {"tokenizer_class": "Tokenizer", "auto_map": auto_map}
    path.write_text(json.dumps(config))
    with pytest.raises((EngineError, Unsupported)) as error:
        backend.quantize(small, "F16", tmp_path / "x.gguf", 1)
    assert "\n" not in str(error.value)
    assert not witness.exists()


def test_the_converter_sees_how_an_embedding_model_pools_and_no_code(tmp_path: Path) -> None:
    from grid_llamacpp.converter.conversion_run import _without_code

    source, target = tmp_path / "source", tmp_path / "target"
    (source / "1_Pooling").mkdir(parents=True)
    for name in ("config.json", "modeling.py", "1_Pooling/config.json", "1_Pooling/pooling.py"):
        (source / name).write_text("{}")
    _without_code(source, target)
    files = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert files == {"config.json", "1_Pooling/config.json"}


@runs
def test_what_fails_is_the_converters_own_reason_in_one_line(pieces: Path, tmp_path: Path) -> None:
    weights = pieces / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(EngineError, match=r"small: llama\.cpp's converter stops: ") as error:
        backend.quantize(pieces, "F16", tmp_path / "out" / "x.gguf", 1)
    assert "\n" not in str(error.value)
    assert list((tmp_path / "out").iterdir()) == []


def _random_model(folder: Path, kind: str, changes: dict[str, Any]) -> Path:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        kind,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=600,
        max_position_embeddings=128,
        **changes,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder
