"""A GGUF model loaded in llama.cpp."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grid.backend import EngineError, Options, SpeculationCounts, TokenScores, Unsupported
from grid.backend.scoring import Request
from grid_llamacpp.context import Context
from grid_llamacpp.devices import place_on_cards
from grid_llamacpp.embedding import TextEmbedder
from grid_llamacpp.generation import generate
from grid_llamacpp.library import Library, library
from grid_llamacpp.matrix.collector import ActivationCollector
from grid_llamacpp.matrix.importance import ImportanceMatrix
from grid_llamacpp.memory import SCORED_TOKENS, buffers, weight_buffers
from grid_llamacpp.overrides import (
    TensorOverride,
    native_overrides,
    overrides_of,
    refuse_unused,
)
from grid_llamacpp.scoring import score
from grid_llamacpp.speculative import (
    DRAFT_TOKENS,
    DraftModel,
    Guesser,
    PromptLookup,
    Speculation,
    refuse_kept_state,
)

_SEQUENCES = 64
_DEFAULT_CONTEXT = 256
_MMAP, _READ = 1, 0


@contextmanager
def load(path: Path, device: str, options: Options) -> Iterator[LlamaEngine]:
    """Load a model; leaving frees model and contexts.

    `device` is `cpu`, or an accelerator whose number may follow a colon (`cuda:1`).
    Raises OutOfMemory, Unsupported or EngineError with llama.cpp's own reason.
    """
    engine = LlamaEngine(library(), path, device, options)
    try:
        yield engine
    finally:
        engine.close()


class LlamaEngine:
    """Tokenizes, Scores, Logits, Steps, Generates and Embeds of `grid.backend`.

    Holds one context at a time: a single sequence for logits and steps, or a packed one of many
    sequences for scoring and for several prompts; asking for the other kind replaces it.
    """

    def __init__(self, linked: Library, path: Path, device: str, options: Options) -> None:
        self._library, self._api, self._options = linked, linked.api, options
        self._tokens = _DEFAULT_CONTEXT
        self._context: Context | None = None
        self._position = 0
        self._speculation: Speculation | None = None
        mark = linked.log.mark()
        overrides = overrides_of(options)
        self._overrides = native_overrides(linked, overrides)
        self._model = self._api.llama_model_load_from_file(
            str(path).encode(), self._model_parameters(device)
        )
        if not self._model:
            raise linked.error(f"{path.name} does not load", mark)
        lines = linked.log.since(mark)
        self._model_buffers, self._places = buffers(lines), weight_buffers(lines)
        if overrides:
            self._refuse_unused(overrides, lines)
        self._vocabulary = self._api.llama_model_get_vocab(self._model)
        self.vocabulary = int(self._api.llama_vocab_n_tokens(self._vocabulary))
        self.bos = self._bos()
        self.prefix = self._prefix()
        self._evaluated = 0
        self.pooling = ""
        self.version = linked.version
        self._speculation = self._speculate(device)

    def _speculate(self, device: str) -> Speculation | None:
        """What guesses tokens, as the options say. Raises Unsupported or EngineError, the model
        given back."""
        draft, ngram = (self._options.get(name) for name in ("draft", "ngram"))
        if not draft and not ngram:
            return None
        guesser: Guesser
        try:
            refuse_kept_state(self._api, self._model, "this model")
            if draft:
                parameters = self._model_parameters(device, with_overrides=False)
                path = Path(str(draft))
                guesser = DraftModel(self._library, path, parameters, self._vocabulary)
            else:
                guesser = PromptLookup(int(ngram or 0))
        except (Unsupported, EngineError):
            self.close()
            raise
        return Speculation(guesser, int(self._options.get("draft_tokens") or DRAFT_TOKENS))

    @property
    def speculation(self) -> SpeculationCounts | None:
        """Tokens guessed, accepted, and steps since loading; None without guesses."""
        return None if self._speculation is None else self._speculation.counts

    def _model_parameters(self, device: str, with_overrides: bool = True) -> Any:
        parameters = self._api.llama_model_default_params()
        kind, _, number = device.partition(":")
        parameters.n_gpu_layers = 0 if kind == "cpu" else int(self._options["gpu_layers"])
        parameters.main_gpu = int(number) if number.isdigit() else 0
        self._shares = place_on_cards(self._library, parameters, self._options)
        parameters.load_mode = _MMAP if self._options["mmap"] else _READ
        if with_overrides and self._overrides is not None:
            parameters.tensor_buft_overrides = ctypes.addressof(self._overrides)
        return parameters

    def _refuse_unused(self, overrides: Sequence[TensorOverride], lines: Sequence[str]) -> None:
        try:
            refuse_unused(overrides, lines)
        except Unsupported:
            self.close()
            raise

    def _bos(self) -> int | None:
        token = int(self._api.llama_vocab_bos(self._vocabulary))
        return token if token >= 0 and self._api.llama_vocab_get_add_bos(self._vocabulary) else None

    def _prefix(self) -> int | None:
        api = self._api
        tokens = (api.llama_vocab_bos(self._vocabulary), api.llama_vocab_eos(self._vocabulary))
        return next((int(token) for token in tokens if token >= 0), None)

    def close(self) -> None:
        self._drop()
        if self._speculation is not None:
            self._speculation.guesser.close()
            self._speculation = None
        if self._model:
            self._api.llama_model_free(self._model)
            self._model = None

    def environment(self) -> Mapping[str, str]:
        """Build, kernels, threads, batch sizes and cache types behind every number."""
        single = self._single()
        description = ctypes.create_string_buffer(256)
        self._api.llama_model_desc(self._model, description, len(description))
        return {
            "engine": self.version,
            "features": self._library.features,
            "model": description.value.decode(errors="replace"),
            "kernels": "CPU kernels quantize activations to 8 bits for quantized weights",
            "flash_attention": single.flash_attention,
            "context_cells": str(single.cells),
            "weight_buffers": ", ".join(f"{name} {size}" for name, size in self._places.items()),
            **{
                name: str(value)
                for name, value in self._options.items()
                if name != "flash_attention"
            },
        }

    def resize(self, context: int) -> None:
        """Make room for `context` tokens at once. Raises OutOfMemory where there is none."""
        self._drop()
        self._tokens = max(context, 1)
        self._single()
        self._make_room_for_draft()

    def _make_room_for_draft(self) -> None:
        if self._speculation and isinstance(self._speculation.guesser, DraftModel):
            self._speculation.guesser.make_room(self._single().cells, self._options)

    def memory_report(self) -> Mapping[str, int]:
        """Bytes of the engine's buffers, each as its log rounds it, to 0.01 MiB."""
        draft = self._speculation.guesser.buffers() if self._speculation else 0
        return {
            **self._model_buffers,
            **(self._context.buffers if self._context else {}),
            **({"draft_buffer_bytes": draft} if draft else {}),
        }

    @property
    def evaluated_tokens(self) -> int:
        """Tokens that the model has evaluated since it was loaded."""
        return self._evaluated + (self._context.evaluated if self._context else 0)

    def _drop(self) -> None:
        if self._context:
            self._evaluated += self._context.evaluated
            self._context.close()
        self._context, self._position = None, 0

    def _context_for(self, tokens: int, sequences: int) -> Context:
        """The context, made anew if the one at hand is of another kind or too short."""
        current = self._context
        if current and current.sequences == sequences and current.cells >= tokens:
            return current
        self._drop()
        self._context = Context(self._library, self._model, self._options, tokens, sequences)
        return self._context

    def _single(self) -> Context:
        return self._context_for(self._tokens, 1)

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self._drop()
        ids = [self._tokenize(text, special=False, whole=True) for text in texts]
        longest, limit = max(map(len, ids)), self._api.llama_model_n_ctx_train(self._model)
        if longest > limit:
            raise Unsupported(f"a text of {longest} tokens; the model reads {limit}")
        embedder = TextEmbedder(self._library, self._model, self._options, longest)
        try:
            self.pooling = embedder.pooling
            return embedder.embed(ids)
        finally:
            self._evaluated += embedder.evaluated
            embedder.close()

    def importance(self, pieces: Sequence[Sequence[int]]) -> ImportanceMatrix:
        """The importance matrix of pieces of a text, all of one length: what each of the weights
        multiplies, squared and summed. Raises EngineError where it cannot be taken."""
        self._drop()
        at_once = max(1, int(self._options["batch"]) // len(pieces[0]))
        collector = ActivationCollector(self._library)
        context = Context(
            self._library,
            self._model,
            self._options,
            at_once * len(pieces[0]),
            at_once,
            on_tensor=collector.callback,
        )
        try:
            for first in range(0, len(pieces), at_once):
                context.clear()
                context.batch.clear()
                for sequence, ids in enumerate(pieces[first : first + at_once]):
                    context.batch.add(ids, 0, (sequence,), 0)
                try:
                    context.decode()
                finally:
                    collector.check()
        finally:
            self._evaluated += context.evaluated
            context.close()
        return collector.matrix()

    def encode(self, text: str) -> list[int]:
        return self._tokenize(text, special=False)

    def encode_special(self, text: str) -> list[int]:
        return self._tokenize(text, special=True)

    def _tokenize(self, text: str, special: bool, whole: bool = False) -> list[int]:
        """Ids; `special` parses special tokens, `whole` adds those around a text."""
        raw = text.encode()
        room = len(raw) + 8
        while True:
            out = (ctypes.c_int32 * room)()
            count = self._api.llama_tokenize(
                self._vocabulary, raw, len(raw), out, room, whole, special
            )
            if count >= 0:
                return list(out[:count])
            room = -count

    def decode(self, ids: Sequence[int]) -> bytes:
        """The tokens' own bytes, one after the other; control tokens have none.

        decode(a + b) == decode(a) + decode(b), so a space that the vocabulary puts before a text
        stays in it.
        """
        return b"".join(self._piece(token) for token in ids)

    def _piece(self, token: int) -> bytes:
        room = 64
        while True:
            out = ctypes.create_string_buffer(room)
            count = self._api.llama_token_to_piece(self._vocabulary, token, out, room, 0, False)
            if count >= 0:
                return out.raw[:count]
            room = -count

    def logits(self, ids: Sequence[int], first: int = 0) -> npt.NDArray[np.float32]:
        context = self._single()
        self._check_room(len(ids), context)
        context.clear()
        rows = context.append(ids, 0, first)
        self._position = len(ids)
        return rows[0] if len(rows) == 1 else np.concatenate(rows)

    def score(self, requests: Sequence[Request]) -> Iterator[TokenScores]:
        shares = not self._keeps_state()
        sequences = _SEQUENCES if shares else 1
        needed = max(self._tokens, SCORED_TOKENS if shares else 0)
        context = self._context_for(needed, sequences)
        at_once = min(int(self._options["ubatch"]), context.batch.size)
        yield from score(context, requests, at_once, shares)
        self._position = 0

    def _keeps_state(self) -> bool:
        """True for recurrent layers, whose state cannot be shared between sequences."""
        recurrent = self._api.llama_model_is_recurrent(self._model)
        return bool(recurrent or self._api.llama_model_is_hybrid(self._model))

    def reset(self) -> None:
        self._single().clear()
        self._position = 0

    def truncate(self, tokens: int) -> None:
        if tokens < self._position:
            self._single().forget(0, tokens)
            self._position = tokens

    def prefill(self, ids: Sequence[int]) -> None:
        context = self._steps(len(ids))
        context.append(ids, self._position, len(ids) - 1)
        self._position += len(ids)

    def step(self, token: int) -> None:
        context = self._steps(1)
        context.batch.clear()
        context.batch.add((token,), self._position, (0,), 0)
        context.evaluate()
        self._position += 1

    def _steps(self, tokens: int) -> Context:
        context = self._single()
        self._check_room(self._position + tokens, context)
        return context

    def _check_room(self, tokens: int, context: Context) -> None:
        if tokens > context.cells:
            raise EngineError(f"{tokens} tokens asked, the context has room for {context.cells}")

    def generate(
        self, prompts: Sequence[Sequence[int]], max_tokens: int, ignore_eos: bool, seed: int
    ) -> Iterator[tuple[int, int]]:
        context = self._single()
        if len(prompts) > 1:
            total = sum(len(prompt) + max_tokens for prompt in prompts)
            context = self._context_for(max(total, self._tokens), len(prompts))
        else:
            self._check_room(len(prompts[0]) + max_tokens, context)
        self._position = 0
        if self._speculation is not None and len(prompts) == 1 and seed == 0:
            self._make_room_for_draft()
            yield from self._speculation.generate(
                self._api, self._vocabulary, context, prompts[0], max_tokens, ignore_eos
            )
            context.clear()
            return
        yield from generate(
            self._api, self._vocabulary, context, prompts, max_tokens, ignore_eos, seed
        )
        context.clear()
