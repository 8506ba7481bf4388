"""Vectors of whole texts, as the model pools them."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from grid.backend import EngineError, Options, Unsupported
from grid_llamacpp.context import Context
from grid_llamacpp.library import Library

_UNSPECIFIED, _NONE, _MEAN = -1, 0, 1
_NAMES = {_MEAN: "mean", 2: "cls", 3: "last"}
_TEXTS, _LEAST_TOKENS = 16, 512
"""Texts that are evaluated beside each other, and the least room for them."""


class TextEmbedder:
    """A context for vectors, of texts of up to `longest` tokens. The caller closes it.

    `pooling` is what the file declares; the mean over a text's tokens where it declares none.
    Raises Unsupported for a model that scores pairs of texts (a reranker).
    """

    def __init__(self, linked: Library, model: Any, options: Options, longest: int) -> None:
        self._api, tokens = linked.api, max(longest, _LEAST_TOKENS)

        def make(pooling: int) -> Context:
            return Context(linked, model, options, tokens, _TEXTS, pooling)

        self._context = make(_UNSPECIFIED)
        kind = int(self._api.llama_pooling_type(self._context.pointer))
        if kind == _NONE:
            self._context.close()
            self._context, kind = make(_MEAN), _MEAN
        if kind not in _NAMES:
            self._context.close()
            raise Unsupported("the model scores pairs of texts and gives no vectors (a reranker)")
        self.pooling = _NAMES[kind]
        self._width = int(self._api.llama_model_n_embd(model))

    def close(self) -> None:
        self._context.close()

    @property
    def evaluated(self) -> int:
        return self._context.evaluated

    def embed(self, texts: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """[texts, width], each row of length 1, of the ids of each text."""
        rows = [row for group in self._groups(texts) for row in self._embed_group(group)]
        vectors = np.stack(rows)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not lengths.all():
            raise EngineError("llama.cpp gave a vector of zeros")
        unit: npt.NDArray[np.float32] = (vectors / lengths).astype(np.float32)
        return unit

    def _groups(self, texts: Sequence[Sequence[int]]) -> Iterator[list[Sequence[int]]]:
        """Texts in order, as many at a time as the context takes."""
        group: list[Sequence[int]] = []
        room = self._context.batch.size
        for ids in texts:
            if len(group) == _TEXTS or sum(map(len, group)) + len(ids) > room:
                yield group
                group = []
            group.append(ids)
        yield group

    def _embed_group(self, group: Sequence[Sequence[int]]) -> list[npt.NDArray[np.float64]]:
        context = self._context
        context.clear()
        context.batch.clear()
        for number, ids in enumerate(group):
            context.batch.add(ids, 0, (number,), 0)
        context.decode()
        return [self._vector(number) for number in range(len(group))]

    def _vector(self, number: int) -> npt.NDArray[np.float64]:
        address = self._api.llama_get_embeddings_seq(self._context.pointer, number)
        if not address:
            raise EngineError("llama.cpp gave no vector for a text")
        pointer = ctypes.cast(address, ctypes.POINTER(ctypes.c_float))
        return np.ctypeslib.as_array(pointer, shape=(self._width,)).astype(np.float64)
