"""A model with its caches: tokens in, logits out, in pieces of one size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from grid.backend import Options, Unsupported
from grid_mlx import library
from grid_mlx.memory import KV_GROUP

Cache = list[Any]
"""One entry a layer, as the model's class makes them."""


class Forward:
    """Evaluates a loaded model; arrays are MLX's, lazy until they are evaluated."""

    def __init__(self, model: Any, options: Options) -> None:
        self.mx, self._caches = library.core(), library.caches()
        self._model = model
        self.evaluated = 0
        """Tokens evaluated so far; who adds padding takes it off again."""
        self.batch, self._kv_bits = int(options["batch"]), int(options["kv_bits"])

    def cache(self) -> Cache:
        """An empty cache. Raises Unsupported where it cannot be quantized as asked."""
        layers: Cache = self._caches.make_prompt_cache(self._model)
        if not self._kv_bits:
            return layers
        if not self.is_plain(layers):
            raise Unsupported(
                f"kv_bits = {self._kv_bits}: MLX quantizes the cache of full attention only, this "
                "model has other layers; set kv_bits = 0"
            )
        quantized = self._caches.QuantizedKVCache
        return [quantized(group_size=KV_GROUP, bits=self._kv_bits) for _ in layers]

    def is_plain(self, cache: Cache) -> bool:
        """Whether every layer keeps all keys and values, unquantized."""
        return all(type(layer) is self._caches.KVCache for layer in cache)

    def grows(self, layer: Any) -> bool:
        """Whether a layer's cache keeps every token, so that it grows with the context."""
        return isinstance(layer, (self._caches.KVCache, self._caches.QuantizedKVCache))

    def __call__(self, rows: Sequence[Sequence[int]], cache: Cache) -> Any:
        """Logits [rows, tokens, vocabulary] after ids [rows, tokens], appended to the cache."""
        self.evaluated += len(rows) * len(rows[0])
        return self._model(self.mx.array(rows, self.mx.int32), cache=cache)

    def evaluate(self, cache: Cache, *arrays: Any) -> None:
        """Compute arrays and what the cache holds; returns when they are there."""
        self.mx.eval(*arrays, [layer.state for layer in cache])

    def fill(self, ids: Sequence[int], cache: Cache) -> None:
        """Append tokens for their keys and values only: being lazy, MLX leaves out the head."""
        for part in self.pieces(ids):
            self([part], cache)
            self.evaluate(cache)
            self.mx.clear_cache()

    def pieces(self, ids: Sequence[int]) -> Iterator[Sequence[int]]:
        for start in range(0, len(ids), self.batch):
            yield ids[start : start + self.batch]

    def cut(self, cache: Cache, tokens: int) -> bool:
        """Take the last `tokens` off the cache; False where its layers cannot give them up."""
        if not self._caches.can_trim_prompt_cache(cache):
            return False
        self._caches.trim_prompt_cache(cache, tokens)
        return True

    def branches(self, cache: Cache, count: int) -> Cache:
        """A plain cache's content in `count` rows, each to be continued on its own."""
        layers = [type(layer)() for layer in cache]
        for layer, source in zip(layers, cache, strict=True):
            if not source.empty():
                keys, values = source.keys_and_values()
                layer.keys = self.mx.repeat(keys, count, axis=0)
                layer.values = self.mx.repeat(values, count, axis=0)
                layer.offset = source.offset
        return layers


def cache_bytes(cache: Cache) -> int:
    """Bytes that a cache's arrays take, room for tokens to come included."""
    return sum(int(layer.nbytes) for layer in cache if not layer.empty())
