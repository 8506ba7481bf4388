"""Model families by the `model_type` of their config.json: what their blocks are made of.

Sources: llama.cpp's converters (conversion/*.py) and loaders (src/models/*.cpp), which say how
each family's weights are named and shaped in a GGUF.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

Flag = bool | str
"""A fact of the family, or the name of the config's field that decides."""

_PRE = ("attn_norm", "ffn_norm")
_PRE_POST = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
_POST = ("post_attention_norm", "post_ffw_norm")
_AROUND = ("attn_norm", "post_attention_norm")


@dataclass(frozen=True)
class Family:
    """How blocks of one `model_type` look; the defaults are Llama's."""

    architecture: str
    norms: tuple[str, ...] = _PRE
    """Norms of a block, as wide as the model."""
    norm_bias: bool = False
    qkv_bias: Flag = False
    output_bias: Flag = False
    ff_bias: Flag = False
    qk_norm: str = ""
    """As `Attention.norms`; a field's name before a colon decides whether there are any."""
    fused_qkv: bool = False
    ff: str = "gated"
    gate: str = ""
    sinks: bool = False
    latent: bool = False
    mixer: str = ""
    """What stands in some blocks instead of attention: delta_net, mamba or convolution."""
    plain_architecture: str = ""
    """The architecture where config.json gives every block attention instead."""
    one_part: bool = False
    """A block is either a mixer, attention or a feed forward, with one norm."""
    tied: bool | None = None
    """True: never an output matrix of its own; None: as the config says."""
    head_bias: bool = False
    shared_gate: bool = False
    selection_bias: Flag = False
    mixture_bias: bool = False
    joint_beta: bool = False
    final_norm: str = "output_norm"
    prediction: tuple[str, ...] | None = None
    """Matrices as large as the embedding that every further-token block has; None: not known."""
    defaults: dict[str, int] = field(default_factory=dict)
    """What transformers assumes where config.json leaves a field out."""


_LLAMA = Family(
    "llama", qkv_bias="attention_bias", output_bias="attention_bias", ff_bias="mlp_bias"
)
_QWEN2 = Family("qwen2", qkv_bias=True)
_QWEN3 = Family("qwen3", qk_norm="head", qkv_bias="attention_bias", output_bias="attention_bias")
_QWEN35 = Family(
    "qwen35", norms=_AROUND, qk_norm="head", gate="query", mixer="delta_net", prediction=()
)
_DEEPSEEK = Family("deepseek2", latent=True, selection_bias="topk_method=noaux_tc")
_GLM4 = Family("glm4", norms=_PRE_POST, qkv_bias="attention_bias", ff="fused")
_GLM4_MOE = Family(
    "glm4moe",
    norms=_AROUND,
    qkv_bias="attention_bias",
    qk_norm="use_qk_norm:head",
    selection_bias=True,
    prediction=("nextn.embed_tokens", "nextn.shared_head_head"),
)
_USUALLY_TIED: dict[str, int] = {"tie_word_embeddings": True}
_NEMOTRON_H = Family(
    "nemotron_h",
    norms=("attn_norm",),
    qkv_bias="attention_bias",
    output_bias="attention_bias",
    ff_bias="mlp_bias",
    ff="plain",
    mixer="mamba",
    one_part=True,
    selection_bias=True,
)
_GEMMA3 = Family(
    "gemma3",
    norms=_PRE_POST,
    qk_norm="head",
    defaults={
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "vocab_size": 262_208,
    },
)
_GRANITE = replace(_LLAMA, architecture="granite")
_LFM2 = Family("lfm2", qk_norm="head", mixer="convolution", final_norm="token_embd_norm")

FAMILIES: dict[str, Family] = {
    "llama": _LLAMA,
    "mistral": Family("llama"),
    "mixtral": Family("llama"),
    "ministral3": Family("mistral3"),
    "llama4": Family("llama4"),
    "internlm2": Family("internlm2"),
    "arcee": Family("arcee", ff="plain"),
    "smollm3": replace(_LLAMA, architecture="smollm3", defaults=_USUALLY_TIED),
    "granite": _GRANITE,
    "granitemoe": replace(_GRANITE, architecture="granitemoe"),
    "granitemoeshared": replace(_GRANITE, architecture="granitemoe"),
    "granitemoehybrid": replace(
        _GRANITE, architecture="granitehybrid", mixer="mamba", plain_architecture="granite"
    ),
    "seed_oss": Family(
        "seed_oss",
        norms=_AROUND,
        qkv_bias="attention_bias",
        output_bias="attention_out_bias",
        ff_bias="mlp_bias",
    ),
    "qwen2": _QWEN2,
    "qwen2_vl": replace(_QWEN2, architecture="qwen2vl"),
    "qwen2_5_vl": replace(_QWEN2, architecture="qwen2vl"),
    "qwen2_moe": replace(_QWEN2, architecture="qwen2moe", shared_gate=True),
    "qwen3": _QWEN3,
    "qwen3_vl": replace(_QWEN3, architecture="qwen3vl"),
    "qwen3_moe": replace(_QWEN3, architecture="qwen3moe"),
    "qwen3_vl_moe": replace(_QWEN3, architecture="qwen3vlmoe"),
    "qwen3_next": replace(
        _QWEN35, architecture="qwen3next", shared_gate=True, joint_beta=True, prediction=()
    ),
    "qwen3_5": _QWEN35,
    "qwen3_5_moe": replace(_QWEN35, architecture="qwen35moe", shared_gate=True),
    "gemma": Family("gemma", tied=True),
    "gemma2": Family("gemma2", norms=_PRE_POST, tied=True),
    "gemma3": replace(_GEMMA3, tied=True),
    "phi3": Family("phi3", fused_qkv=True, ff="fused"),
    "phimoe": Family(
        "phimoe",
        norm_bias=True,
        qkv_bias="attention_bias",
        output_bias="attention_bias",
        head_bias=True,
    ),
    "phi": Family(
        "phi2",
        norms=("attn_norm",),
        norm_bias=True,
        qkv_bias=True,
        output_bias=True,
        ff_bias=True,
        ff="plain",
        head_bias=True,
    ),
    "starcoder2": Family(
        "starcoder2",
        norm_bias=True,
        qkv_bias="use_bias",
        output_bias="use_bias",
        ff_bias="use_bias",
        ff="plain",
        defaults=_USUALLY_TIED,
    ),
    "nemotron": Family("nemotron", norm_bias=True, ff="plain"),
    "nemotron_h": _NEMOTRON_H,
    "deepseek_v2": _DEEPSEEK,
    "deepseek_v3": _DEEPSEEK,
    "kimi_k2": _DEEPSEEK,
    "glm4_moe_lite": replace(_DEEPSEEK, selection_bias=True),
    "glm4": _GLM4,
    "glm4v": _GLM4,
    "glm4_moe": _GLM4_MOE,
    "glm4v_moe": _GLM4_MOE,
    "gpt_oss": Family(
        "gpt-oss",
        norms=_AROUND,
        qkv_bias=True,
        output_bias=True,
        sinks=True,
        mixture_bias=True,
    ),
    "step3p5": Family(
        "step35", qk_norm="head", gate="use_head_wise_attn_gate:head", selection_bias=True
    ),
    "olmo2": Family("olmo2", norms=_POST, qk_norm="full"),
    "olmo3": Family("olmo2", norms=_POST, qk_norm="full"),
    "olmoe": Family("olmoe", qk_norm="full"),
    "exaone4": Family("exaone4", norms=_POST, qk_norm="head"),
    "minimax_m2": Family("minimax-m2", qk_norm="full", selection_bias=True),
    "hunyuan_v1_dense": Family("hunyuan-dense", qk_norm="head"),
    "ernie4_5": Family(
        "ernie4_5", qkv_bias="use_bias", output_bias="use_bias", defaults=_USUALLY_TIED
    ),
    "ernie4_5_moe": Family("ernie4_5-moe", selection_bias="moe_use_aux_free"),
    "dots1": Family("dots1", qk_norm="head", selection_bias="topk_method=noaux_tc"),
    "cohere": Family("command-r", norms=("attn_norm",), qk_norm="use_qk_norm:heads", tied=True),
    "cohere2": Family("cohere2", norms=("attn_norm",), tied=True),
    "lfm2": replace(_LFM2, tied=True),
    "lfm2_moe": replace(_LFM2, architecture="lfm2moe", tied=True, selection_bias="use_expert_bias"),
}
"""By `model_type`; a text model inside a multimodal one is looked up without its `_text`."""
