"""Types predicted from a config.json are llama.cpp's own, tensor by tensor, for real models."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from grid.models.gguf.inventory import Hyperparameters, UnquantizedTensor
from grid.models.gguf.inventory_config import from_config
from grid.models.gguf.presets import quantizable, tensor_types
from grid.models.gguf.rules import DEFAULTS

SCHEMAS = Path(__file__).parents[3].parent / "shared" / "data" / "quant-types"
pytestmark = pytest.mark.skipif(
    not SCHEMAS.is_dir(), reason="the types of real models (shared/data/quant-types) are not here"
)

_LINEAR = {
    "full_attention_interval": 4,
    "head_dim": 256,
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 128,
    "linear_num_key_heads": 16,
    "linear_value_head_dim": 128,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "deepseek-v3.1": {
        "model_type": "deepseek_v3",
        "hidden_size": 7168,
        "intermediate_size": 18432,
        "moe_intermediate_size": 2048,
        "num_hidden_layers": 61,
        "num_attention_heads": 128,
        "num_key_value_heads": 128,
        "q_lora_rank": 1536,
        "kv_lora_rank": 512,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "n_routed_experts": 256,
        "n_shared_experts": 1,
        "first_k_dense_replace": 3,
        "topk_method": "noaux_tc",
        "num_nextn_predict_layers": 1,
        "vocab_size": 129280,
    },
    "glm-4.6v": {
        "model_type": "glm4v_moe",
        "text_config": {
            "model_type": "glm4v_moe_text",
            "hidden_size": 4096,
            "intermediate_size": 10944,
            "moe_intermediate_size": 1408,
            "num_hidden_layers": 46,
            "num_attention_heads": 96,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "n_routed_experts": 128,
            "n_shared_experts": 1,
            "first_k_dense_replace": 1,
            "attention_bias": True,
            "vocab_size": 151552,
        },
    },
    "gpt-oss-120b": {
        "model_type": "gpt_oss",
        "hidden_size": 2880,
        "intermediate_size": 2880,
        "num_hidden_layers": 36,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "num_local_experts": 128,
        "attention_bias": True,
        "vocab_size": 201088,
    },
    "qwen3-0.6b": {
        "model_type": "qwen3",
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "tie_word_embeddings": True,
        "vocab_size": 151936,
    },
    "qwen3-14b": {
        "model_type": "qwen3",
        "hidden_size": 5120,
        "intermediate_size": 17408,
        "num_hidden_layers": 40,
        "num_attention_heads": 40,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 151936,
    },
    "qwen3-coder-next": {
        "model_type": "qwen3_next",
        "hidden_size": 2048,
        "intermediate_size": 5120,
        "moe_intermediate_size": 512,
        "shared_expert_intermediate_size": 512,
        "num_experts": 512,
        "num_hidden_layers": 48,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
        "linear_num_value_heads": 32,
        "decoder_sparse_step": 1,
        "vocab_size": 151936,
        **_LINEAR,
    },
    "qwen3.5-397b-a17b": {
        "model_type": "qwen3_5_moe",
        "text_config": {
            "model_type": "qwen3_5_moe_text",
            "hidden_size": 4096,
            "moe_intermediate_size": 1024,
            "shared_expert_intermediate_size": 1024,
            "num_experts": 512,
            "num_hidden_layers": 60,
            "num_attention_heads": 32,
            "num_key_value_heads": 2,
            "linear_num_value_heads": 64,
            "mtp_num_hidden_layers": 1,
            "vocab_size": 248320,
            **_LINEAR,
        },
    },
    "step-3.5-flash": {
        "model_type": "step3p5",
        "hidden_size": 4096,
        "intermediate_size": 11264,
        "moe_intermediate_size": 1280,
        "share_expert_dim": 1280,
        "moe_num_experts": 288,
        "moe_layers_enum": ",".join(str(i) for i in range(3, 45)),
        "num_hidden_layers": 45,
        "num_attention_heads": 64,
        "num_attention_groups": 8,
        "head_dim": 128,
        "layer_types": ["sliding_attention" if i % 4 else "full_attention" for i in range(45)],
        "attention_other_setting": {"num_attention_heads": 96, "num_attention_groups": 8},
        "use_head_wise_attn_gate": True,
        "num_nextn_predict_layers": 3,
        "vocab_size": 128896,
    },
}
STORES_A_HEAD_ALL_THE_SAME = {"qwen3-0.6b"}
"""Checkpoints with an output matrix although their config ties it to the embedding."""


class Schema(NamedTuple):
    """One file: the numbers of its second line; by preset the default and the exceptions."""

    numbers: dict[str, int]
    presets: dict[str, tuple[str, dict[str, str]]]


def read_schema(name: str) -> Schema:
    numbers: dict[str, int] = {}
    presets: dict[str, tuple[str, dict[str, str]]] = {}
    exceptions: dict[str, str] = {}
    for line in (SCHEMAS / f"{name}.schema").read_text().splitlines():
        if line.startswith("# n_embd"):
            pairs = (pair.split("=") for pair in line[2:].split(", "))
            numbers = {key: int(value) for key, value in pairs}
        elif line.startswith("["):
            preset, default = line[1:].split("] ")
            exceptions = {}
            presets[preset] = (default, exceptions)
        elif line and not line.startswith("#"):
            tensor, kind = line.rsplit(" ", 1)
            exceptions[tensor] = kind
    return Schema(numbers, presets)


def exceptions(
    inventory: tuple[UnquantizedTensor, ...], model: Hyperparameters, preset: str, default: str
) -> dict[str, str]:
    """What a schema lists: quantizable tensors whose type is not the preset's default."""
    names = {tensor.name for tensor in inventory if quantizable(tensor, model.architecture)}
    types = tensor_types(inventory, model, preset)
    return {name: kind for name, kind in types.items() if name in names and kind != default}


NEWER_THAN_THE_SCHEMAS = ("Q1_0", "Q2_0", "NVFP4")
"""The schemas' llama.cpp had none of these; the backend's tests make them with the linked one."""
CASES = [
    (name, preset)
    for name in CONFIGS
    for preset in DEFAULTS
    if preset not in NEWER_THAN_THE_SCHEMAS
]


@pytest.mark.parametrize(("name", "preset"), CASES)
def test_tensor_types_are_llama_cpps(name: str, preset: str) -> None:
    output = True if name in STORES_A_HEAD_ALL_THE_SAME else None
    inventory, model = from_config(CONFIGS[name], output=output)
    default, listed = read_schema(name).presets[preset]
    assert DEFAULTS[preset] == default
    assert exceptions(inventory, model, preset, default) == listed


@pytest.mark.parametrize("name", CONFIGS)
def test_a_schema_has_every_preset_that_is_checked(name: str) -> None:
    checked = {preset for case, preset in CASES if case == name}
    assert set(read_schema(name).presets) == checked


@pytest.mark.parametrize("name", CONFIGS)
def test_config_gives_the_hyperparameters_of_the_published_file(name: str) -> None:
    _, model = from_config(CONFIGS[name])
    numbers = read_schema(name).numbers
    assert model.n_embd == numbers["n_embd"]
    assert model.n_layer == numbers["n_layer"]
    assert model.n_expert == numbers.get("n_expert", 0)
    assert model.heads_per_kv == numbers["n_head"] // numbers["n_head_kv"]


def test_every_published_schema_is_checked() -> None:
    assert {path.stem for path in SCHEMAS.glob("*.schema")} == set(CONFIGS)


PARTLY_KNOWN: dict[str, dict[str, tuple[int | None, ...]]] = {
    "deepseek-v3.1": {"attn_k_b": (128, None, None)},
    "glm-4.6v": {"ffn_down_exps": (1408, None, None), "ffn_down_shexp": (1408, None)},
    "gpt-oss-120b": {"ffn_down_exps": (2880, None, None)},
}
"""Rows that neither a name nor the numbers of a schema imply."""


@pytest.mark.parametrize(("name", "preset"), CASES)
def test_names_and_header_numbers_are_enough_for_types(name: str, preset: str) -> None:
    schema = read_schema(name)
    numbers = schema.numbers
    model = Hyperparameters(
        architecture="",
        n_layer=numbers["n_layer"],
        n_head=numbers["n_head"],
        n_head_kv=numbers["n_head_kv"],
        n_expert=numbers.get("n_expert", 0),
        n_embd=numbers["n_embd"],
        n_ff=numbers["n_ff"],
    )
    listed = {tensor for _, names in schema.presets.values() for tensor in names}
    shapes = PARTLY_KNOWN.get(name, {})
    inventory = tuple(UnquantizedTensor(n, shapes.get(n.split(".")[-2])) for n in sorted(listed))
    default, expected = schema.presets[preset]
    assert exceptions(inventory, model, preset, default) == expected
