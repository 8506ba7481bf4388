"""The state that each layer keeps per token, from config.json."""

from __future__ import annotations

from collections.abc import Mapping

from grid.models.checkpoint.config import Config
from grid.models.checkpoint.recurrent import recurrent_elements
from grid.models.model import MAX_WIDTH, LayerState

_WINDOW_PERIOD: Mapping[str, tuple[int, int]] = {
    "cohere2": (4, 3),
    "exaone4": (4, 3),
    "gemma2": (2, 1),
    "gemma3": (6, 5),
    "gemma3_text": (6, 5),
    "gemma3n_text": (5, 4),
    "gpt_oss": (2, 1),
    "olmo3": (4, 3),
}
"""Model types whose older configs leave the pattern out: (period, index of its full layer)."""

_ALL_WINDOWED = ("mistral", "mixtral", "ministral", "phi3", "phimoe", "starcoder2")
"""Model types whose layers all slide where a window is given."""

_OFF_BY_DEFAULT = ("qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen2_vl", "qwen2_5_vl")
"""Model types that give a window and use it only where use_sliding_window is true."""


def layer_states(config: Config) -> tuple[LayerState, ...]:
    """The state of every layer; empty where the config does not say.

    Attention keeps key and value heads; a latent (MLA) layer one compressed row and no values; a
    sliding-window layer at most `window` tokens; a recurrent layer a fixed state.
    """
    count = config.layers
    kinds = _layer_kinds(config, count)
    has_state = _attention_state(config) is not None or any(kind in _RECURRENT for kind in kinds)
    if not count or not has_state:
        return ()
    states = {kind: _layer_state(config, kind) for kind in set(kinds)}
    cacheless = min(config.integer("num_kv_shared_layers") or 0, count)
    return (*(states[kind] for kind in kinds[: count - cacheless]), *(_STATELESS,) * cacheless)


_WINDOWED = ("sliding_attention", "chunked_attention", "local_attention", "hybrid_sliding")
_RECURRENT = ("linear_attention", "mamba", "mamba2", "recurrent", "conv", "ssm", "lightning")
_ATTENTION_AND_RECURRENT = ("hybrid",)
_WITHOUT_STATE = ("mlp", "moe", "none")
_STATELESS = LayerState(key=0, value=0)


def _layer_state(config: Config, kind: str) -> LayerState:
    if kind in _WITHOUT_STATE:
        return _STATELESS
    if kind in _RECURRENT:
        return LayerState(key=0, value=0, fixed=recurrent_elements(config))
    if kind in _WINDOWED:
        sliding = _attention_state(config, "swa_") or _STATELESS
        return LayerState(key=sliding.key, value=sliding.value, window=_window(config, kind))
    full = _attention_state(config, "global_") or _STATELESS
    fixed = recurrent_elements(config) if kind in _ATTENTION_AND_RECURRENT else 0
    return LayerState(key=full.key, value=full.value, fixed=fixed)


def _attention_state(config: Config, prefix: str = "") -> LayerState | None:
    """Elements per token of a layer; None where the config names no attention heads.

    Sliding (`swa_`) and full (`global_`) layers may have heads of their own.
    """
    rank = config.integer("kv_lora_rank", limit=MAX_WIDTH)
    if rank:
        rotary = config.integer("qk_rope_head_dim", limit=MAX_WIDTH) or 0
        return LayerState(key=rank + rotary, value=0)
    names = (f"{prefix}num_key_value_heads", f"num_{prefix}key_value_heads")
    heads = (config.integer(*names, limit=MAX_WIDTH) if prefix else 0) or config.kv_heads
    width = (
        config.integer(f"{prefix}head_dim", limit=MAX_WIDTH) if prefix else 0
    ) or config.head_width
    if not config.heads or not width:
        return None
    if heads * width > MAX_WIDTH:
        raise config.error("absurd: the attention heads are too wide")
    value = config.integer(f"{prefix}v_head_dim", "v_head_dim", limit=MAX_WIDTH) or width
    return LayerState(key=heads * width, value=heads * value)


def _window(config: Config, kind: str) -> int | None:
    names = ("sliding_window", "sliding_window_size", "attention_window_size", "local_attention")
    if kind == "chunked_attention":
        return config.integer("attention_chunk_size") or config.integer(*names)
    return config.integer(*names) or None


def _layer_kinds(config: Config, layers: int) -> list[str]:
    """What each layer is, by the names that transformers' `layer_types` uses."""
    names = _named_kinds(config)
    if names:
        return [names[i % len(names)] for i in range(layers)]
    for rule in (_hybrid_kinds, _sliding_kinds):
        kinds = rule(config, layers)
        if kinds:
            return kinds
    return ["full_attention"] * layers


def _named_kinds(config: Config) -> list[str]:
    names = config.sequence("layer_types", "layers_block_type", "block_types", "_block_types")
    if names and config.architecture == "recurrent_gemma":
        return [{"attention": "sliding_attention"}.get(str(name), str(name)) for name in names]
    if names:
        return [str(name) for name in names]
    flags = config.sequence("attn_type_list")
    if flags:
        return ["full_attention" if flag else "linear_attention" for flag in flags]
    pattern = config.values.get("hybrid_override_pattern")
    if isinstance(pattern, str):
        letters = {"M": "mamba", "*": "full_attention", "-": "mlp", "E": "moe"}
        return [letters.get(letter, "full_attention") for letter in pattern]
    return []


def _hybrid_kinds(config: Config, layers: int) -> list[str]:
    """Layers of a model that mixes attention with recurrence, by the older keys."""
    interval = config.integer("full_attention_interval")
    if interval:
        return _full_every(layers, interval, interval - 1, "linear_attention")
    period = config.integer("attn_layer_period")
    if period:
        return _full_every(layers, period, config.integer("attn_layer_offset") or 0, "mamba")
    indices = config.sequence("attn_layer_indices", "full_attn_idxs")
    if indices is not None:
        return ["full_attention" if i in indices else "mamba" for i in range(layers)]
    full = config.section("linear_attn_config").get("full_attn_layers")
    if isinstance(full, list):
        return ["full_attention" if i + 1 in full else "linear_attention" for i in range(layers)]
    if config.architecture in ("falcon_h1", "hymba"):
        return ["hybrid"] * layers
    if not config.heads or config.architecture.startswith(("mamba", "rwkv", "falcon_mamba")):
        return ["mamba"] * layers if recurrent_elements(config) else []
    return []


def _sliding_kinds(config: Config, layers: int) -> list[str]:
    """Layers with a sliding or chunked window, by the pattern or the model type."""
    if config.integer("attention_chunk_size"):
        return _chunked_kinds(config, layers)
    if not _window(config, "sliding_attention") or config.flag("use_sliding_window") is False:
        return []
    kind = config.architecture
    if kind in _OFF_BY_DEFAULT:
        start = config.integer("max_window_layers") or 0
        used = config.flag("use_sliding_window")
        return [_attention_kind(bool(used) and i >= start) for i in range(layers)]
    letters = config.values.get("sliding_window_pattern")
    if isinstance(letters, str) and letters:
        return [_attention_kind(letters[i % len(letters)] == "L") for i in range(layers)]
    period = config.integer("sliding_window_pattern", "_sliding_window_pattern")
    if period:
        return _full_every(layers, period, period - 1, "sliding_attention")
    if kind in _WINDOW_PERIOD:
        return _full_every(layers, *_WINDOW_PERIOD[kind], "sliding_attention")
    return ["sliding_attention"] * layers if kind in _ALL_WINDOWED else []


def _chunked_kinds(config: Config, layers: int) -> list[str]:
    """Llama 4: layers with rotary positions see one chunk, the others everything."""
    rotary = config.sequence("no_rope_layers")
    if rotary and len(rotary) >= layers:
        return ["chunked_attention" if flag else "full_attention" for flag in rotary[:layers]]
    period = config.integer("no_rope_layer_interval") or 4
    return _full_every(layers, period, period - 1, "chunked_attention")


def _attention_kind(slides: bool) -> str:
    return "sliding_attention" if slides else "full_attention"


def _full_every(layers: int, period: int, full: int, kind: str) -> list[str]:
    return ["full_attention" if i % period == full else kind for i in range(layers)]
