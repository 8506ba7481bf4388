"""A recipe as `llama_model_quantize` takes it, with all that must live as long."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from grid.models.gguf import rules
from grid.models.gguf.ggml_types import GGML_TYPES, llama_cpp_name
from grid_llamacpp.matrix.importance import ImportanceMatrix
from grid_llamacpp.recipes import FILE_TYPE_NUMBERS, Preset

_TYPE_NUMBERS = {llama_cpp_name(kind): number for number, kind in GGML_TYPES.items()}
_ALL_BUT_EMBEDDINGS = r"^(?!(token_embd|per_layer_token_embd|output)\.)"
_INTEGER = 0
"""Kind of a metadata value in `llama_model_kv_override`."""


class NativeRecipe:
    """`llama_model_quantize_params` of a preset in `fields`."""

    def __init__(
        self,
        api: Any,
        preset: Preset,
        matrix: ImportanceMatrix | None,
        threads: int,
        requantize: bool,
    ) -> None:
        self._api = api
        fields = api.llama_model_quantize_default_params()
        fields.ftype = FILE_TYPE_NUMBERS[preset.name]
        fields.nthread = threads
        fields.allow_requantize = requantize
        tensors = list(preset.changes.tensors)
        if preset.name == rules.BLOCKS_ONLY:
            fields.ftype = FILE_TYPE_NUMBERS["Q8_0"]
            tensors.append((_ALL_BUT_EMBEDDINGS, "nvfp4"))
            self._metadata = self._file_type(FILE_TYPE_NUMBERS[preset.name])
            fields.kv_overrides = self._metadata
        if preset.changes.token_embedding:
            fields.token_embedding_type = _TYPE_NUMBERS[preset.changes.token_embedding]
        if preset.changes.output:
            fields.output_tensor_type = _TYPE_NUMBERS[preset.changes.output]
        if tensors:
            self._tensors = self._overrides(tensors)
            fields.tt_overrides = self._tensors
        if matrix is not None:
            self._weights = {name: entry.weights for name, entry in matrix.entries.items()}
            self._matrix = self._matrix_data(self._weights)
            fields.imatrix = self._matrix
        self.fields = fields

    def _overrides(self, tensors: Sequence[tuple[str, str]]) -> Any:
        """The list of patterns and types; the last entry is empty."""
        entries = (self._api.llama_model_tensor_override * (len(tensors) + 1))()
        for entry, (pattern, kind) in zip(entries, tensors, strict=False):
            entry.pattern, entry.type = pattern.encode(), _TYPE_NUMBERS[kind]
        return entries

    def _matrix_data(self, weights: dict[str, npt.NDArray[np.float32]]) -> Any:
        entries = (self._api.llama_model_imatrix_data * (len(weights) + 1))()
        for entry, (name, values) in zip(entries, weights.items(), strict=False):
            entry.name, entry.size = name.encode(), values.size
            entry.data = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        return entries

    def _file_type(self, number: int) -> Any:
        """Metadata by which the file says its own preset, not the one that it is made through."""
        entries = (self._api.llama_model_kv_override * 2)()
        entries[0].tag, entries[0].key = _INTEGER, b"general.file_type"
        entries[0].value.val_i64 = number
        return entries
