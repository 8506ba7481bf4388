"""The size of a recurrent layer's state, from config.json."""

from __future__ import annotations

from grid.models.checkpoint.config import Config
from grid.models.model import MAX_WIDTH


def recurrent_elements(config: Config) -> int:
    """Elements of one recurrent layer's state: convolution and state-space, or RWKV's; else 0."""
    for rule in _RULES:
        elements = rule(config)
        if elements:
            return elements
    return 0


def _sizes(config: Config, *names: str) -> list[int]:
    return [config.integer(name, limit=MAX_WIDTH) or 0 for name in names]


def _delta_net(config: Config) -> int:
    keys, values, key, value, kernel = _sizes(
        config, "linear_num_key_heads", "linear_num_value_heads", "linear_key_head_dim",
        "linear_value_head_dim", "linear_conv_kernel_dim",
    )  # fmt: skip
    return max(kernel - 1, 0) * (2 * keys * key + values * value) + values * key * value


def _rwkv(config: Config) -> int:
    head = config.integer("head_size", limit=MAX_WIDTH) or 0
    is_rwkv = config.architecture.startswith("rwkv")
    return config.hidden * ((head or 64) + 2) if is_rwkv else 0


def _kimi(config: Config) -> int:
    """Kimi's delta attention: a square state a head, and three short convolutions."""
    part = "linear_attn_config"
    heads, width, kernel = _sizes(
        config, "linear_num_heads", "linear_head_dim", "linear_conv_kernel_dim"
    )
    heads = heads or config.section_integer(part, "num_heads")
    width = width or config.section_integer(part, "head_dim")
    kernel = kernel or config.section_integer(part, "short_conv_kernel_size")
    return heads * width * width + max(kernel - 1, 0) * 3 * heads * width


def _lightning(config: Config) -> int:
    """MiniMax's linear attention: a square state a head."""
    is_minimax = config.architecture.startswith("minimax")
    return config.heads * config.head_width**2 if is_minimax else 0


def _mamba2(config: Config) -> int:
    own = config.architecture == "mamba2"
    heads = config.integer("mamba_n_heads", "n_mamba_heads", "mamba_num_heads", limit=MAX_WIDTH)
    width = config.integer("mamba_d_head", "mamba_headdim", "mamba_head_dim", limit=MAX_WIDTH)
    if own:
        heads, width = config.heads, config.integer("head_dim", limit=MAX_WIDTH)
    if not heads:
        return 0
    inner = heads * width if width else _expanded_width(config)
    groups = config.integer("mamba_n_groups", "mamba_ngroups", "n_groups", limit=MAX_WIDTH) or 1
    return _state_space(config, inner, groups)


def _mamba(config: Config) -> int:
    return _state_space(config, _expanded_width(config), 0)


def _expanded_width(config: Config) -> int:
    return (config.integer("mamba_expand", "expand", limit=1024) or 2) * config.hidden


def _state_space(config: Config, inner: int, groups: int) -> int:
    """As llama.cpp counts it: the convolution's window of inputs, and the state itself."""
    state = config.integer("mamba_d_state", "ssm_state_size", "state_size", limit=MAX_WIDTH) or 0
    names = ("mamba_d_conv", "conv_kernel", "ssm_conv_kernel", "mamba_conv_kernel")
    kernel = config.integer(*names, limit=MAX_WIDTH) or 4
    if not inner or not state:
        return 0
    return (kernel - 1) * (inner + 2 * groups * state) + state * inner


def _short_convolution(config: Config) -> int:
    kernel = config.integer("conv_L_cache", limit=MAX_WIDTH) or 0
    return max(kernel - 1, 0) * config.hidden


def _gated_lru(config: Config) -> int:
    width, kernel = _sizes(config, "lru_width", "conv1d_width")
    return width + max(kernel - 1, 0) * width


_RULES = (
    _delta_net,
    _kimi,
    _lightning,
    _rwkv,
    _mamba2,
    _mamba,
    _short_convolution,
    _gated_lru,
)
"""Each gives 0 where a config is not of its kind."""
