"""The tables behind `presets`: defaults, roles and steps of llama.cpp's presets.

A ladder is read from its top: the first step whose condition holds gives the type; where none does,
the preset's default stays. Counts divide as in C, rounding down.
"""

from __future__ import annotations

import re
from collections.abc import Callable

LayerCondition = Callable[[int, int], bool]
"""(index of the layer, number of layers) -> whether a step applies there."""
Ladder = tuple[tuple[LayerCondition, str], ...]


def everywhere(_index: int, _count: int) -> bool:
    return True


def first_eighth(index: int, count: int) -> bool:
    return index < count // 8


def first_sixteenth(index: int, count: int) -> bool:
    return index < count // 16


def first_two(index: int, _count: int) -> bool:
    return index < 2


def first_four(index: int, _count: int) -> bool:
    return index < 4


def middle(index: int, count: int) -> bool:
    """All but the first and the last eighth."""
    return count // 8 <= index < 7 * count // 8


def ends_and_thirds(index: int, count: int) -> bool:
    """The first and the last eighth, and every third layer between them."""
    return not middle(index, count) or (index - count // 8) % 3 == 2


def always(kind: str) -> Ladder:
    return ((everywhere, kind),)


DEFAULTS: dict[str, str] = {
    "F32": "f32",
    "F16": "f16",
    "BF16": "bf16",
    "Q8_0": "q8_0",
    "Q6_K": "q6_K",
    "Q5_K_M": "q5_K",
    "Q5_K_S": "q5_K",
    "Q5_1": "q5_1",
    "Q5_0": "q5_0",
    "Q4_K_M": "q4_K",
    "Q4_K_S": "q4_K",
    "Q4_1": "q4_1",
    "Q4_0": "q4_0",
    "IQ4_NL": "iq4_nl",
    "NVFP4": "nvfp4",
    "IQ4_XS": "iq4_xs",
    "MXFP4_MOE": "mxfp4",
    "Q3_K_L": "q3_K",
    "Q3_K_M": "q3_K",
    "Q3_K_S": "q3_K",
    "IQ3_M": "iq3_s",
    "IQ3_S": "iq3_s",
    "IQ3_XS": "iq3_s",
    "IQ3_XXS": "iq3_xxs",
    "Q2_K": "q2_K",
    "Q2_K_S": "q2_K",
    "IQ2_M": "iq2_s",
    "IQ2_S": "iq2_xs",
    "IQ2_XS": "iq2_xs",
    "IQ2_XXS": "iq2_xxs",
    "IQ1_M": "iq1_m",
    "IQ1_S": "iq1_s",
    "TQ2_0": "tq2_0",
    "TQ1_0": "tq1_0",
    "Q2_0": "q2_0",
    "Q1_0": "q1_0",
}
"""Preset -> the type of a tensor that no rule singles out."""

PLAIN = frozenset({"f32", "f16", "bf16"})
"""Defaults without blocks; their presets have no further rules."""

EXPERTS_ONLY = "MXFP4_MOE"
"""Experts in MXFP4, everything else in Q8_0."""

BLOCKS_ONLY = "NVFP4"
"""Matrices of the blocks in NVFP4, embeddings and output in Q8_0. llama.cpp numbers the file type
and writes the tensor type, but has no preset of it: the backend makes it as Q8_0 with the types of
all other matrices changed."""

ROLES: tuple[tuple[str, str], ...] = (
    ("attn_qkv.weight", "qkv"),
    ("attn_kv_b.weight", "kv_b"),
    ("attn_v.weight", "value"),
    ("attn_k.weight", "key"),
    ("attn_q.weight", "query"),
    ("attn_output.weight", "attention_output"),
    ("ffn_up", "up"),
    ("ffn_gate", "gate"),
    ("ffn_down", "down"),
)
"""Part of a tensor's name -> its role, in the order in which llama.cpp asks."""

VALUES = frozenset({"value", "qkv", "kv_b"})
"""Roles that carry values: the part of attention that suffers most from few bits."""

EMBEDDINGS_OF_LAYERS = frozenset({"per_layer_token_embd.weight"})
EMBEDDINGS = frozenset({"token_embd.weight"}) | EMBEDDINGS_OF_LAYERS

LOW_STEP_UP: dict[str, str] = {
    "IQ1_S": "q2_K",
    "IQ1_M": "q2_K",
    "IQ2_XXS": "q2_K",
    "IQ2_XS": "q2_K",
    "IQ2_S": "iq3_s",
    "IQ2_M": "iq3_s",
}
"""The presets around two bits, which have rules of their own -> what they give where it matters."""

LOW_ATTENTION_OUTPUT: dict[str, str] = {
    "IQ1_S": "iq2_xxs",
    "IQ1_M": "iq2_xxs",
    "IQ2_S": "iq3_s",
    "IQ2_M": "iq3_s",
}

OUTPUT_AT_5_BITS = frozenset({*LOW_STEP_UP, "IQ3_XXS"})
"""Presets whose output matrix is q5_K; it is q6_K in the others, or q8_0."""

EMBEDDING: dict[str, str] = {
    "IQ1_S": "q2_K",
    "IQ1_M": "q2_K",
    "IQ2_XXS": "q2_K",
    "IQ2_XS": "q2_K",
    "IQ2_S": "iq3_s",
    "IQ2_M": "iq3_s",
    "IQ3_XXS": "iq3_s",
    "TQ1_0": "q4_K",
    "TQ2_0": "q4_K",
    "Q2_0": "q4_K",
}

VALUE_SHARED: dict[str, str] = {
    "Q2_K": "q4_K",
    "Q2_K_S": "q4_K",
    "IQ3_XXS": "q4_K",
    "IQ3_XS": "q4_K",
    "IQ3_S": "q4_K",
    "IQ4_NL": "q5_K",
    "IQ4_XS": "q5_K",
}
"""Where four or more query heads share a value head: more bits cost little there."""

VALUE: dict[str, Ladder] = {
    "Q2_K": always("q3_K"),
    "IQ3_M": always("q4_K"),
    "Q3_K_M": ((first_two, "q5_K"), (everywhere, "q4_K")),
    "Q3_K_L": always("q5_K"),
    "Q4_K_S": ((first_four, "q5_K"),),
    "Q4_K_M": ((ends_and_thirds, "q6_K"),),
    "Q5_K_M": ((ends_and_thirds, "q6_K"),),
}
VALUE_NO_MATRIX: dict[str, Ladder] = {"IQ3_XXS": always("iq3_s")}

KEY_QUERY: dict[str, str] = {"IQ3_XS": "iq3_xxs", "IQ3_XXS": "iq2_s"}

DOWN: dict[str, Ladder] = {
    "Q2_K": always("q3_K"),
    "Q2_K_S": ((first_eighth, "q4_K"),),
    "Q3_K_M": ((first_sixteenth, "q5_K"), (everywhere, "q4_K")),
    "Q3_K_L": always("q5_K"),
    "IQ3_M": ((first_eighth, "q4_K"),),
    "Q4_K_S": ((first_eighth, "q5_K"),),
    "Q4_K_M": ((ends_and_thirds, "q6_K"),),
    "Q5_K_M": ((ends_and_thirds, "q6_K"),),
}
DOWN_NO_MATRIX: dict[str, Ladder] = {
    "IQ3_XXS": ((first_eighth, "q4_K"), (everywhere, "q3_K")),
    "IQ4_NL": ((first_eighth, "q5_K"),),
    "IQ4_XS": ((first_eighth, "q5_K"),),
}
DOWN_MATRIX: dict[str, Ladder] = {
    "Q4_0": ((first_eighth, "q4_1"),),
    "Q5_0": ((first_eighth, "q5_1"),),
}
DOWN_MIXTURE_OF_8: dict[str, Ladder] = {"IQ3_M": ((ends_and_thirds, "q4_K"),)}
DOWN_FALCON: dict[str, Ladder] = {
    "Q3_K_M": ((first_sixteenth, "q5_K"), (ends_and_thirds, "q4_K")),
    "Q3_K_L": always("q4_K"),
    "Q4_K_M": ((first_sixteenth, "q6_K"), (ends_and_thirds, "q5_K")),
    "Q4_K_S": (),
}

GATE_UP: dict[str, Ladder] = {"IQ3_XS": ((middle, "iq3_xxs"),)}

ATTENTION_OUTPUT: dict[str, str] = {
    "Q2_K": "q3_K",
    "IQ3_XXS": "iq3_s",
    "Q3_K_M": "q4_K",
    "Q3_K_L": "q5_K",
    "IQ3_M": "q4_K",
}
ATTENTION_OUTPUT_FALCON: dict[str, str] = {"Q3_K_L": "q4_K"}
ATTENTION_OUTPUT_MIXTURE_OF_8 = frozenset(
    {
        *("Q2_K", "Q3_K_S", "Q3_K_M", "Q4_K_S", "Q4_K_M"),
        *("IQ3_XXS", "IQ3_XS", "IQ3_S", "IQ3_M", "IQ4_XS", "IQ4_NL"),
    }
)
"""Presets that give it q5_K in a mixture of eight experts, where attention is a small part."""

FALLBACK: dict[str, str] = {
    "iq1_s": "iq4_nl",
    "iq1_m": "iq4_nl",
    "iq2_xxs": "iq4_nl",
    "iq2_xs": "iq4_nl",
    "iq2_s": "iq4_nl",
    "iq3_xxs": "iq4_nl",
    "iq3_s": "iq4_nl",
    "iq4_xs": "iq4_nl",
    "tq1_0": "q4_0",
    "tq2_0": "q4_0",
    "q2_0": "q4_0",
    "q2_K": "q4_0",
    "q3_K": "q4_0",
    "q4_K": "q5_0",
    "q5_K": "q5_1",
    "q6_K": "q8_0",
}
"""A type whose block does not divide a row -> one of 32 elements a block; f16 if that fails too."""

BLOCKS_OF_70B: dict[str, int] = {"llama": 80, "qwen2": 80, "deci": 80, "olmo": 80, "jais2": 68}
"""Blocks at which llama.cpp takes an architecture for a 70B, whose values get a bit more."""

NEVER = re.compile(
    r"_norm\.weight|ffn_gate_inp\.weight|ffn_gate_tid2eid\.weight|altup|laurel"
    r"|per_layer_model_proj|^position_embd\.weight$|^token_types\.weight$"
    r"|ssm_conv1d|shortconv\.conv\.weight|indexer\.[kq]_proj\.weight"
    r"|time_mix_(first|w[012]|v[012]|a[012]|g[12]|decay_w[12]|lerp_fused)\.weight"
    r"|attn_rel_b\.weight|\.position_embd|sam\.pos_embd|sam\.neck\.|sam\.net_|\.rel_pos"
    r"|\.patch_embd|\.patch_merger|a\.rvq\.codebook|mm\.a\.code_embd"
)
"""Weights too small or too delicate for any preset."""

NEVER_IN: dict[str, re.Pattern[str]] = {
    "glm5-next": re.compile(
        r"hc_|indexer\.(attn_q_b|attn_k|proj)|indexer_compressor_(gate|ape)"
        r"|(ssm_[fg]_[ab]|ssm_beta|attn_kv_a_mqa|attn_[kv]_b)\.weight"
    )
}
AT_LEAST_8_BITS_IN: dict[str, re.Pattern[str]] = {
    "glm5-next": re.compile(r"attn_q_[ab]|nextn\.eh_proj")
}
"""By architecture: what more is never quantized, and what never below q8_0."""

EXPERT_ROLES_IN: dict[str, frozenset[str]] = {"bailingmoe3": frozenset({"up", "gate", "down"})}
"""By architecture: the roles that are experts, where other tensors have three dimensions too."""
