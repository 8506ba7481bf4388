"""The state that each layer of a GGUF model keeps per token, from its metadata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from grid.errors import InputError
from grid.models.gguf.reader import GgufHeader
from grid.models.model import MAX_LAYERS, MAX_WIDTH, LayerState

_WINDOW_PERIOD: dict[str, tuple[int, bool]] = {
    "afmoe": (4, False),
    "cohere2": (4, False),
    "cohere2moe": (4, True),
    "exaone-moe": (4, False),
    "exaone4": (4, False),
    "gemma-embedding": (6, False),
    "gemma2": (2, False),
    "gemma3": (6, False),
    "gemma3n": (5, False),
    "gpt-oss": (2, False),
    "llama4": (4, False),
    "mellum": (4, False),
    "modern-bert": (3, True),
    "olmo2": (4, False),
    "plamo3": (8, False),
    "smallthinker": (4, True),
}
"""Architectures whose files leave the pattern out: every n-th layer is full; True: the first is."""


_WITHOUT_CACHE = ("attention.shared_kv_layers", "nextn_predict_layers")
"""Numbers of last layers that keep no keys and values of their own."""


class MetadataFields(NamedTuple):
    """Typed access to a header's metadata; a value of the wrong type or size is an InputError."""

    header: GgufHeader

    def error(
        self, what: str, hint: str = "the file is damaged, get or convert it again"
    ) -> InputError:
        return InputError(f"{self.header.path}: {what}; {hint}")

    def text(self, key: str) -> str:
        """A short printable string, empty where there is none."""
        value = self.header.metadata.get(key, "")
        if not isinstance(value, str):
            raise self.error(f"{key} is not a string")
        return "".join(c for c in value if c.isprintable()).strip()[:200]

    def integer_at(self, key: str) -> int | None:
        """A whole number from 0 to 2^31, None where there is none."""
        value = self.header.metadata.get(key)
        if value is None:
            return None
        if type(value) is not int or not 0 <= value < 2**31:
            raise self.error(f"{key} is not a whole number within reason")
        return value

    def key(self, name: str) -> str:
        """The metadata key of a name: `context_length` -> `llama.context_length`."""
        return f"{self.text('general.architecture')}.{name}"

    def integer(self, name: str) -> int | None:
        """The whole number under the architecture's name: `whole("context_length")`."""
        return self.integer_at(self.key(name))

    def per_layer(self, name: str, layers: int) -> list[int] | None:
        """One number a layer, where the file has a number or an array of them."""
        value = self.header.metadata.get(self.key(name))
        if not isinstance(value, tuple):
            number = self.integer(name)
            return None if number is None else [number] * layers
        if len(value) < layers:
            raise self.error(f"{self.key(name)} has {len(value)} numbers for {layers} layers")
        numbers = [int(v) for v in value[:layers] if type(v) in (int, bool) and 0 <= v <= MAX_WIDTH]
        if len(numbers) < layers:
            raise self.error(f"{self.key(name)} has numbers that cannot be")
        return numbers


def layer_states(fields: MetadataFields) -> tuple[LayerState, ...]:
    """The state of every layer as llama.cpp keeps it; empty where the file does not say.

    Attention keeps key and value heads; a latent (MLA) layer one compressed row and no values; a
    sliding-window layer at most `window` tokens, with heads of a width of its own in some models; a
    recurrent layer a fixed state. The last layers keep nothing where they share the cache of
    earlier ones, or only predict further tokens.
    """
    layers = fields.integer("block_count") or 0
    if layers > MAX_LAYERS:
        raise fields.error(f"absurd header: {layers} layers")
    heads = fields.per_layer("attention.head_count", layers)
    if not layers or heads is None:
        return ()
    windows = _windows(fields, layers)
    keys, values = _widths(fields, heads, windows)
    fixed = _recurrent_elements(fields)
    recurrent = _recurrent_layers(fields, keys, fixed)
    keeping = layers - min(layers, sum(fields.integer(name) or 0 for name in _WITHOUT_CACHE))
    states = tuple(
        LayerState(
            key=0 if recurrent[i] and fields.integer("full_attention_interval") else keys[i],
            value=0 if recurrent[i] and fields.integer("full_attention_interval") else values[i],
            window=windows[i],
            fixed=fixed if recurrent[i] else 0,
        )
        for i in range(keeping)
    )
    return states + (LayerState(key=0, value=0),) * (layers - keeping)


def _widths(
    fields: MetadataFields, heads: Sequence[int], windows: Sequence[int | None]
) -> tuple[list[int], list[int]]:
    """Key and value elements per token and layer."""
    kv_heads = fields.per_layer("attention.head_count_kv", len(heads)) or list(heads)
    embedding = fields.integer("embedding_length") or 0
    shared = embedding // max(*heads, 1)
    key = fields.integer("attention.key_length")
    value = fields.integer("attention.value_length")
    key, value = shared if key is None else key, shared if value is None else value
    if fields.integer("attention.key_length_mla"):
        latent = (fields.integer("attention.kv_lora_rank") or 0) + (
            fields.integer("rope.dimension_count") or 0
        )
        return [latent] * len(heads), [0] * len(heads)
    sliding_key = fields.integer("attention.key_length_swa") or key
    sliding_value = fields.integer("attention.value_length_swa") or value
    if max(key, value, sliding_key, sliding_value) * max(kv_heads) > MAX_WIDTH:
        raise fields.error("absurd header: the attention heads are too wide")
    slides = [window is not None for window in windows]
    return (
        [n * (sliding_key if s else key) for n, s in zip(kv_heads, slides, strict=True)],
        [n * (sliding_value if s else value) for n, s in zip(kv_heads, slides, strict=True)],
    )


def _windows(fields: MetadataFields, layers: int) -> list[int | None]:
    """Window of each layer, None where it keeps everything.

    Without a pattern in the file, and none known for the architecture, every layer counts as
    full: the estimate then is too high, never too low.
    """
    window = fields.integer("attention.sliding_window")
    name = "attention.sliding_window_pattern"
    pattern = fields.header.metadata.get(fields.key(name))
    if not window:
        return [None] * layers
    if isinstance(pattern, tuple):
        flags = fields.per_layer(name, layers) or []
        return [window if flag else None for flag in flags]
    architecture = fields.text("general.architecture")
    usual_period, full_first = _WINDOW_PERIOD.get(architecture, (None, False))
    period = fields.integer(name) or usual_period
    if period is None:
        return [None] * layers
    full = 0 if full_first else period - 1
    return [None if i % period == full else window for i in range(layers)]


def _recurrent_elements(fields: MetadataFields) -> int:
    """Elements of a recurrent layer's state: convolution and state-space, or RWKV's; 0 if none."""
    embedding = fields.integer("embedding_length") or 0
    head = fields.integer("wkv.head_size") or 0
    if head:
        return embedding * (head + (fields.integer("token_shift_count") or 2))
    inner, state = fields.integer("ssm.inner_size") or 0, fields.integer("ssm.state_size") or 0
    groups, kernel = fields.integer("ssm.group_count") or 0, fields.integer("ssm.conv_kernel") or 0
    if max(inner, state, groups, kernel, embedding) > MAX_WIDTH:
        raise fields.error("absurd header: the recurrent state is too wide")
    return max(kernel - 1, 0) * (inner + 2 * groups * state) + state * inner


def _recurrent_layers(fields: MetadataFields, keys: Sequence[int], fixed: int) -> list[bool]:
    """Which layers keep a recurrent state.

    Where the file names an interval of full attention, those between; else the layers without
    attention heads; else (both in one layer) all of them.
    """
    interval = fields.integer("full_attention_interval")
    if not fixed:
        return [False] * len(keys)
    if interval:
        return [(i + 1) % interval != 0 for i in range(len(keys))]
    without = [key == 0 for key in keys]
    return without if any(without) else [True] * len(keys)
