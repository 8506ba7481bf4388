"""Model: what the weights are, whatever their precision."""

from __future__ import annotations

import msgspec

from grid.models.weight_parts import Experts

MAX_LAYERS = 4096
MAX_WIDTH = 2**24
"""Layers, and elements in a row, that no published model comes near: more is a damaged file."""


class LayerState(msgspec.Struct, frozen=True):
    """The state that one layer keeps of the tokens processed.

    `key` and `value` are elements per token; `window` is the number of tokens a sliding-window
    layer keeps (None: all of them); `fixed` is elements whatever the length (recurrent state).
    """

    key: int
    value: int
    window: int | None = None
    fixed: int = 0


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model: family, size, source and revision, and the shape that decides its KV cache.

    `source` is where the user's sweep file says it is (`ref:base`, a path); `revision` is the hash
    of its weights there. `parameters` counts weight elements; `context_length` is in tokens.
    """

    name: str
    family: str
    source: str
    revision: str
    architecture: str
    parameters: int
    context_length: int
    vocabulary: int
    layers: tuple[LayerState, ...] = ()
    chat: bool = False
    """Whether it comes with a chat template."""
    active_parameters: int | None = None
    """Weight elements that a token uses: no looked-up embeddings, and of routed experts its share;
    None where the used experts are not known."""
    experts: Experts | None = None
    """None for a dense model."""

    def kv_bytes(self, tokens: int, key_bytes: float = 2.0, value_bytes: float = 2.0) -> int:
        """Bytes of the KV cache for `tokens` tokens at the given bytes per key and value element.

        Recurrent state (`LayerState.fixed`) is kept in 32 bits by the engines that have it.
        """
        total = 0.0
        for layer in self.layers:
            cached_tokens = tokens if layer.window is None else min(tokens, layer.window)
            total += (
                cached_tokens * (layer.key * key_bytes + layer.value * value_bytes)
                + 4 * layer.fixed
            )
        return round(total)
