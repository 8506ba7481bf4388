"""Parameters of published mixtures, in all and for a token, from their configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grid.models.checkpoint.config import Config
from grid.models.checkpoint.weight_roles import summary_of_checkpoint
from grid.models.checkpoint.weights import Weight
from grid.models.gguf.inventory_config import from_config
from grid.models.gguf.weight_roles import summary_of_inventory
from grid.models.weight_parts import Experts, LayerBytes, PlacedWeight, summarize

QWEN3_30B_A3B = {
    "model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144,
    "moe_intermediate_size": 768, "num_hidden_layers": 48, "num_attention_heads": 32,
    "num_key_value_heads": 4, "head_dim": 128, "vocab_size": 151936, "num_experts": 128,
    "num_experts_per_tok": 8, "tie_word_embeddings": False, "max_position_embeddings": 40960,
}  # fmt: skip
MIXTRAL_8X7B = {
    "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
    "vocab_size": 32000, "num_local_experts": 8, "num_experts_per_tok": 2,
}  # fmt: skip
GPT_OSS_20B = {
    "model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880,
    "num_hidden_layers": 24, "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 64,
    "vocab_size": 201088, "num_local_experts": 32, "num_experts_per_tok": 4,
}  # fmt: skip
DEEPSEEK_V2_LITE = {
    "model_type": "deepseek_v2", "hidden_size": 2048, "intermediate_size": 10944,
    "moe_intermediate_size": 1408, "num_hidden_layers": 27, "num_attention_heads": 16,
    "num_key_value_heads": 16, "vocab_size": 102400, "n_routed_experts": 64,
    "n_shared_experts": 2, "num_experts_per_tok": 6, "first_k_dense_replace": 1,
    "q_lora_rank": None, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
    "v_head_dim": 128, "topk_method": "greedy",
}  # fmt: skip
DEEPSEEK_V3 = {
    "model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432,
    "moe_intermediate_size": 2048, "num_hidden_layers": 61, "num_attention_heads": 128,
    "num_key_value_heads": 128, "vocab_size": 129280, "n_routed_experts": 256,
    "n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 3,
    "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
    "v_head_dim": 128, "topk_method": "noaux_tc",
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "total", "active", "experts"),
    [
        (QWEN3_30B_A3B, 30.53, 3.35 - 0.31, (128, 8, 0, 48, 0)),
        (MIXTRAL_8X7B, 46.70, 12.88 - 0.13, (8, 2, 0, 32, 0)),
        (GPT_OSS_20B, 20.91, 3.61, (32, 4, 0, 24, 0)),
        (DEEPSEEK_V2_LITE, 15.71, 2.66 - 0.21, (64, 6, 2, 26, 1)),
        (DEEPSEEK_V3, 671.03, 37.55 - 0.93, (256, 8, 1, 58, 3)),
    ],
)
def test_published_mixtures_come_to_the_figures_of_their_cards(
    config: dict[str, Any], total: float, active: float, experts: tuple[int, ...]
) -> None:
    """Cards count an embedding table as active; a token looks one row of it up."""
    inventory, model = from_config(config)
    summary = summary_of_inventory(inventory, model)
    assert sum(tensor.elements for tensor in inventory) / 1e9 == pytest.approx(total, rel=1e-3)
    assert summary.active_parameters is not None
    assert summary.active_parameters / 1e9 == pytest.approx(active, abs=0.012)
    of = summary.experts
    assert of is not None
    assert (of.count, of.used, of.shared, of.layers, of.leading_dense) == experts


def test_checkpoint_and_gguf_of_a_mixture_count_alike() -> None:
    """The names of a folder's tensors and of a GGUF's say the same."""
    config = {**DEEPSEEK_V2_LITE, "num_hidden_layers": 3}
    inventory, model = from_config(config)
    names = {"ffn_gate_exps": "gate_proj", "ffn_up_exps": "up_proj", "ffn_down_exps": "down_proj"}
    weights = []
    for tensor in inventory:
        part = tensor.name.split(".")
        elements = tensor.elements
        if part[0] == "blk" and part[2] in names:
            weights += [
                Weight(f"model.layers.{part[1]}.mlp.experts.{i}.{names[part[2]]}.weight",
                       elements // 64, elements // 32, None)
                for i in range(64)
            ]  # fmt: skip
        elif part[0] == "blk":
            middle = "mlp.shared_experts." if "shexp" in tensor.name else "mlp."
            name = f"model.layers.{part[1]}.{middle}{part[2]}.weight"
            weights.append(Weight(name, elements, 2 * elements, None))
        else:
            ends = {"token_embd": "model.embed_tokens", "output": "lm_head"}
            name = f"{ends.get(part[0], 'model.norm')}.weight"
            weights.append(Weight(name, elements, 2 * elements, None))
    of_folder = summary_of_checkpoint(Config(Path("config.json"), config), weights)
    assert of_folder == summary_of_inventory(inventory, model)


def test_blocks_that_predict_further_tokens_are_not_read() -> None:
    config = {
        "model_type": "glm4_moe", "hidden_size": 64, "intermediate_size": 128,
        "moe_intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 320, "n_routed_experts": 4, "n_shared_experts": 1,
        "num_experts_per_tok": 2, "first_k_dense_replace": 1, "num_nextn_predict_layers": 1,
    }  # fmt: skip
    plain, further = (from_config(config, prediction=flag) for flag in (False, True))
    without, with_blocks = summary_of_inventory(*plain), summary_of_inventory(*further)
    assert with_blocks.active_parameters == without.active_parameters
    assert with_blocks.experts == without.experts
    assert with_blocks.parts.layers == without.parts.layers
    assert with_blocks.parts.unused > 0 == without.parts.unused


def test_bytes_read_count_the_share_of_experts_and_no_lookup() -> None:
    weights = [
        PlacedWeight("lookup", None, 1000, 2000),
        PlacedWeight("output", None, 1000, 2000),
        PlacedWeight("dense", 0, 100, 200),
        PlacedWeight("dense", 1, 50, 100),
        PlacedWeight("experts", 1, 400, 800),
    ]
    parts, experts, active = summarize(weights, tied=False, experts=8, used=2, shared=1)
    assert parts.layers == (LayerBytes(200), LayerBytes(100, 800))
    assert parts.read_bytes(2 / 8) == 2000 + 300 + 200
    assert active == 1000 + 150 + 100
    assert experts == Experts(count=8, used=2, shared=1, layers=1, leading_dense=1, parameters=400)


def test_without_the_number_of_used_experts_the_active_parameters_are_not_known() -> None:
    weights = [PlacedWeight("dense", 0, 1, 2), PlacedWeight("experts", 0, 8, 16)]
    summary = summarize(weights, tied=False, experts=8, used=None)
    assert summary.active_parameters is None
    assert summary.experts is not None
    assert summary.experts.share is None


@pytest.mark.parametrize(
    ("model_type", "names", "lookups"),
    [
        ("llama", ["model.embed_tokens.weight", "lm_head.weight"], 1),
        ("llama", ["model.embed_tokens.weight"], 0),
        ("internlm2", ["model.tok_embeddings.weight", "output.weight"], 1),
        ("bert", ["embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"], 2),
        ("gemma3n_text", ["model.embed_tokens.weight", "model.embed_tokens_per_layer.weight"], 1),
    ],
)
def test_an_embedding_is_read_whole_only_where_it_serves_as_the_head(
    model_type: str, names: list[str], lookups: int
) -> None:
    weights = [Weight(name, 10, 20, (5, 2)) for name in names]
    config = Config(Path("config.json"), {"model_type": model_type, "num_hidden_layers": 1})
    parts = summary_of_checkpoint(config, weights).parts
    assert parts.lookup == 20 * lookups
    assert parts.output == 20 * (len(names) - lookups)


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.0.mlp.experts.7.up_proj.weight",
        "model.layers.0.block_sparse_moe.experts.0.w1.weight",
        "model.layers.0.mlp.experts.gate_up_proj_blocks",
        "model.layers.0.mlp.switch_mlp.down_proj.weight",
        "model.layers.0.block_sparse_moe.input_linear.weight",
        "transformer.blocks.0.ffn.experts.mlp.w1",
        "backbone.layers.0.mixer.experts.3.up_proj.weight",
        "model.layers.0.moe.gate_proj.weight",
    ],
)
def test_routed_experts_are_known_by_the_names_of_their_families(name: str) -> None:
    shared = ["model.layers.0.mlp.shared_experts.up_proj.weight",
              "model.layers.0.mlp.shared_expert.up_proj.weight",
              "model.layers.0.mlp.gate.weight"]  # fmt: skip
    weights = [Weight(n, 8, 16, (4, 2)) for n in (name, *shared)]
    values = {"model_type": "x", "num_hidden_layers": 1, "num_experts": 4, "num_experts_per_tok": 1}
    summary = summary_of_checkpoint(Config(Path("config.json"), values), weights)
    assert summary.experts is not None
    assert summary.experts.parameters == 8
    assert summary.active_parameters == 2 + 3 * 8
