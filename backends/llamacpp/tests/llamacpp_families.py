"""A small config.json of every family whose GGUF inventory is known."""

from __future__ import annotations

from typing import Any

_LAYERS = 8
"""Enough that an eighth is a whole layer."""

_BASE: dict[str, Any] = {
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "vocab_size": 320,
}
_EXPERTS: dict[str, Any] = {"num_experts": 4, "moe_intermediate_size": 96}
_LINEAR: dict[str, Any] = {
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 64,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_value_head_dim": 64,
    "full_attention_interval": 4,
}
_LATENT: dict[str, Any] = {
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "moe_intermediate_size": 96,
    "first_k_dense_replace": 1,
    "q_lora_rank": 96,
    "kv_lora_rank": 256,
    "qk_nope_head_dim": 64,
    "qk_rope_head_dim": 32,
    "v_head_dim": 64,
    "topk_method": "noaux_tc",
}
_GLM_MOE: dict[str, Any] = {
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "moe_intermediate_size": 96,
    "first_k_dense_replace": 1,
    "attention_bias": True,
    "use_qk_norm": True,
}
_MAMBA: dict[str, Any] = {
    "mamba_n_heads": 16,
    "mamba_d_head": 32,
    "mamba_n_groups": 2,
    "mamba_d_state": 32,
    "mamba_d_conv": 4,
    "mamba_conv_bias": True,
    "layer_types": ["attention" if i % 4 == 3 else "mamba" for i in range(_LAYERS)],
}
_SLIDING = ["full_attention" if i % 4 == 0 else "sliding_attention" for i in range(_LAYERS)]

CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {"attention_bias": True, "rope_scaling": {"rope_type": "llama3"}},
    "llama tied": {"tie_word_embeddings": True},
    "llama of 80 layers": {"num_hidden_layers": 80, "hidden_size": 64, "head_dim": 16},
    "mistral": {"num_key_value_heads": 1},
    "mixtral": {"num_local_experts": 8, "intermediate_size": 128},
    "llama4": {
        "num_local_experts": 4,
        "intermediate_size": 128,
        "intermediate_size_mlp": 512,
        "interleave_moe_layer_step": 2,
    },
    "smollm3": {"tie_word_embeddings": True},
    "granite": {"tie_word_embeddings": True},
    "granitemoe": {"num_local_experts": 4, "intermediate_size": 96},
    "granitemoeshared": {
        "num_local_experts": 4,
        "intermediate_size": 96,
        "shared_intermediate_size": 192,
    },
    "granitemoehybrid": {**_MAMBA, "num_local_experts": 0, "shared_intermediate_size": 192},
    "granitemoehybrid with experts": {
        **_MAMBA,
        "num_local_experts": 4,
        "intermediate_size": 96,
        "shared_intermediate_size": 192,
    },
    "granitemoehybrid of attention": {
        "num_local_experts": 0,
        "shared_intermediate_size": 192,
        "layer_types": ["attention"] * _LAYERS,
    },
    "ministral3": {},
    "seed_oss": {"attention_bias": True},
    "qwen2": {},
    "qwen2 of 80 layers": {"num_hidden_layers": 80, "hidden_size": 64, "head_dim": 16},
    "qwen2_moe": {**_EXPERTS, "shared_expert_intermediate_size": 192},
    "qwen2_5_vl": {},
    "qwen2_vl": {},
    "qwen3_vl": {},
    "qwen3_vl_moe": _EXPERTS,
    "qwen3": {"num_key_value_heads": 1},
    "qwen3_moe": {
        **_EXPERTS,
        "num_experts": 6,
        "moe_intermediate_size": 256,
        "intermediate_size": 64,
    },
    "qwen3_next": {**_EXPERTS, **_LINEAR, "shared_expert_intermediate_size": 96},
    "qwen3_5": _LINEAR,
    "qwen3_5_moe": {**_EXPERTS, **_LINEAR, "shared_expert_intermediate_size": 96},
    "gemma": {},
    "gemma2": {"hidden_size": 288},
    "gemma3": {},
    "phi3": {"rope_scaling": {"type": "longrope"}},
    "phimoe": {
        "num_local_experts": 4,
        "intermediate_size": 96,
        "num_key_value_heads": 4,
        "attention_bias": True,
    },
    "internlm2": {},
    "arcee": {},
    "phi": {"num_key_value_heads": 4},
    "starcoder2": {"use_bias": True},
    "nemotron": {},
    "nemotron_h": {
        "hybrid_override_pattern": "M-M*-M-M*-",
        "mamba_num_heads": 8,
        "mamba_head_dim": 32,
        "n_groups": 2,
        "ssm_state_size": 32,
        "conv_kernel": 4,
        "use_conv_bias": True,
    },
    "nemotron_h with experts": {
        "hybrid_override_pattern": "MEM*EMEM*E",
        "mamba_num_heads": 8,
        "mamba_head_dim": 32,
        "n_groups": 2,
        "ssm_state_size": 32,
        "conv_kernel": 4,
        "use_conv_bias": True,
        "n_routed_experts": 8,
        "moe_intermediate_size": 96,
        "num_experts_per_tok": 2,
        "moe_shared_expert_intermediate_size": 192,
        "n_shared_experts": 1,
    },
    "deepseek_v2": {**_LATENT, "q_lora_rank": None, "topk_method": "greedy"},
    "deepseek_v3": _LATENT,
    "kimi_k2": {**_LATENT, "num_hidden_layers": 3},
    "glm4_moe_lite": _LATENT,
    "glm4": {"attention_bias": True},
    "glm4v": {"attention_bias": True},
    "glm4v_moe": {**_GLM_MOE, "use_qk_norm": False},
    "glm4_moe": _GLM_MOE,
    "gpt_oss": {"num_local_experts": 4, "hidden_size": 96, "intermediate_size": 96},
    "step3p5": {
        "moe_num_experts": 4,
        "moe_intermediate_size": 96,
        "share_expert_dim": 96,
        "moe_layers_enum": "2,3,4,5,6,7",
        "num_attention_groups": 2,
        "layer_types": _SLIDING,
        "attention_other_setting": {"num_attention_heads": 6, "num_attention_groups": 2},
        "use_head_wise_attn_gate": True,
    },
    "olmo2": {},
    "olmoe": {"num_experts": 4, "num_key_value_heads": 4, "intermediate_size": 96},
    "olmo3": {},
    "exaone4": {},
    "minimax_m2": {"num_local_experts": 4, "intermediate_size": 128},
    "hunyuan_v1_dense": {},
    "ernie4_5": {"tie_word_embeddings": True},
    "ernie4_5_moe": {
        "moe_num_experts": 4,
        "moe_intermediate_size": 96,
        "moe_num_shared_experts": 1,
        "moe_layer_start_index": 1,
        "moe_layer_interval": 1,
    },
    "dots1": {**_GLM_MOE, "num_key_value_heads": 4, "attention_bias": False},
    "cohere": {},
    "cohere2": {},
    "lfm2": {
        "conv_L_cache": 3,
        "layer_types": ["full_attention" if i % 3 == 2 else "conv" for i in range(_LAYERS)],
    },
    "lfm2_moe": {
        **_EXPERTS,
        "conv_L_cache": 3,
        "num_dense_layers": 2,
        "use_expert_bias": True,
        "layer_types": ["full_attention" if i % 3 == 2 else "conv" for i in range(_LAYERS)],
    },
}
"""Small models: the first word of a name is the `model_type`."""


def config_of(name: str) -> dict[str, Any]:
    return {**_BASE, "model_type": name.split()[0], **CONFIGS[name]}
