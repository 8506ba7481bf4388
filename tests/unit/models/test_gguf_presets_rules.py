"""The rules by which llama.cpp's presets choose types, one at a time."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.errors import InputError, Unsupported
from grid.models.gguf.ggml_types import TYPES_BY_NAME
from grid.models.gguf.inventory import Hyperparameters, UnquantizedTensor
from grid.models.gguf.presets import (
    PRESETS,
    quantizable,
    role_of,
    tensor_types,
    type_choices,
)

DENSE = Hyperparameters("llama", n_layer=16, n_head=8, n_head_kv=8)
SHARED = replace(DENSE, n_head_kv=2)
PARTS = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")


def tensors_by_name(layers: int = 16, *, output: bool = True) -> list[UnquantizedTensor]:
    """Tensors of which only the names are known."""
    ends = ["token_embd.weight", *(["output.weight"] if output else [])]
    blocks = [f"blk.{i}.{part}.weight" for i in range(layers) for part in PARTS]
    return [UnquantizedTensor(name) for name in (*ends, *blocks)]


def layers_with(kind: str, part: str, preset: str, model: Hyperparameters = DENSE) -> list[int]:
    types = tensor_types(tensors_by_name(model.n_layer), model, preset)
    return [i for i in range(model.n_layer) if types[f"blk.{i}.{part}.weight"] == kind]


def test_medium_presets_give_end_and_every_third_layers_more_bits() -> None:
    assert layers_with("q6_K", "ffn_down", "Q4_K_M") == [0, 1, 4, 7, 10, 13, 14, 15]
    assert layers_with("q6_K", "attn_v", "Q5_K_M") == [0, 1, 4, 7, 10, 13, 14, 15]


def test_small_presets_give_the_first_layers_more_bits() -> None:
    assert layers_with("q5_K", "attn_v", "Q4_K_S") == [0, 1, 2, 3]
    assert layers_with("q5_K", "ffn_down", "Q4_K_S") == [0, 1]
    assert layers_with("q5_K", "ffn_down", "Q3_K_M") == [0]


def test_values_shared_by_four_heads_get_more_bits() -> None:
    assert len(layers_with("q3_K", "attn_v", "Q2_K", DENSE)) == 16
    assert len(layers_with("q4_K", "attn_v", "Q2_K", SHARED)) == 16


def test_a_first_block_without_heads_shares_none() -> None:
    """Hybrids begin with a state space; llama.cpp looks at their first block only."""
    hybrid = replace(DENSE, n_head_kv=(0, *[1] * 15))
    assert hybrid.heads_per_kv == 0
    assert len(layers_with("q3_K", "attn_v", "Q2_K", hybrid)) == 16


def test_a_70b_has_better_values_than_a_65b() -> None:
    large = replace(DENSE, n_layer=80, n_head=64, n_head_kv=8)
    assert layers_with("q5_K", "attn_v", "Q3_K_S", large) == list(range(80))
    assert layers_with("q5_K", "attn_v", "Q3_K_S", replace(large, n_head_kv=64)) == []


def test_a_tied_embedding_is_stored_as_an_output_would_be() -> None:
    tied = tensor_types(tensors_by_name(output=False), DENSE, "Q4_K_M")
    own = tensor_types(tensors_by_name(), DENSE, "Q4_K_M")
    assert tied["token_embd.weight"] == own["output.weight"] == "q6_K"
    assert own["token_embd.weight"] == "q4_K"


def test_eight_experts_have_better_attention() -> None:
    types = tensor_types(tensors_by_name(), replace(SHARED, n_expert=8), "Q4_K_M")
    assert types["blk.5.attn_k.weight"] == types["blk.5.attn_v.weight"] == "q8_0"
    assert types["blk.5.attn_output.weight"] == "q5_K"


def test_a_mixtures_layer_is_read_from_the_name() -> None:
    """Shared experts would otherwise be counted as layers of their own."""
    model = replace(DENSE, n_expert=4)
    parts = ("ffn_down_exps", "ffn_down_shexp")
    inventory = [UnquantizedTensor(f"blk.{i}.{part}.weight") for i in range(16) for part in parts]
    types = tensor_types(inventory, model, "Q4_K_S")
    assert [i for i in range(16) if types[f"blk.{i}.ffn_down_exps.weight"] == "q5_K"] == [0, 1]


def test_mxfp4_is_used_for_stacks_of_experts_only() -> None:
    inventory = [
        UnquantizedTensor("token_embd.weight", (256, 512)),
        UnquantizedTensor("blk.0.ffn_up_exps.weight", (256, 512, 8)),
        UnquantizedTensor("blk.0.ffn_up_shexp.weight", (256, 512, 1)),
    ]
    types = tensor_types(inventory, replace(DENSE, n_expert=8), "MXFP4_MOE")
    assert list(types.values()) == ["q8_0", "mxfp4", "q8_0"]


@pytest.mark.parametrize(
    ("preset", "row", "kind"),
    [
        ("Q4_K_S", 512, "q4_K"),
        ("Q4_K_S", 288, "q5_0"),
        ("Q6_K", 288, "q8_0"),
        ("Q2_K", 288, "q4_0"),
        ("IQ4_XS", 288, "iq4_nl"),
        ("TQ1_0", 288, "q4_0"),
        ("Q2_0", 96, "q4_0"),
        ("Q4_K_S", 290, "f16"),
        ("Q8_0", 290, "f16"),
    ],
)
def test_a_row_that_no_block_divides_falls_back(preset: str, row: int, kind: str) -> None:
    tensor = UnquantizedTensor("blk.0.attn_q.weight", (row, 64))
    assert tensor_types([tensor], DENSE, preset) == {tensor.name: kind}


def test_one_bit_types_have_no_fallback() -> None:
    with pytest.raises(Unsupported, match=r"Q1_0 cannot store blk\.0\.attn_q\.weight: its rows of"):
        tensor_types([UnquantizedTensor("blk.0.attn_q.weight", (288, 64))], DENSE, "Q1_0")


def test_rows_are_implied_by_names_where_shapes_are_not_known() -> None:
    model = replace(DENSE, n_embd=288, n_ff=512)
    types = tensor_types(tensors_by_name(), model, "Q4_K_S")
    assert types["blk.9.attn_q.weight"] == "q5_0"
    assert types["blk.9.ffn_down.weight"] == "q4_K"
    assert types["output.weight"] == "q8_0"


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("blk.0.attn_norm.weight", (256,)),
        ("blk.0.ffn_gate_inp.weight", (256, 8)),
        ("blk.0.ffn_gate_inp_shexp.weight", (256, 1)),
        ("blk.0.ssm_conv1d.weight", (4, 256)),
        ("blk.0.ssm_norm.weight", (64, 4)),
        ("blk.0.ffn_up_exps.bias", (256, 8)),
        ("position_embd.weight", (256, 8)),
    ],
)
def test_small_and_delicate_weights_are_not_quantized(name: str, shape: tuple[int, ...]) -> None:
    tensor = UnquantizedTensor(name, shape)
    assert not quantizable(tensor, "llama")
    assert tensor_types([tensor], DENSE, "Q2_K") == {name: "f32"}
    assert tensor_types([tensor._replace(plain_type="bf16")], DENSE, "F16") == {name: "bf16"}


@pytest.mark.parametrize("name", ["rope_freqs.weight", "blk.0.attn_sinks.weight", "x_norm.weight"])
def test_vectors_are_known_by_name(name: str) -> None:
    assert UnquantizedTensor(name).rank == 1


def test_tensor_roles_follow_llama_cpps_order() -> None:
    assert role_of("blk.0.ffn_gate_up_exps.weight") == "gate"
    assert role_of("blk.0.attn_v_b.weight") == "other"
    assert role_of("blk.0.nextn.embed_tokens.weight") == "other"


def test_an_unknown_preset_is_one_line_with_a_hint() -> None:
    with pytest.raises(InputError, match=r"'Q4_K_X' is no preset .* Did you mean 'Q4_K_[SM]'\?"):
        tensor_types([], DENSE, "Q4_K_X")


def test_a_mixtures_tensor_outside_the_blocks_is_refused_as_by_llama_cpp() -> None:
    with pytest.raises(InputError, match=r"blk\.16\.ffn_down\.weight: no block of a model with 16"):
        tensor_types(tensors_by_name(17), replace(DENSE, n_expert=4), "Q4_K_M")


@given(
    preset=st.sampled_from([preset for preset in PRESETS if preset != "Q1_0"]),
    rows=st.lists(
        st.integers(1, 1024), min_size=len(tensors_by_name(4)), max_size=len(tensors_by_name(4))
    ),
    experts=st.sampled_from([0, 4, 8]),
    matrix=st.booleans(),
)
def test_every_row_fills_whole_blocks_of_its_type(
    preset: str, rows: list[int], experts: int, matrix: bool
) -> None:
    inventory = [
        UnquantizedTensor(t.name, (row, 3)) for t, row in zip(tensors_by_name(4), rows, strict=True)
    ]
    model = replace(DENSE, n_layer=4, n_expert=experts)
    types = tensor_types(inventory, model, preset, importance_matrix=matrix)
    for tensor, row in zip(inventory, rows, strict=True):
        assert row % TYPES_BY_NAME[types[tensor.name]].block == 0


@given(preset=st.sampled_from(PRESETS), seed=st.integers())
def test_the_order_of_an_inventory_does_not_matter(preset: str, seed: int) -> None:
    shuffled = tensors_by_name(12)
    random.Random(seed).shuffle(shuffled)
    model = replace(SHARED, n_layer=12)
    expected = tensor_types(tensors_by_name(12), model, preset)
    assert list(tensor_types(shuffled, model, preset).items()) == list(expected.items())


def test_a_type_that_is_meant_stands_beside_the_one_that_is_stored() -> None:
    tensors = [
        UnquantizedTensor("token_embd.weight", (576, 64)),
        UnquantizedTensor("blk.0.attn_q.weight", (576, 576)),
        UnquantizedTensor("blk.0.ffn_down.weight", (1536, 576)),
        UnquantizedTensor("blk.0.attn_norm.weight", (576,)),
    ]
    choices = type_choices(tensors, DENSE, "Q4_K_M")
    assert {name: (*choice, choice.falls_back) for name, choice in choices.items()} == {
        "token_embd.weight": ("q6_K", "q8_0", True),
        "blk.0.attn_q.weight": ("q4_K", "q5_0", True),
        "blk.0.ffn_down.weight": ("q6_K", "q6_K", False),
        "blk.0.attn_norm.weight": ("f32", "f32", False),
    }
