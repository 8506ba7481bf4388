"""The cache of an older transformers, which the retired packages want, as the new one is asked.

`grid_transformers` drives a model through transformers 5's cache, made of layers. Before 4.54 a
cache is two lists. What is put in its place here is the old cache with the new one's face.
"""

from __future__ import annotations

from typing import Any


class Layer:
    """Keys and values of one layer of an old cache, [rows, heads, tokens, width]."""

    is_croppable = True

    def __init__(self, keys: Any, values: Any) -> None:
        self.keys, self.values = keys, values

    def get_seq_length(self) -> int:
        return int(self.keys.shape[-2])


def add_cache_layers() -> None:
    """Let `transformers.DynamicCache` take a configuration and show its layers; idempotent, and
    nothing where transformers has such a cache already."""
    import transformers
    import transformers.cache_utils as caches

    if hasattr(caches, "DynamicLayer"):
        return
    old: Any = caches.DynamicCache

    class LayeredCache(old):  # type: ignore[misc]
        """An old cache that is asked as a new one."""

        def __init__(self, config: Any = None) -> None:
            super().__init__()

        @property
        def layers(self) -> list[Layer]:
            return [
                Layer(keys, values)
                for keys, values in zip(self.key_cache, self.value_cache, strict=True)
            ]

    places: Any = transformers, caches
    places[1].DynamicLayer = Layer
    places[0].DynamicCache = LayeredCache
