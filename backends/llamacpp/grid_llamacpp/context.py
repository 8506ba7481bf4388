"""One `llama_context`: a cache of some length, and evaluation in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from grid.backend import EngineError, Options, Unsupported
from grid_llamacpp.batch import Batch
from grid_llamacpp.library import Library
from grid_llamacpp.memory import buffers, padded_tokens
from grid_llamacpp.options import KV_TYPES

_FLASH = {"auto": -1, "off": 0, "on": 1}


class Context:
    """A cache of `tokens` tokens (rounded up as llama.cpp does) shared by `sequences` sequences.

    With `pooling`, one of llama.cpp's numbers, it gives vectors of texts in place of logits, and
    takes all its tokens in one batch. `on_tensor` is llama.cpp's callback for every tensor that is
    computed, which must outlive the context. Raises OutOfMemory, Unsupported or EngineError when it
    cannot be made. `close` frees it.
    """

    def __init__(
        self,
        library: Library,
        model: Any,
        options: Options,
        tokens: int,
        sequences: int,
        pooling: int | None = None,
        on_tensor: Any = None,
    ) -> None:
        self._library, self._api = library, library.api
        self.cells = padded_tokens(tokens)
        self.sequences = sequences
        self.evaluated = 0
        mark = library.log.mark()
        parameters = self._parameters(options)
        if on_tensor is not None:
            parameters.cb_eval = on_tensor
            parameters.kv_unified = False  # as llama-imatrix has it, so that sums are equal
        if pooling is not None:
            parameters.embeddings, parameters.pooling_type = True, pooling
            parameters.n_batch = parameters.n_ubatch = self.cells
        self._pointer = self._api.llama_init_from_model(model, parameters)
        if not self._pointer:
            raise library.error(f"no context of {tokens} tokens", mark)
        lines = library.log.since(mark)
        self.buffers = buffers(lines)
        self.flash_attention = _flash_attention_in_use(lines, str(options["flash_attention"]))
        self._memory = self._api.llama_get_memory(self._pointer)
        self.vocabulary = self._api.llama_vocab_n_tokens(self._api.llama_model_get_vocab(model))
        size = int(self._api.llama_n_batch(self._pointer))
        self.batch = Batch(self._api, size, sequences)

    def _parameters(self, options: Options) -> Any:
        parameters = self._api.llama_context_default_params()
        parameters.n_ctx = self.cells
        parameters.n_batch = min(int(options["batch"]), self.cells)
        parameters.n_ubatch = min(int(options["ubatch"]), parameters.n_batch)
        parameters.n_seq_max = self.sequences
        parameters.kv_unified = True
        parameters.n_threads = int(options["threads"])
        parameters.n_threads_batch = int(options["threads_batch"])
        parameters.flash_attn_type = _FLASH[str(options["flash_attention"])]
        parameters.type_k = KV_TYPES[str(options["kv_type_k"])]
        parameters.type_v = KV_TYPES[str(options["kv_type_v"])]
        parameters.no_perf = True
        return parameters

    @property
    def pointer(self) -> Any:
        """For samplers, which read the logits themselves."""
        return self._pointer

    def close(self) -> None:
        if self._pointer:
            self._api.llama_free(self._pointer)
            self._pointer = None

    def clear(self) -> None:
        """Forget every sequence; the cache's bytes stay as they are."""
        self._api.llama_memory_clear(self._memory, False)

    def forget(self, sequence: int, first: int) -> None:
        """Drop the tokens of a sequence from position `first` on. Raises Unsupported where the
        model's state cannot be cut (recurrent layers)."""
        if not self._api.llama_memory_seq_rm(self._memory, sequence, first, -1):
            raise Unsupported("this model's state cannot be cut back to an earlier token")

    def copy(self, source: int, target: int) -> None:
        """Let a sequence begin with all that another one holds."""
        self._api.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def evaluate(self) -> npt.NDArray[np.float32]:
        """Decode what the batch holds; logits [outputs, vocabulary], valid until the next call."""
        self.decode()
        outputs = self.batch.outputs
        if not outputs:
            return np.empty((0, self.vocabulary), np.float32)
        address = self._api.llama_get_logits(self._pointer)
        return np.ctypeslib.as_array(address, shape=(outputs, self.vocabulary))

    def decode(self) -> None:
        """Evaluate what the batch holds, and wait for it."""
        mark = self._library.log.mark()
        code = self._api.llama_decode(self._pointer, self.batch.native())
        if code == 1:
            raise EngineError(f"the context of {self.cells} tokens is full")
        if code:
            raise self._library.error(f"evaluation failed (code {code})", mark)
        self.evaluated += self.batch.length
        self._api.llama_synchronize(self._pointer)

    def append(self, ids: Sequence[int], position: int, wanted_from: int) -> list[Any]:
        """Evaluate tokens of sequence 0 from `position` on, in batches of the context's size.

        Returns copies of the logits [rows, vocabulary] of each batch, from index `wanted_from` on.
        """
        rows = []
        for start in range(0, len(ids), self.batch.size):
            part = ids[start : start + self.batch.size]
            self.batch.clear()
            self.batch.add(part, position + start, (0,), wanted_from - start)
            logits = self.evaluate()
            if len(logits):
                rows.append(logits.copy())
        return rows


def _flash_attention_in_use(lines: Sequence[str], option: str) -> str:
    """Whether flash attention is in use, as the engine says when the choice was left to it."""
    for line in lines:
        if "Flash Attention enabled" in line or "enabling flash_attn" in line:
            return "on"
        if "Flash Attention not supported" in line or "forcing off" in line:
            return "off"
    return option
