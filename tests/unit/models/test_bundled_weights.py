"""The committed weights and tokenizer: shapes that every quantization format accepts."""

from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
from typing import Any

import pytest

from grid.models import bundled

MB = 1_000_000


def _header(size: str) -> dict[str, Any]:
    """The tensors of a safetensors file by name, read with the standard library."""
    with (bundled.size_dir(size) / "model.safetensors").open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header


def _config(size: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((bundled.size_dir(size) / "config.json").read_text())
    return config


def _parameters(size: str) -> int:
    return sum(math.prod(tensor["shape"]) for tensor in _header(size).values())


@pytest.mark.parametrize("size", bundled.SIZES)
def test_weights_are_float16_and_as_the_config_says(size: str) -> None:
    config, header = _config(size), _header(size)
    hidden, feed = config["hidden_size"], config["intermediate_size"]
    narrow = config["num_key_value_heads"] * config["head_dim"]
    expected = {
        "self_attn.q_proj": [config["num_attention_heads"] * config["head_dim"], hidden],
        "self_attn.k_proj": [narrow, hidden],
        "self_attn.v_proj": [narrow, hidden],
        "self_attn.o_proj": [hidden, config["num_attention_heads"] * config["head_dim"]],
        "mlp.gate_proj": [feed, hidden],
        "mlp.up_proj": [feed, hidden],
        "mlp.down_proj": [hidden, feed],
        "input_layernorm": [hidden],
        "post_attention_layernorm": [hidden],
    }
    names = {
        f"model.layers.{layer}.{part}.weight": shape
        for layer in range(config["num_hidden_layers"])
        for part, shape in expected.items()
    }
    names["model.embed_tokens.weight"] = [config["vocab_size"], hidden]
    names["lm_head.weight"] = [config["vocab_size"], hidden]
    names["model.norm.weight"] = [hidden]
    assert {name: tensor["shape"] for name, tensor in header.items()} == names
    assert {tensor["dtype"] for tensor in header.values()} == {"F16"}


@pytest.mark.parametrize("size", bundled.SIZES)
def test_input_dimension_of_every_matrix_is_a_multiple_of_256(size: str) -> None:
    matrices = [t["shape"] for t in _header(size).values() if len(t["shape"]) == 2]
    assert matrices
    assert all(columns % 256 == 0 for _, columns in matrices)


def test_all_sizes_together_stay_under_thirty_megabytes() -> None:
    files = [bundled.size_dir(size) / "model.safetensors" for size in bundled.SIZES]
    assert sum(path.stat().st_size for path in files) <= 30 * MB


def test_sizes_are_listed_smallest_first() -> None:
    counts = [_parameters(size) for size in bundled.SIZES]
    assert counts == sorted(set(counts))


def test_tokenizer_is_byte_level_bpe_of_at_most_1024_tokens() -> None:
    tokenizer = json.loads(bundled.tokenizer_path().read_text())
    vocabulary = tokenizer["model"]["vocab"]
    assert tokenizer["model"]["type"] == "BPE"
    assert tokenizer["normalizer"] is None
    assert len(vocabulary) <= 1024
    assert vocabulary["<|endoftext|>"] == 0
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
    kinds = [step["type"] for step in tokenizer["pre_tokenizer"]["pretokenizers"]]
    assert kinds == ["Split", "ByteLevel"]
    assert {_config(size)["vocab_size"] for size in bundled.SIZES} == {len(vocabulary)}


def test_context_and_choice_tokenize_apart_as_together() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer.from_file(str(bundled.tokenizer_path()))
    for task_class in bundled.TASK_CLASSES:
        for item in bundled.items(task_class):
            for choice in item.choices:
                apart = tokenizer.encode(item.context).ids + tokenizer.encode(choice).ids
                assert tokenizer.encode(item.context + choice).ids == apart


def test_heldout_text_has_sixteen_thousand_tokens() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer.from_file(str(bundled.tokenizer_path()))
    assert len(tokenizer.encode(bundled.heldout_text()).ids) >= 16_384


def test_reading_the_family_needs_no_numerical_library() -> None:
    program = (
        "import sys; from grid.models import bundled; bundled.items('math');"
        "bundled.heldout_text();"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'torch', 'tokenizers')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
