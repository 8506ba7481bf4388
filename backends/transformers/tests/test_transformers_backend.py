"""The declaration, recipes, and the tokenizer's rules."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from grid_transformers import backend
from grid_transformers.tokenizer import FolderTokenizer

from grid.backend import Quantizes, pinned_version
from grid.errors import EngineError, InputError, Unsupported
from grid.hardware.node import Node
from grid.models.detect import format_of


def test_declaring_it_imports_no_engine() -> None:
    code = (
        "import sys; from grid_transformers import backend; backend.recipes(); "
        "backend.quantizer(); print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_recipes_give_formats_that_are_loaded() -> None:
    recipes = backend.recipes()
    assert isinstance(backend, Quantizes)
    assert set(recipes) == {
        "bnb-nf4",
        "bnb-nf4-dq",
        "bnb-fp4",
        "bnb-int8",
        "torchao-int8wo",
        "torchao-float8wo",
    }
    assert {recipe.format for recipe in recipes.values()} <= backend.formats
    assert not any(recipe.calibrated for recipe in recipes.values())
    assert recipes["bnb-nf4"].bits == 4.5
    assert recipes["bnb-nf4-dq"].bits == 4 + 8 / 64 + 32 / 16384


def test_the_quantizer_names_what_decides_the_bytes() -> None:
    assert backend.runtime is not None
    for package in ("bitsandbytes", "transformers"):
        assert pinned_version(backend.runtime, package) in backend.quantizer()


def test_pins_are_exact_sorted_and_without_places() -> None:
    assert backend.runtime is not None
    first, *lines = backend.runtime.read_text(encoding="utf-8").splitlines()
    assert first.startswith("# ")
    assert all(line.count("==") == 1 and "+" not in line and "/" not in line for line in lines)
    assert lines == sorted(lines, key=str.lower)
    assert "torch==2.13.0" in lines


def test_probing_is_honest(node: Node) -> None:
    availability = backend.probe(node)
    if availability.ready:
        assert "cpu" in availability.devices
        assert availability.version.startswith("transformers ")
    else:
        assert "not installed" in availability.reason
        assert availability.mend.endswith("runtime.txt")


def test_a_folder_is_inspected(folder: Path) -> None:
    inspection = backend.inspect(folder)
    assert (inspection.model.architecture, inspection.model.vocabulary) == ("llama", 1024)
    assert inspection.facts.bytes == (folder / "model.safetensors").stat().st_size


def test_an_unknown_recipe_has_a_hint(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match=r"Did you mean 'bnb-nf4'\?"):
        backend.quantize(folder, "bnb-nf", tmp_path / "x", 1)
    assert not any(tmp_path.iterdir())


def test_a_folder_without_a_checkpoint_is_not_quantized(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(EngineError) as caught:
        backend.quantize(tmp_path / "empty", "bnb-nf4", tmp_path / "x", 1)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "x").exists()


def test_a_quantized_source_is_refused(nf4: Path, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="made of a folder of 16-bit safetensors"):
        backend.quantize(nf4, "bnb-int8", tmp_path / "x", 1)


@pytest.mark.parametrize("recipe", ["bnb-nf4-dq", "bnb-int8", "torchao-int8wo"])
def test_a_recipe_makes_the_checkpoint_it_names(
    stack: None, recipe: str, folder: Path, tmp_path: Path
) -> None:
    target = tmp_path / "made"
    backend.quantize(folder, recipe, target, 1)
    inspection = backend.inspect(target)
    assert inspection.quant == recipe
    assert format_of(target) == backend.recipes()[recipe].format
    assert inspection.facts.bpw_layer == pytest.approx(backend.recipes()[recipe].bits, rel=0.03)
    assert inspection.model.parameters == backend.inspect(folder).model.parameters
    assert (target / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"made"}


def test_the_same_recipe_makes_the_same_bytes(nf4: Path, folder: Path, tmp_path: Path) -> None:
    backend.quantize(folder, "bnb-nf4", tmp_path / "again", 2)
    second = (tmp_path / "again" / "model.safetensors").read_bytes()
    assert second == (nf4 / "model.safetensors").read_bytes()


LETTERS = {"<s>": 0, "a": 1, "\u0120b": 2, "\u00c3": 3, "\u00a9": 4}
START: dict[str, Any] = {
    "type": "TemplateProcessing",
    "single": [
        {"SpecialToken": {"id": "<s>", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ],
    "pair": [],
    "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}},
}


def _tokenizer(
    folder: Path,
    config: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    processor: dict[str, Any] | None = None,
    decoder: dict[str, Any] | None = None,
    vocab: dict[str, int] = LETTERS,
) -> FolderTokenizer:
    pytest.importorskip("tokenizers", reason="the tokenizers package is not installed")
    special = {"lstrip": False, "rstrip": False, "normalized": False, "single_word": False}
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": 0, "content": "<s>", "special": True, **special}],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": True,
            "use_regex": True,
        },
        "post_processor": processor,
        "decoder": decoder
        or {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "vocab": vocab, "merges": [], "byte_fallback": False},
    }
    for name, part in (
        ("tokenizer.json", content),
        ("config.json", config or {}),
        ("tokenizer_config.json", settings or {}),
    ):
        (folder / name).write_text(json.dumps(part), encoding="utf-8")
    return FolderTokenizer(folder)


@pytest.mark.parametrize(
    ("config", "settings", "processor", "bos"),
    [
        ({}, {}, START, 0),
        ({}, {"add_bos_token": False}, START, None),
        ({"bos_token_id": 3}, {"add_bos_token": True}, None, 3),
        ({}, {"add_bos_token": True, "bos_token": "<s>"}, None, 0),
        ({}, {"add_bos_token": True, "bos_token": {"content": "<s>"}}, None, 0),
        ({"model_type": "llama", "bos_token_id": 0}, {}, None, 0),
        ({"model_type": "qwen2", "bos_token_id": 0}, {}, None, None),
        ({"model_type": "llama"}, {}, None, None),
    ],
)
def test_bos_is_given_where_the_tokenizer_adds_it(
    config: dict[str, Any],
    settings: dict[str, Any],
    processor: dict[str, Any] | None,
    bos: int | None,
    tmp_path: Path,
) -> None:
    assert _tokenizer(tmp_path, config, settings, processor).bos == bos


def test_byte_level_tokens_are_their_bytes(tmp_path: Path) -> None:
    tokenizer = _tokenizer(tmp_path)
    assert tokenizer.decode([1, 2]) == b"a b"
    assert tokenizer.decode([3]) == b"\xc3"
    assert tokenizer.decode([3, 4]).decode() == "\u00e9"
    assert tokenizer.decode([0, 99]) == b""


def test_sentence_pieces_are_their_bytes(tmp_path: Path) -> None:
    vocab = {"<s>": 0, "\u2581the": 1, "<0xE2>": 2, "x": 3}
    decoder = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}
    tokenizer = _tokenizer(tmp_path, decoder=decoder, vocab=vocab)
    assert tokenizer.decode([0, 1, 2, 3]) == b" the\xe2x"


def test_special_tokens_are_not_parsed_out_of_a_text(folder: Path) -> None:
    pytest.importorskip("tokenizers", reason="the tokenizers package is not installed")
    tokenizer = FolderTokenizer(folder)
    ids = tokenizer.encode("a<|endoftext|>b")
    assert tokenizer.bos == 0
    assert 0 not in ids
    assert tokenizer.decode(ids) == b"a<|endoftext|>b"
    assert tokenizer.encode("") == []


def test_a_folder_without_weights_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        backend.inspect(tmp_path)


def test_only_sentence_pieces_write_a_space_as_another_character(tmp_path: Path) -> None:
    """A token added to a byte-level vocabulary is its own text, that character included."""
    pytest.importorskip("tokenizers", reason="the tokenizers package is not installed")
    _tokenizer(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    added = {**content["added_tokens"][0], "id": 5, "content": "\u2581x", "special": False}
    content["added_tokens"].append(added)
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    assert FolderTokenizer(tmp_path).decode([5]) == "\u2581x".encode()


def test_an_accelerator_asked_for_is_not_replaced_by_the_cpu(folder: Path, with_gpu: Node) -> None:
    options = backend.options({}, with_gpu)
    with (
        pytest.raises(Unsupported, match="the node gave the CPU"),
        backend.load(folder, "cpu", options),
    ):
        pass


def test_the_quantizer_counts_its_own_changes() -> None:
    assert backend.quantizer().endswith(", writer 1")
