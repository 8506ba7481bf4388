"""A checkpoint loaded in MLX by mlx-lm's model classes."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from grid_transformers.tokenizer import FolderTokenizer

from grid.backend import EngineError, Options, TokenScores, Unsupported
from grid.backend.scoring import Request
from grid_mlx import library
from grid_mlx.context import Cache, Forward, cache_bytes
from grid_mlx.failures import evaluating
from grid_mlx.generation import generate
from grid_mlx.loading import Loaded, read
from grid_mlx.memory import padded_tokens, reserve
from grid_mlx.scoring import score, to_host

_DEFAULT_CONTEXT = 256


@contextmanager
def load(path: Path, device: str, options: Options) -> Iterator[MlxEngine]:
    """Load a checkpoint folder; leaving frees the model, its caches and MLX's buffers.

    `device` is `cpu`, or Apple's GPU under `metal` or `gpu`. Raises OutOfMemory, Unsupported or
    EngineError with mlx-lm's own reason.
    """
    used = library.use_device(device)
    if used == "cpu" and options["device"] != "cpu":
        raise Unsupported("the options ask for an accelerator, the node gave the CPU")
    engine = MlxEngine(path, used, options)
    try:
        yield engine
    finally:
        engine.close()


class MlxEngine:
    """Tokenizes, Scores, Logits, Steps and Generates of `grid.backend`.

    Steps go on in one cache; logits, scores and generation use caches of their own. Caches grow
    as tokens come, in steps of 256.
    """

    def __init__(self, path: Path, device: str, options: Options) -> None:
        self._device, self._options, self._tokens = device, options, _DEFAULT_CONTEXT
        self._tokenizer = FolderTokenizer(path)
        self.bos = self._tokenizer.bos
        self.prefix = self._tokenizer.prefix
        self.version = library.versions()
        with evaluating(f"{path.name} does not load"):
            self._mx = library.core()
            self._mx.reset_peak_memory()
            self._loaded: Loaded | None = read(path, str(options["dtype"]))
            self._forward: Forward | None = Forward(self._loaded.model, options)
            self._cache: Cache = self._forward.cache()
            self._ids: list[int] = []
            logits = self._model([[0]], self._model.cache())
        self.vocabulary, self._dtype = int(logits.shape[-1]), library.type_name(logits)
        self._wired = self._wire()

    @property
    def evaluated_tokens(self) -> int:
        """Tokens that the model has evaluated since it was loaded, padding left out."""
        return self._model.evaluated

    def close(self) -> None:
        self._forward = self._loaded = None
        self._cache, self._ids = [], []
        if self._wired is not None:
            self._mx.set_wired_limit(self._wired)
        gc.collect()  # mlx-lm's modules refer to each other
        self._mx.clear_cache()

    def environment(self) -> Mapping[str, str]:
        """What computed: device, kernels, the type of activations, how weights are kept, and what a
        prompt is timed with. The option `device` gives way to the device itself."""
        return {
            **{name: str(value) for name, value in self._options.items()},
            "engine": self.version,
            "device": self._device,
            "kernels": library.kernels(self._device),
            "activations": self._dtype,
            "weights": self._loaded_model.weights,
            "model": self._loaded_model.kind,
            "prefill": "all tokens but the last without logits, then the last one with them",
        }

    def resize(self, context: int) -> None:
        """Make room for `context` tokens at once. Raises OutOfMemory where there is none."""
        self._tokens = max(context, 1)
        with evaluating(f"no context of {context} tokens"):
            self.reset()
            reserve(
                self._cache_size(padded_tokens(self._tokens)), f"no context of {context} tokens"
            )

    def memory_report(self) -> Mapping[str, int]:
        """Bytes of the steps' cache, and MLX's own count of what it holds and held at most since
        the model was loaded."""
        return {
            "kv_buffer_bytes": cache_bytes(self._cache),
            "active_buffer_bytes": int(self._mx.get_active_memory()),
            "peak_buffer_bytes": int(self._mx.get_peak_memory()),
        }

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text)

    def encode_special(self, text: str) -> list[int]:
        return self._tokenizer.encode_special(text)

    def decode(self, ids: Sequence[int]) -> bytes:
        """The tokens' own bytes, one after the other; control tokens have none."""
        return self._tokenizer.decode(ids)

    def logits(self, ids: Sequence[int], first: int = 0) -> npt.NDArray[np.float32]:
        self._check_room(len(ids))
        model, rows, start = self._model, [], 0
        cache = model.cache()
        with self._evaluating():
            for part in model.pieces(ids):
                out = model([part], cache)[0, max(0, first - start) :]
                rows.append(to_host(model, out, cache))
                start += len(part)
        return np.concatenate(rows)

    def score(self, requests: Sequence[Request]) -> Iterator[TokenScores]:
        self._check_room(
            max((len(c) + len(continuation) - 1 for c, continuation in requests), default=0)
        )
        with self._evaluating():
            yield from score(self._model, requests)

    def reset(self) -> None:
        self._cache, self._ids = self._model.cache(), []

    def truncate(self, tokens: int) -> None:
        """Layers that cannot give tokens up (recurrent ones, full windows) are filled again."""
        dropped = len(self._ids) - tokens
        if dropped <= 0:
            return
        remaining = self._ids[:tokens]
        if not self._model.cut(self._cache, dropped):
            self.reset()
            with self._evaluating():
                self._model.fill(remaining, self._cache)
        self._ids = remaining

    def prefill(self, ids: Sequence[int]) -> None:
        """As mlx-lm takes a prompt, in one evaluation more than the contract names: all but its
        last token for keys and values only, the last one for the logits after it. MLX would else
        compute the head for every token, which no user of it does; `environment` says so."""
        self._check_room(len(self._ids) + len(ids))
        with self._evaluating():
            self._model.fill(ids[:-1], self._cache)
        self._ids += ids[:-1]
        self.step(ids[-1])

    def step(self, token: int) -> None:
        self._check_room(len(self._ids) + 1)
        with self._evaluating():
            self._model.evaluate(self._cache, self._model([[token]], self._cache))
        self._ids.append(token)

    def generate(
        self, prompts: Sequence[Sequence[int]], max_tokens: int, ignore_eos: bool, seed: int
    ) -> Iterator[tuple[int, int]]:
        self._check_room(max(map(len, prompts)) + max_tokens)
        ends: Collection[int] = () if ignore_eos else self._loaded_model.ends
        with self._evaluating():
            yield from generate(self._model, prompts, max_tokens, ends, seed)

    @property
    def _loaded_model(self) -> Loaded:
        if self._loaded is None:
            raise EngineError("the model was closed")
        return self._loaded

    @property
    def _model(self) -> Forward:
        if self._forward is None:
            raise EngineError("the model was closed")
        return self._forward

    def _cache_size(self, cells: int) -> int:
        """Bytes of a cache of `cells` tokens, from the shapes a lazy evaluation would give it."""
        model = self._model
        cache, piece = model.cache(), min(cells, self._model.batch)
        model([[0] * piece], cache)
        growing = [layer for layer in cache if model.grows(layer)]
        fixed = cache_bytes(cache) - cache_bytes(growing)
        return fixed + cache_bytes(growing) * cells // padded_tokens(piece)

    def _check_room(self, tokens: int) -> None:
        if tokens > self._tokens:
            raise EngineError(f"{tokens} tokens asked, the context has room for {self._tokens}")

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        with evaluating("evaluation failed"):
            yield

    def _wire(self) -> int | None:
        """Let the GPU keep the weights resident, as mlx-lm does; the limit that was set before."""
        if self._device != "metal":
            return None
        previous: int | None = library.language_models().maybe_set_recommended_wired_limit()
        return previous
