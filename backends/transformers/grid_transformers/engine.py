"""A model of transformers' kind, loaded: what `grid.backend` asks of an engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grid.backend import EngineError, Options, TokenScores, Unsupported
from grid.backend.scoring import Request
from grid_transformers.context import Context, Forward, cache_bytes
from grid_transformers.embedding import HfEncoder, embed_texts, read_pooling
from grid_transformers.failures import computing
from grid_transformers.generation import generate
from grid_transformers.library import prepare_process, release
from grid_transformers.loading import Loaded, choose_device, is_encoder, load_model
from grid_transformers.memory import tensor_bytes
from grid_transformers.packing import Packer
from grid_transformers.scoring import score
from grid_transformers.tokenizer import FolderTokenizer

_DEFAULT_CONTEXT = 2048
_DEFAULT_BATCH = 512


@contextmanager
def load(path: Path, device: str, options: Options) -> Iterator[HfEngine | HfEncoder]:
    """Load a model folder; leaving gives its memory back.

    `device` is `cpu`, `cuda`, `cuda:1` or `mps`. Raises OutOfMemory, Unsupported or EngineError
    with one line.
    """
    place = choose_device(device, options)
    if is_encoder(path):
        encoder = HfEncoder(load_model(path, place, options), path)
        try:
            yield encoder
        finally:
            encoder.close()
            release(place)
        return
    with open_engine(path, place, options, lambda: load_model(path, place, options)) as engine:
        yield engine


@contextmanager
def open_engine(
    path: Path, device: str, options: Options, make: Callable[[], Loaded]
) -> Iterator[HfEngine]:
    """An engine over the model that `make` loads from a folder; leaving gives its memory back, also
    where something fails on the way. A folder without a tokenizer fails before it is loaded."""
    prepare_process()
    tokenizer = FolderTokenizer(path)
    engine = None
    try:
        engine = HfEngine(make(), path, tokenizer, options)
        yield engine
    finally:
        if engine is not None:
            engine.close()
        release(device)


class HfEngine:
    """Tokenizes, Scores, Logits, Steps, Generates and Embeds of `grid.backend` over a causal
    language model with transformers' interface, on the device where its weights are.

    `folder` holds config.json. The environment is handed out as it is, and says it where texts are
    evaluated whole. Of `options` only `batch` is read: tokens that are evaluated at once. The cache
    grows with what it holds, so room for a context is a limit here and takes no memory of its own.
    """

    def __init__(
        self,
        loaded: Loaded,
        folder: Path,
        tokenizer: FolderTokenizer,
        options: Mapping[str, Any],
    ) -> None:
        model, self.version = loaded.model, loaded.version
        self._forward: Any = Forward(model, int(options.get("batch", _DEFAULT_BATCH)))
        self._environment = dict(loaded.environment)
        if self._forward.piece != self._forward.batch:
            self._environment["texts"] = "evaluated whole, not in pieces of batch tokens"
        self._tokenizer, self._folder = tokenizer, folder
        self._config = _text_config(model)
        self.bos = self._tokenizer.bos
        self.prefix = self._tokenizer.prefix
        self.vocabulary = _vocabulary(model, self._config)
        self._ends = _ends(folder, model)
        self._limit = getattr(self._config, "max_position_embeddings", None)
        self._room = min(_DEFAULT_CONTEXT, self._limit or _DEFAULT_CONTEXT)
        self._context = Context(self._forward)
        self._packer: Packer | None = None

    @property
    def evaluated_tokens(self) -> int:
        """Tokens that the model has evaluated since it was loaded, padding left out."""
        return int(self._forward.evaluated)

    def close(self) -> None:
        """Let go of the model and its cache; the engine is of no use afterwards."""
        del self._context
        self._forward = self._packer = None

    def environment(self) -> Mapping[str, str]:
        return self._environment

    def resize(self, context: int) -> None:
        """Make room for `context` tokens. Raises Unsupported beyond the model's own limit."""
        if self._limit and context > self._limit:
            raise Unsupported(
                f"{context} tokens of context asked, the model is made for {self._limit}"
            )
        self._room = max(context, 1)
        self.reset()

    def memory_report(self) -> Mapping[str, int]:
        """Bytes of the weights' tensors, and of the cache's for the tokens held now."""
        return {
            "model_buffer_bytes": tensor_bytes(self._forward.model),
            "kv_buffer_bytes": cache_bytes(self._context.cache),
        }

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text)

    def encode_special(self, text: str) -> list[int]:
        return self._tokenizer.encode_special(text)

    @property
    def pooling(self) -> str:
        return read_pooling(self._folder)

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        headless, tokenizer = self._forward.model.base_model, self._tokenizer.library
        self.reset()
        return embed_texts(headless, tokenizer, texts, self.pooling, self._limit)

    def decode(self, ids: Sequence[int]) -> bytes:
        """The tokens' own bytes; control tokens and ids that name no token have none."""
        return self._tokenizer.decode(ids)

    def logits(self, ids: Sequence[int], first: int = 0) -> npt.NDArray[np.float32]:
        self._check_room(len(ids))
        self.reset()
        rows: npt.NDArray[np.float32] = self._forward.append(ids, self._forward.cache(), first)
        return rows

    def score(self, requests: Sequence[Request]) -> Iterator[TokenScores]:
        for context, continuation in requests:
            self._check_room(len(context) + len(continuation) - 1)
        self.reset()
        with computing("scoring"):
            if self._packer is None:
                self._packer = Packer(self._forward)
            yield from score(self._forward, self._packer, requests)

    def reset(self) -> None:
        self._context = Context(self._forward)

    def truncate(self, tokens: int) -> None:
        with computing("cutting the context back"):
            self._context.truncate(tokens)

    def prefill(self, ids: Sequence[int]) -> None:
        self._check_room(len(self._context.ids) + len(ids))
        self._context.append(ids)

    def step(self, token: int) -> None:
        self._check_room(len(self._context.ids) + 1)
        self._context.append((token,))

    def generate(
        self, prompts: Sequence[Sequence[int]], max_tokens: int, ignore_eos: bool, seed: int
    ) -> Iterator[tuple[int, int]]:
        for prompt in prompts:
            self._check_room(len(prompt) + max_tokens)
        self.reset()
        ends = frozenset[int]() if ignore_eos else self._ends
        with computing("generation"):
            yield from generate(self._forward, prompts, max_tokens, ends, seed)

    def _check_room(self, tokens: int) -> None:
        if tokens > self._room:
            raise EngineError(f"{tokens} tokens asked, the context has room for {self._room}")


def _text_config(model: Any) -> Any:
    """The language model's part of a configuration."""
    config = model.config
    return config.get_text_config(decoder=True) if hasattr(config, "get_text_config") else config


def _vocabulary(model: Any, config: Any) -> int:
    """Width of the logits; the configuration says it where the head is packed."""
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    width = getattr(head, "out_features", None)
    return int(config.vocab_size if width is None else width)


def _ends(folder: Path, model: Any) -> frozenset[int]:
    """Ids that end a text: generation_config.json's, which list all of them, else config.json's."""
    path = folder / "generation_config.json"
    declared: Any = None
    if path.is_file():
        try:
            declared = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")
        except (OSError, ValueError, AttributeError) as error:
            raise EngineError(f"{path}: cannot be read ({error})") from error
    if declared is None:
        declared = getattr(_text_config(model), "eos_token_id", None)
    return frozenset(
        declared if isinstance(declared, list) else [] if declared is None else [declared]
    )
