"""What each layer keeps per token, by the configurations that families of models publish."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from grid.errors import InputError
from grid.models.checkpoint.config import Config
from grid.models.checkpoint.layers import layer_states
from grid.models.model import LayerState

BASE: Mapping[str, Any] = {
    "model_type": "llama",
    "num_hidden_layers": 4,
    "hidden_size": 64,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "vocab_size": 100,
}


def config(**changes: Any) -> Config:
    return Config(Path("m/config.json"), {**BASE, **changes})


def states(**changes: Any) -> tuple[LayerState, ...]:
    return layer_states(config(**changes))


def windows(**changes: Any) -> list[int | None]:
    return [state.window for state in states(**changes)]


def test_keys_and_values_have_the_grouped_heads() -> None:
    assert states() == (LayerState(key=16, value=16),) * 4


def test_all_heads_count_where_none_are_grouped() -> None:
    assert states(num_key_value_heads=None)[0].key == 64


def test_head_dim_may_differ_from_hidden_size_by_heads() -> None:
    assert states(head_dim=32)[0] == LayerState(key=64, value=64)


@pytest.mark.parametrize(
    ("changes", "width"),
    [
        ({"model_type": "falcon", "multi_query": True}, 8),
        ({"model_type": "falcon", "multi_query": True, "new_decoder_architecture": True}, 16),
        ({"model_type": "chatglm", "multi_query_attention": True, "multi_query_group_num": 4}, 32),
    ],
)
def test_key_heads_are_read_under_each_familys_keys(changes: Any, width: int) -> None:
    assert states(**changes)[0].key == width


def test_gpt2s_config_keys_are_read() -> None:
    old = {"model_type": "gpt2", "n_layer": 3, "n_head": 4, "n_embd": 32, "n_positions": 77}
    read = Config(Path("config.json"), old)
    assert layer_states(read) == (LayerState(key=32, value=32),) * 3
    assert read.context_length == 77


def test_latent_attention_keeps_one_compressed_row() -> None:
    changes = {"model_type": "deepseek_v3", "kv_lora_rank": 512, "qk_rope_head_dim": 64}
    assert states(**changes) == (LayerState(key=576, value=0),) * 4


def test_layer_types_say_which_layers_slide() -> None:
    types = ["sliding_attention", "full_attention", "chunked_attention", "full_attention"]
    changes = {"layer_types": types, "sliding_window": 128, "attention_chunk_size": 256}
    assert windows(**changes) == [128, None, 256, None]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"model_type": "mistral", "sliding_window": 32}, [32] * 4),
        ({"model_type": "mistral", "sliding_window": None}, [None] * 4),
        ({"model_type": "qwen2", "sliding_window": 32}, [None] * 4),
        ({"model_type": "qwen2", "sliding_window": 32, "use_sliding_window": False}, [None] * 4),
        (
            {
                "model_type": "qwen2",
                "sliding_window": 32,
                "use_sliding_window": True,
                "max_window_layers": 3,
            },
            [None, None, None, 32],
        ),
        ({"model_type": "gemma2", "sliding_window": 32}, [32, None, 32, None]),
        (
            {"model_type": "gemma3_text", "sliding_window": 32, "sliding_window_pattern": 2},
            [32, None, 32, None],
        ),
        ({"model_type": "gemma3_text", "sliding_window": 32}, [32] * 4),
        (
            {"model_type": "exaone4", "sliding_window": 32, "sliding_window_pattern": "LLLG"},
            [32, 32, 32, None],
        ),
        ({"model_type": "novel", "sliding_window": 32}, [None] * 4),
        ({"attention_chunk_size": 8, "no_rope_layers": [1, 1, 0, 1]}, [8, 8, None, 8]),
        ({"model_type": "llama4_text", "attention_chunk_size": 8}, [8, 8, 8, None]),
    ],
)
def test_sliding_windows_follow_each_familys_pattern(
    changes: dict[str, Any], expected: list[int | None]
) -> None:
    assert windows(**changes) == expected


def test_layers_that_share_another_layers_cache_keep_nothing() -> None:
    assert [state.key for state in states(num_kv_shared_layers=1)] == [16, 16, 16, 0]


def test_every_fourth_layer_is_full_among_delta_nets() -> None:
    delta = {
        "full_attention_interval": 4,
        "linear_conv_kernel_dim": 4,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 16,
    }
    layers = states(model_type="qwen3_next", **delta)
    fixed = 3 * (2 * 2 * 8 + 4 * 16) + 4 * 8 * 16
    assert layers == (LayerState(key=0, value=0, fixed=fixed),) * 3 + (
        LayerState(key=16, value=16),
    )


def test_a_mamba_keeps_its_state_and_its_convolution() -> None:
    mamba = {"model_type": "mamba", "num_hidden_layers": 2, "hidden_size": 64}
    read = Config(Path("config.json"), {**mamba, "state_size": 16, "conv_kernel": 4, "expand": 2})
    assert layer_states(read) == (LayerState(key=0, value=0, fixed=3 * 128 + 16 * 128),) * 2


def test_jambas_attention_period_marks_its_mamba_layers() -> None:
    changes = {"attn_layer_period": 4, "attn_layer_offset": 2, "mamba_d_state": 16}
    layers = states(model_type="jamba", **changes)
    assert [bool(state.fixed) for state in layers] == [True, True, False, True]


def test_nemotrons_pattern_letters_name_its_layers() -> None:
    mamba = {"mamba_num_heads": 4, "mamba_head_dim": 8, "n_groups": 2, "ssm_state_size": 16}
    layers = states(model_type="nemotron_h", hybrid_override_pattern="M-*-", conv_kernel=4, **mamba)
    assert layers[0] == LayerState(key=0, value=0, fixed=3 * (32 + 2 * 2 * 16) + 16 * 32)
    assert [state.key for state in layers] == [0, 0, 16, 0]


def test_automatic_head_width_follows_the_expansion() -> None:
    mamba = {"mamba_n_heads": 4, "mamba_d_head": "auto", "mamba_d_state": 16, "mamba_expand": 2}
    layers = states(model_type="bamba", attn_layer_indices=[3], **mamba)
    assert layers[0].fixed == 3 * (128 + 2 * 16) + 16 * 128
    assert layers[3] == LayerState(key=16, value=16)


def test_short_convolutions_keep_a_few_inputs() -> None:
    layers = states(model_type="lfm2", layer_types=["conv", "full_attention"] * 2, conv_L_cache=3)
    assert [state.fixed for state in layers] == [128, 0, 128, 0]


def test_a_local_attention_beside_recurrent_blocks_slides() -> None:
    blocks = ["recurrent", "recurrent", "attention"]
    changes = {
        "block_types": blocks,
        "attention_window_size": 99,
        "lru_width": 32,
        "conv1d_width": 4,
    }
    layers = states(model_type="recurrent_gemma", **changes)
    assert [state.window for state in layers] == [None, None, 99, None]
    assert layers[0].fixed == 32 + 3 * 32


def test_sliding_and_full_layers_may_have_heads_of_their_own() -> None:
    changes = {
        "layer_types": ["sliding_attention", "full_attention"],
        "sliding_window": 32,
        "swa_num_key_value_heads": 4,
        "swa_head_dim": 8,
        "swa_v_head_dim": 4,
        "num_global_key_value_heads": 1,
        "global_head_dim": 64,
    }
    assert states(**changes)[:2] == (
        LayerState(key=32, value=16, window=32),
        LayerState(key=64, value=64),
    )


def test_delta_attention_keeps_a_square_state_a_head() -> None:
    own = {"full_attn_layers": [4], "num_heads": 2, "head_dim": 8, "short_conv_kernel_size": 4}
    layers = states(model_type="kimi_linear", linear_attn_config=own)
    assert [state.fixed for state in layers] == [2 * 64 + 3 * 3 * 16] * 3 + [0]


def test_layers_are_unknown_where_the_config_names_no_heads() -> None:
    assert layer_states(Config(Path("config.json"), {"model_type": "x", "n_layer": 2})) == ()


@pytest.mark.parametrize(
    "changes",
    [{"head_dim": 2**24 - 1}, {"num_attention_heads": 2**40}, {"sliding_window": "wide"}],
)
def test_absurd_numbers_in_a_config_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"m/config\.json: "):
        states(**{"model_type": "mistral", **changes})


def test_context_length_is_that_of_the_text_model() -> None:
    text = {**BASE, "max_position_embeddings": 4096}
    outer = {"model_type": "gemma3", "text_config": text, "max_position_embeddings": 1}
    read = Config(Path("config.json"), outer)
    assert (read.architecture, read.context_length) == ("llama", 4096)
