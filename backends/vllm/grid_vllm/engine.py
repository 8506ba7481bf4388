"""A checkpoint loaded in vLLM's offline engine, in this process."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from grid_transformers.tokenizer import FolderTokenizer

from grid.backend import EngineError, Options, TokenScores, Unsupported
from grid.backend.scoring import Request
from grid_vllm.context import Requests
from grid_vllm.environment import activations, kernels
from grid_vllm.failures import loading
from grid_vllm.generation import generate
from grid_vllm.library import check_device, prepare
from grid_vllm.loading import setup
from grid_vllm.probe import package_version
from grid_vllm.scoring import Scorer

_held: list[Path] = []
"""What is loaded: vLLM's groups of processes and its kernels' settings are the process's own."""


@contextmanager
def load(path: Path, device: str, options: Options) -> Iterator[VllmEngine]:
    """Load a folder; leaving gives weights and cache back, and what vLLM keeps of its own in the
    process stays (kernels, registries).

    `device` is `cpu`, or the kind of accelerator with its number after a colon (`cuda:1`). Raises
    OutOfMemory, Unsupported or EngineError with vLLM's own reason.
    """
    if _held:
        raise EngineError(f"vLLM holds one model at a time in a process, now {_held[0].name}")
    engine: VllmEngine | None = None
    _held.append(path)
    try:
        with loading(path.name):
            prepare(device, options)
            from vllm.platforms import current_platform

            check_device(device, str(current_platform.device_type), options)
            engine = VllmEngine(path, device, options)
        yield engine
    finally:
        if engine is not None:
            engine.close()
        del engine
        _clean()
        _held.clear()


def _clean() -> None:
    """Ends what a load, or one that failed midway, left in the process."""
    state = sys.modules.get("vllm.distributed.parallel_state")
    if state is not None:
        state.cleanup_dist_env_and_memory()
    gc.collect()


class VllmEngine:
    """Tokenizes, Scores, Logits and Generates of `grid.backend`."""

    def __init__(self, path: Path, device: str, options: Options) -> None:
        from vllm import EngineArgs, LLMEngine

        self._options, self._path, self._device = options, path, device
        self._tokenizer = FolderTokenizer(path)
        self._setup = setup(path, options, device)
        self._engine: Any = LLMEngine.from_engine_args(EngineArgs(**self._setup.arguments))
        self._requests = Requests(self._engine)
        self._scorer = Scorer(self._requests, int(options["batch"]))
        self.version = package_version() or "vllm"
        self.vocabulary = int(self._engine.model_config.get_vocab_size())
        self.bos = self._tokenizer.bos
        self.prefix = self._tokenizer.prefix

    def close(self) -> None:
        self._engine.engine_core.shutdown()
        del self._scorer, self._requests, self._engine
        gc.collect()

    def environment(self) -> Mapping[str, str]:
        """Build, types, cache and threads behind every number."""
        import torch

        config = self._engine.vllm_config
        dtype = str(config.model_config.dtype).removeprefix("torch.")
        return {
            **{name: str(value) for name, value in self._options.items()},
            "engine": self.version,
            "torch": str(torch.__version__),
            "device": self._device,
            "dtype": dtype,
            "activations": activations(self._path, self._device) or f"stay at {dtype}",
            "quantization": str(config.model_config.quantization or "none"),
            "kernels": ", ".join(sorted(set().union(*self._engine.apply_model(kernels)))),
            "max_len": str(self._setup.context),
            "kv_dtype": str(config.cache_config.cache_dtype),
            "kv_bytes": str(self._cache_bytes()),
            "threads": str(torch.get_num_threads()),
            "prefix_caching": "off",
        }

    def resize(self, context: int) -> None:
        """The cache is as large as it was made at loading. Raises Unsupported for a longer
        context than that."""
        if context > self._setup.context + 1:
            raise Unsupported(
                f"a context of {context} tokens, loaded for {self._setup.context}; "
                f"set the option max_len, up to what the model was made for"
            )

    def memory_report(self) -> Mapping[str, int]:
        """Bytes of the cache, all of which vLLM takes when it loads. What its kernels packed the
        weights into cannot be asked."""
        return {"kv_buffer_bytes": self._cache_bytes()}

    def _cache_bytes(self) -> int:
        cache = self._engine.engine_core.engine_core.scheduler.kv_cache_config
        return sum(int(tensor.size) for tensor in cache.kv_cache_tensors)

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text)

    def encode_special(self, text: str) -> list[int]:
        return self._tokenizer.encode_special(text)

    def decode(self, ids: Sequence[int]) -> bytes:
        return self._tokenizer.decode(ids)

    def logits(self, ids: Sequence[int], first: int = 0) -> npt.NDArray[np.float32]:
        self._check_room(len(ids))
        return self._scorer.logits(ids, first)

    def score(self, requests: Sequence[Request]) -> Iterator[TokenScores]:
        for context, continuation in requests:
            self._check_room(len(context) + len(continuation))
        return self._scorer.score(requests)

    def generate(
        self, prompts: Sequence[Sequence[int]], max_tokens: int, ignore_eos: bool, seed: int
    ) -> Iterator[tuple[int, int]]:
        for prompt in prompts:
            # The last token is sampled and never computed with.
            self._check_room(len(prompt) + max_tokens - 1)
        ends = () if ignore_eos else self._setup.end_ids
        return generate(self._requests, prompts, max_tokens, ends, seed)

    def _check_room(self, tokens: int) -> None:
        room = self._setup.context
        if tokens > room:
            raise EngineError(f"{tokens} tokens asked, the context has room for {room}")
