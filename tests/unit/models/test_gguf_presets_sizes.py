"""Sizes of files that need not exist; inventories from a config.json or a GGUF's header."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gguf_bytes import U32, gguf_file, small_entries, write_file
from hypothesis import given
from hypothesis import strategies as st

from grid.errors import InputError
from grid.models.gguf.families import FAMILIES
from grid.models.gguf.inventory import Hyperparameters, UnquantizedTensor, from_headers
from grid.models.gguf.inventory_config import from_config
from grid.models.gguf.predict import (
    estimated_metadata_bytes,
    metadata_bytes_of,
    metadata_bytes_with,
    predict,
)
from grid.models.gguf.presets import tensor_types
from grid.models.gguf.reader import read_header

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 320,
}


def test_file_bytes_are_header_tensors_and_padding() -> None:
    inventory = [
        UnquantizedTensor("token_embd.weight", (256, 3)),
        UnquantizedTensor("output_norm.weight", (5,)),
    ]
    model = Hyperparameters("llama", n_layer=1, n_head=1, n_head_kv=1)
    size = predict(inventory, model, "Q8_0", metadata_bytes=100)
    types = {"output_norm.weight": "f32", "token_embd.weight": "q8_0"}
    assert tensor_types(inventory, model, "Q8_0") == types
    assert size.tensor_bytes == 3 * 8 * 34 + 20
    listed = (8 + 17 + 4 + 16 + 12) + (8 + 18 + 4 + 8 + 12)
    assert 100 + listed == 207
    assert size.file_bytes == 224 + 832 + 32
    assert size.bpw_file == pytest.approx(size.tensor_bytes * 8 / 773)


def test_bits_per_weight_of_the_layers_leave_out_norms_and_ends() -> None:
    size = predict(*from_config(LLAMA), "Q4_0")
    assert size.bpw_layer == 4.5
    assert size.bpw_file > 4.5


def test_a_header_gives_names_shapes_and_types(tmp_path: Path) -> None:
    inventory, model = from_headers([read_header(write_file(tmp_path / "model.gguf", gguf_file()))])
    assert inventory == (
        UnquantizedTensor("token_embd.weight", (64, 3), "f16"),
        UnquantizedTensor("blk.0.attn_q.weight", (64, 64), "q8_0"),
        UnquantizedTensor("blk.0.attn_norm.weight", (64,), "f32"),
    )
    assert (model.architecture, model.n_layer, model.heads_per_kv) == ("llama", 2, 2)
    assert (model.n_embd, model.n_expert) == (64, 0)


def test_a_header_without_block_count_is_refused_in_one_line(tmp_path: Path) -> None:
    content = gguf_file(small_entries(without=["llama.block_count"]))
    with pytest.raises(InputError, match=r"bad\.gguf: the header lacks the architecture or"):
        from_headers([read_header(write_file(tmp_path / "bad.gguf", content))])


def test_what_quantizing_adds_to_the_metadata_is_counted(tmp_path: Path) -> None:
    """The key's name, its length, its type, a number; to the alignment of 32 bytes."""
    added = ("general.quantization_version", U32, 2)
    without = read_header(write_file(tmp_path / "without.gguf", gguf_file()))
    having = read_header(write_file(tmp_path / "having.gguf", gguf_file(small_entries(added))))
    assert abs(metadata_bytes_of([without]) - metadata_bytes_of([having])) < 32
    assert having.data_start - without.data_start in (32, 64)


def test_metadata_bytes_count_a_tokenizers_lists() -> None:
    model = {"vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}
    small = metadata_bytes_with({"model": model}, 3)
    assert metadata_bytes_with({"model": {**model, "merges": []}}, 3) == small - 11 + 3 * 4
    assert metadata_bytes_with({"model": model}, 4) == small + 12 + len("[PAD000000]")
    assert metadata_bytes_with({"model": model}, 3, chat_template="é") == small + 2


def test_estimated_metadata_bytes_count_every_token() -> None:
    assert estimated_metadata_bytes(1001) - estimated_metadata_bytes(1000) == 40


def test_an_unknown_shape_has_no_size() -> None:
    model = Hyperparameters("llama", n_layer=1, n_head=1, n_head_kv=1)
    with pytest.raises(InputError, match=r"blk\.0\.attn_q\.weight: the shape is not known"):
        predict([UnquantizedTensor("blk.0.attn_q.weight", (256, None))], model, "Q8_0")


LLAMA_3_1_8B: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "rope_scaling": {"rope_type": "llama3"},
}
PUBLISHED = {
    "F16": 16.0005,
    "Q8_0": 8.5008,
    "Q6_K": 6.5633,
    "Q5_K_M": 5.7036,
    "Q5_K_S": 5.5704,
    "Q4_K_M": 4.8944,
    "Q4_K_S": 4.6672,
    "IQ4_NL": 4.6818,
    "IQ4_XS": 4.4597,
    "Q3_K_L": 4.2979,
    "Q3_K_M": 3.9960,
    "Q3_K_S": 3.6429,
    "Q2_K": 3.1593,
    "IQ3_M": 3.7628,
    "IQ3_S": 3.6606,
    "IQ3_XS": 3.4977,
    "Q2_K_S": 2.9697,
}
PUBLISHED_WITH_MATRIX = {
    "IQ3_XXS": 3.2548,
    "IQ2_M": 2.9294,
    "IQ2_S": 2.7403,
    "IQ2_XS": 2.5882,
    "IQ2_XXS": 2.3824,
    "IQ1_M": 2.1460,
    "IQ1_S": 2.0042,
}
"""Bits per weight of Llama-3.1-8B in the README of llama.cpp's quantize tool."""


@pytest.mark.parametrize(
    ("preset", "bits", "matrix"),
    [
        *((preset, bits, False) for preset, bits in PUBLISHED.items()),
        *((preset, bits, True) for preset, bits in PUBLISHED_WITH_MATRIX.items()),
    ],
)
def test_predicted_bits_per_weight_are_those_published(
    preset: str, bits: float, matrix: bool
) -> None:
    size = predict(*from_config(LLAMA_3_1_8B), preset, importance_matrix=matrix)
    assert round(size.bpw_file, 4) == bits


def test_a_config_gives_names_and_shapes() -> None:
    inventory, model = from_config(LLAMA)
    shapes = {tensor.name: tensor.shape for tensor in inventory}
    assert len(inventory) == 3 + 2 * 9
    assert shapes["output.weight"] == (256, 320)
    assert shapes["blk.1.attn_k.weight"] == (256, 128)
    assert shapes["blk.1.ffn_down.weight"] == (512, 256)
    assert (model.architecture, model.n_layer, model.heads_per_kv) == ("llama", 2, 2)


def test_a_tied_head_is_left_out_unless_the_checkpoint_stores_it() -> None:
    config = {**LLAMA, "tie_word_embeddings": True}
    assert not any(t.name == "output.weight" for t in from_config(config)[0])
    assert any(t.name == "output.weight" for t in from_config(config, output=True)[0])


def test_further_token_blocks_are_predicted_on_demand() -> None:
    linear = {
        "model_type": "qwen3_5",
        "linear_conv_kernel_dim": 4,
        "linear_key_head_dim": 64,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_value_head_dim": 64,
        "mtp_num_hidden_layers": 1,
    }
    config = {**LLAMA, **linear}
    assert from_config(config)[1].n_layer == 2
    inventory, model = from_config(config, prediction=True)
    assert (model.n_layer, model.n_layer_nextn) == (3, 1)
    assert any(tensor.name == "blk.2.nextn.eh_proj.weight" for tensor in inventory)


def test_the_text_model_of_a_multimodal_config_is_predicted() -> None:
    text = {**LLAMA, "model_type": "gemma3_text", "vocab_size": 400}
    for field in ("num_attention_heads", "num_key_value_heads"):
        del text[field]
    inventory, model = from_config({"model_type": "gemma3", "text_config": text})
    assert (model.architecture, model.n_vocab, model.n_head) == ("gemma3", 400, (8, 8))
    assert {t.name: t.shape for t in inventory}["blk.0.attn_q.weight"] == (256, 8 * 256)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"model_type": "lama"}, r"model_type 'lama' is not known here\. Did you mean 'llama'\?"),
        ({"model_type": None}, "model_type '' is not known here"),
        ({"hidden_size": None}, "config.json lacks hidden_size"),
        ({"hidden_size": "wide"}, "hidden_size is 'wide', no whole number"),
        ({"num_hidden_layers": 10**6}, "1000000 layers cannot be"),
        ({"num_hidden_layers": 0}, "0 layers cannot be"),
        ({"model_type": "nemotron_h"}, "lacks hybrid_override_pattern"),
        (
            {"model_type": "nemotron_h", "hybrid_override_pattern": "M*x"},
            "'x' is no kind of block",
        ),
    ],
)
def test_an_impossible_config_is_refused_in_one_line(
    change: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        from_config({**LLAMA, **change})
    assert "\n" not in str(caught.value)


def test_further_token_blocks_of_an_unknown_shape_are_refused() -> None:
    with pytest.raises(InputError, match="further-token blocks of llama are not known"):
        from_config({**LLAMA, "num_nextn_predict_layers": 1}, prediction=True)


FIELDS = (
    "num_hidden_layers",
    "head_dim",
    "num_attention_heads",
    "num_key_value_heads",
    "intermediate_size",
    "rope_scaling",
    "layer_types",
    "attention_other_setting",
    "full_attention_interval",
    "num_experts",
    "moe_intermediate_size",
    "moe_layers",
    "mlp_only_layers",
    "decoder_sparse_step",
    "hybrid_override_pattern",
    "n_groups",
    "block_auto_adjust_ff_dim",
    "block_ffn_dim_multiplier",
    "partial_rotary_factor",
    "text_config",
)
NONSENSE: list[Any] = [None, True, -1, 0, 1, 7, 2.5, 10**12, "", "x", "M*E", [], ["x", 1], {}]


@given(
    model_type=st.sampled_from(sorted(FAMILIES)),
    junk=st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(NONSENSE)),
)
def test_nonsense_in_a_config_is_one_clear_line_at_worst(
    model_type: str, junk: dict[str, Any]
) -> None:
    complaint = ""
    inventory: tuple[UnquantizedTensor, ...] = ()
    try:
        inventory, _ = from_config({**LLAMA, "model_type": model_type, **junk})
    except InputError as error:
        complaint = str(error)
    assert bool(inventory) != bool(complaint)
    assert "\n" not in complaint
    assert all(length and length > 0 for t in inventory for length in t.shape or (0,))
