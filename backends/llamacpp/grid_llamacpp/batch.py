"""The batch handed to `llama_decode`, filled through numpy arrays that it points into."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


class Batch:
    """Up to `size` tokens, each in up to `sequences` sequences."""

    def __init__(self, api: Any, size: int, sequences: int) -> None:
        self._token = np.zeros(size, np.int32)
        self._position = np.zeros(size, np.int32)
        self._count = np.ones(size, np.int32)
        self._sequence = np.zeros((size, sequences), np.int32)
        self._output = np.zeros(size, np.int8)
        rows = self._sequence.ctypes.data + np.arange(size) * self._sequence.strides[0]
        self._rows = rows.astype(np.uintp)
        self.size, self.length, self.outputs = size, 0, 0
        self._batch = api.llama_batch()
        fields: dict[str, npt.NDArray[Any]] = {
            "token": self._token,
            "pos": self._position,
            "n_seq_id": self._count,
            "seq_id": self._rows,
            "logits": self._output,
        }
        kinds = dict(api.llama_batch._fields_)
        for name, array in fields.items():
            setattr(self._batch, name, ctypes.cast(array.ctypes.data, kinds[name]))

    @property
    def room(self) -> int:
        return self.size - self.length

    def clear(self) -> None:
        self.length = self.outputs = 0

    def add(
        self, ids: Sequence[int], position: int, sequences: Sequence[int], wanted_from: int
    ) -> None:
        """Append tokens at consecutive positions; logits are wanted from index `wanted_from` on."""
        start, stop = self.length, self.length + len(ids)
        self._token[start:stop] = ids
        self._position[start:stop] = np.arange(position, position + len(ids))
        self._count[start:stop] = len(sequences)
        self._sequence[start:stop, : len(sequences)] = sequences
        wanted = min(max(wanted_from, 0), len(ids))
        self._output[start : start + wanted] = 0
        self._output[start + wanted : stop] = 1
        self.length = stop
        self.outputs += len(ids) - wanted

    def native(self) -> Any:
        """The C structure, valid until the batch is filled again."""
        self._batch.n_tokens = self.length
        return self._batch
