"""Speculative decoding: tokens are guessed, and the model checks several in one evaluation.

Greedy: a guess counts where it is the model's own most likely token, so that the text is that of
plain greedy decoding, up to the rounding of evaluations of another size. Guesses come from a
smaller model (Leviathan et al. 2023, arXiv:2211.17192), or from the last place in the text where
its last tokens stood before (prompt lookup).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Protocol

from grid.backend import EngineError, Options, SpeculationCounts, Unsupported
from grid_llamacpp.context import Context
from grid_llamacpp.library import Library

DRAFT_TOKENS = 4
"""Guesses a step, where the options do not say."""


class Guesser(Protocol):
    """Guesses what comes after a text; `close` gives its memory back."""

    def guess(self, ids: Sequence[int], most: int) -> list[int]: ...

    def buffers(self) -> int:
        """Bytes that it holds."""
        ...

    def close(self) -> None: ...


class PromptLookup:
    """The continuation of the last place where the last tokens, at most `longest`, stood before."""

    def __init__(self, longest: int) -> None:
        self._longest = longest

    def guess(self, ids: Sequence[int], most: int) -> list[int]:
        ids = list(ids)
        for length in range(min(self._longest, len(ids) - 1), 0, -1):
            tail = ids[-length:]
            for start in range(len(ids) - length - 1, -1, -1):
                if ids[start : start + length] == tail:
                    return ids[start + length : start + length + most]
        return []

    def buffers(self) -> int:
        return 0

    def close(self) -> None:
        pass


class DraftModel:
    """A smaller model of the same vocabulary, which writes its own greedy continuation.

    Raises Unsupported where its vocabulary differs from that of `vocabulary`, or its state cannot
    be cut back; EngineError where it does not load.
    """

    def __init__(self, library: Library, path: Path, parameters: Any, vocabulary: Any) -> None:
        self._library, self._api = library, library.api
        if not path.is_file():
            raise EngineError(f"draft {path} is not there; name a GGUF file on this machine")
        mark = library.log.mark()
        self._model = self._api.llama_model_load_from_file(str(path).encode(), parameters)
        if not self._model:
            raise library.error(f"draft {path.name} does not load", mark)
        self._context: Context | None = None
        self._ids: list[int] = []
        self._bytes = int(self._api.llama_model_size(self._model))
        try:
            refuse_other_vocabulary(self._api, path.name, self._model, vocabulary)
            refuse_kept_state(self._api, self._model, f"draft {path.name}")
        except Unsupported:
            self.close()
            raise

    def make_room(self, tokens: int, options: Options) -> None:
        """Make room for a text of `tokens` tokens."""
        if self._context is not None:
            if self._context.cells >= tokens:
                return
            self._context.close()
        self._context, self._ids = Context(self._library, self._model, options, tokens, 1), []

    def guess(self, ids: Sequence[int], most: int) -> list[int]:
        context = self._context
        assert context is not None
        same = 0
        for mine, theirs in zip(self._ids, ids, strict=False):
            if mine != theirs:
                break
            same += 1
        same = min(same, len(ids) - 1)  # the last one is evaluated in any case, for its logits
        context.forget(0, same)
        rows = context.append(ids[same:], same, len(ids) - same - 1)
        guesses = [int(rows[-1][-1].argmax())]
        while len(guesses) < most:
            (row,) = context.append(guesses[-1:], len(ids) + len(guesses) - 1, 0)
            guesses.append(int(row[0].argmax()))
        self._ids = [*ids, *guesses[:-1]]
        return guesses

    def buffers(self) -> int:
        held = sum(self._context.buffers.values()) if self._context else 0
        return self._bytes + held

    def close(self) -> None:
        if self._context is not None:
            self._context.close()
            self._context = None
        if self._model:
            self._api.llama_model_free(self._model)
            self._model = None


class Speculation:
    """Greedy generation in which `guesser` guesses up to `most` tokens a step; counts them."""

    def __init__(self, guesser: Guesser, most: int) -> None:
        self.guesser, self._most = guesser, most
        self.drafted = self.accepted = self.steps = 0

    @property
    def counts(self) -> SpeculationCounts:
        return SpeculationCounts(self.drafted, self.accepted, self.steps)

    def generate(
        self,
        api: Any,
        vocabulary: Any,
        context: Context,
        prompt: Sequence[int],
        max_tokens: int,
        ignore_eos: bool,
    ) -> Generator[tuple[int, int], bool | None, None]:
        """As `generation.generate` of one prompt, without a seed."""
        context.clear()
        rows = context.append(prompt, 0, len(prompt) - 1)
        ids = [*prompt, int(rows[-1][-1].argmax())]
        done = 1
        if self._is_over((yield 0, ids[-1]), api, vocabulary, ids[-1], ignore_eos):
            return
        while done < max_tokens:
            # the step itself gives one token beyond the guesses that hold
            room = min(self._most, max_tokens - done - 1)
            guesses = self.guesser.guess(ids, room)[:room] if room else []
            position = len(ids) - 1
            context.batch.clear()
            context.batch.add([ids[-1], *guesses], position, (0,), 0)
            best = context.evaluate().argmax(axis=1).tolist()
            accepted = 0
            while accepted < len(guesses) and guesses[accepted] == best[accepted]:
                accepted += 1
            self.drafted += len(guesses)
            self.accepted += accepted
            self.steps += 1
            if accepted < len(guesses):
                context.forget(0, position + 1 + accepted)
            for token in best[: accepted + 1]:
                ids.append(token)
                done += 1
                if self._is_over((yield 0, token), api, vocabulary, token, ignore_eos):
                    return

    @staticmethod
    def _is_over(
        stopped: bool | None, api: Any, vocabulary: Any, token: int, ignore_eos: bool
    ) -> bool:
        return bool(stopped or (not ignore_eos and api.llama_vocab_is_eog(vocabulary, token)))


def refuse_other_vocabulary(api: Any, name: str, draft: Any, vocabulary: Any) -> None:
    """Raise Unsupported unless each id is the same token in both."""
    of_draft = api.llama_model_get_vocab(draft)
    size, wanted = (int(api.llama_vocab_n_tokens(v)) for v in (of_draft, vocabulary))
    if size != wanted:
        raise Unsupported(
            f"draft {name} has a vocabulary of {size} tokens, the model one of {wanted}; "
            "take a draft of the model's own family"
        )
    for token in range(size):
        mine, theirs = (api.llama_vocab_get_text(v, token) for v in (vocabulary, of_draft))
        if mine != theirs:
            raise Unsupported(
                f"draft {name} has another vocabulary (token {token} differs); "
                "take a draft of the model's own family"
            )


def refuse_kept_state(api: Any, model: Any, what: str) -> None:
    """Raise Unsupported for recurrent layers, whose state cannot be cut back to before a guess."""
    if api.llama_model_is_recurrent(model) or api.llama_model_is_hybrid(model):
        raise Unsupported(
            f"{what} keeps a state that cannot be cut back: no speculative decoding with it"
        )
