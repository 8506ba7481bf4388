"""A served model: what a server answers, as tokens."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from grid.backend import (
    ENDPOINT_FORMAT,
    Endpoint,
    EngineError,
    Options,
    TokenScores,
    Unsupported,
    inspect_checkpoint,
    inspect_gguf,
)
from grid.backend.scoring import Request
from grid_openai.dialects.completions import (
    Completions,
    LlamaCppPython,
    LlamaServer,
    Vllm,
    other_tokens,
)
from grid_openai.dialects.dialect import Dialect, NextToken, Piece, Prompt, Sampling, Usage
from grid_openai.dialects.ollama import Ollama
from grid_openai.dialects.tgi import Tgi
from grid_openai.hosting import Attached, Hosting, Started
from grid_openai.library import package_version
from grid_openai.tokens.local import open_local
from grid_openai.tokens.remote import REMOTE, RemoteTokenizer, TextAlone
from grid_openai.tokens.tokenizer import ServedTokenizer

_DIALECTS: Mapping[str, type[Dialect]] = {
    "openai": Completions,
    "llama-cpp-python": LlamaCppPython,
    "llama-server": LlamaServer,
    "vllm": Vllm,
    "ollama": Ollama,
    "tgi": Tgi,
}


@contextmanager
def load(path: Path, device: str, options: Options) -> Iterator[ServedEngine]:
    """An engine of a server: the one that a file describes, or one that is started for a GGUF file
    or a folder and ended at the end.

    Raises OutOfMemory, Unsupported or EngineError, one line.
    """
    hosting: Hosting
    if path.suffix == f".{ENDPOINT_FORMAT}":
        hosting = Attached(path, options)
    else:
        inspection = inspect_checkpoint(path) if path.is_dir() else inspect_gguf(path)
        hosting = Started(path, inspection, device, options)
    engine: ServedEngine | None = None
    try:
        engine = ServedEngine(hosting, options)
        yield engine
    finally:
        if engine is not None:
            engine.close()
        hosting.close()


class ServedEngine:
    """Tokenizes, SpecialTokens, Scores, Generates and HasEndpoint of `grid.backend`."""

    def __init__(self, hosting: Hosting, options: Options) -> None:
        self._hosting, self._options = hosting, options
        self._tokenizer = _open_tokenizer(hosting)
        self._context = hosting.context or 2048
        self._last: Usage | None = None
        self._note = ""
        self.version = package_version()

    def close(self) -> None:
        self._tokenizer.close()

    @property
    def bos(self) -> int | None:
        return self._tokenizer.bos

    @property
    def prefix(self) -> int | None:
        return self._tokenizer.prefix

    @property
    def vocabulary(self) -> int:
        return self._tokenizer.vocabulary

    def endpoint(self) -> Endpoint:
        return self._hosting.description.endpoint

    @property
    def _dialect(self) -> Dialect:
        """Of the server as it is now: it may have been started again."""
        served = self._hosting.description
        return _DIALECTS[served.program](self._hosting.client, served)

    def environment(self) -> Mapping[str, str]:
        """The server, its own times of the last answer, and what its counts are worth."""
        served, last = self._hosting.description, self._last
        facts = {
            **{name: str(value) for name, value in self._options.items()},
            "server": f"{served.program} {served.version}".strip(),
            "served_model": served.model,
            "quant_known": "no: neither the server nor the sweep file says it"
            if served.quant == "unknown"
            else "yes",
            "context": str(self._hosting.context or "not told"),
            "tokenizer": self._tokenizer.source,
        }
        if last is not None and last.prefill_s and last.prompt_tokens:
            facts["server_prefill_tps"] = f"{last.prompt_tokens / last.prefill_s:.6g}"
        if last is not None and last.decode_s and last.completion_tokens:
            facts["server_decode_tps"] = f"{last.completion_tokens / last.decode_s:.6g}"
        if self._note:
            facts["token_counts"] = self._note
        return facts

    def resize(self, context: int) -> None:
        self._hosting.require(context)
        self._context = max(context, 1)

    def memory_report(self) -> Mapping[str, int]:
        """The memory of the server that was started, in place of this process's own."""
        return {"peak_rss_bytes": self._hosting.peak_bytes(), "baseline_rss_bytes": 0}

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text)

    def encode_special(self, text: str) -> list[int]:
        return self._tokenizer.encode_special(text)

    def decode(self, ids: Sequence[int]) -> bytes:
        return self._tokenizer.decode(ids)

    def score(self, requests: Sequence[Request]) -> Iterator[TokenScores]:
        """A request a token: servers tell the probabilities of what comes next."""
        if self._dialect.scoring:
            raise Unsupported(f"{self._hosting.client.url}: {self._dialect.scoring}")
        self._hosting.require(self._context, scoring=True)
        dialect = self._dialect
        for context, continuation in requests:
            before, log_probs, argmax = list(context), list[float](), list[int]()
            for token in continuation:
                following = self._next_token(dialect, before, token)
                log_probs.append(following.log_prob)
                argmax.append(following.top)
                before = [*before, token]
            yield TokenScores(np.array(log_probs), np.array(argmax, dtype=np.int64))

    def _next_token(self, dialect: Dialect, before: Sequence[int], token: int) -> NextToken:
        try:
            return dialect.next_token(self._prompt(before), token)
        except EngineError as error:
            raise self._hosting.explain(error) from error

    def generate(
        self, prompts: Sequence[Sequence[int]], max_tokens: int, ignore_eos: bool, seed: int
    ) -> Generator[tuple[int, int], bool | None, None]:
        """The prompts one after the other, each a request."""
        if ignore_eos and not self._tokenizer.counts:
            raise Unsupported(
                f"{self._hosting.client.url}: it has no tokenizer that can be asked, so that "
                "tokens cannot be counted; give the model's tokenizer"
            )
        for index, ids in enumerate(prompts):
            sampling = Sampling(
                max_tokens,
                ignore_eos,
                seed + index if seed else 0,
                self._tokenizer.ends,
                self._context,
            )
            tokens = self._tokens(ids, sampling)
            try:
                for token in tokens:
                    if (yield index, token):
                        break
            finally:
                tokens.close()

    def _tokens(self, ids: Sequence[int], sampling: Sampling) -> Generator[int, None, None]:
        count, prompt, usage = 0, self._prompt(ids), None
        try:
            for event in self._dialect.stream(prompt, sampling):
                if isinstance(event, Usage):
                    usage = event
                    break
                for token in self._ids_of(event):
                    count += 1
                    yield token
        except EngineError as error:
            raise self._hosting.explain(error) from error
        assert usage is not None
        self._last = usage
        self._check_counts(prompt, sampling, count, usage)

    def _ids_of(self, piece: Piece) -> Sequence[int]:
        """The server's ids, where they are the tokenizer's too; else the tokens of the text."""
        if piece.ids and self._tokenizer.counts:
            return piece.ids
        return self._tokenizer.tokens_of(piece.text) if piece.text else ()

    def _check_counts(self, prompt: Prompt, sampling: Sampling, count: int, usage: Usage) -> None:
        """Raises EngineError where tokens were timed and are not as many as the server says, or the
        prompt was read otherwise than it was sent."""
        client = self._hosting.client
        counts = self._tokenizer.counts
        if counts and usage.prompt_tokens is not None and usage.prompt_tokens > len(prompt.ids):
            raise other_tokens(client, usage.prompt_tokens, len(prompt.ids))
        if counts and usage.prompt_tokens is not None and usage.prompt_tokens < len(prompt.ids):
            if self._hosting.description.program != "ollama":
                raise other_tokens(client, usage.prompt_tokens, len(prompt.ids))
            self._note = "Ollama counts no tokens of a prompt that it still has"
        if not sampling.ignore_eos:
            return
        if usage.finish != "length":
            raise client.error(
                f"it ended its answer after {count} of {sampling.max_tokens} tokens, and cannot be "
                "asked to go on; ask for fewer tokens"
            )
        expected = (
            sampling.max_tokens if usage.completion_tokens is None else usage.completion_tokens
        )
        if count != expected or expected != sampling.max_tokens:
            raise client.error(
                f"{count} tokens arrived, it counts {expected} of {sampling.max_tokens}: times of "
                "single tokens cannot be told; is the tokenizer the model's?"
            )

    def _prompt(self, ids: Sequence[int]) -> Prompt:
        """A prompt as the server takes it. Raises Unsupported where its text is read as other
        tokens."""
        dialect, tokenizer = self._dialect, self._tokenizer
        if dialect.takes_ids and tokenizer.counts:
            return Prompt(list(ids), "")
        sent = list(ids)
        if dialect.adds_bos and tokenizer.bos is not None:
            if sent[:1] != [tokenizer.bos]:
                raise Unsupported(f"{self._hosting.client.url}: it begins every prompt with BOS")
            sent = sent[1:]
        text = tokenizer.spell(sent)
        if tokenizer.encode_special(text) != sent:
            raise Unsupported(
                f"{self._hosting.client.url}: it takes prompts as text, and the text of this "
                "prompt is read as other tokens"
            )
        return Prompt(list(ids), text)


def _open_tokenizer(hosting: Hosting) -> ServedTokenizer:
    served = hosting.description
    if served.tokenizer:
        return open_local(Path(served.tokenizer))
    if served.program in REMOTE:
        return RemoteTokenizer(hosting.client, served)
    return TextAlone(served)
