"""OpenAI's completions, and what servers of that API offer beyond it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar
from uuid import uuid4

from grid.backend import EngineError, Unsupported
from grid_openai.client import Client, Json
from grid_openai.description import Description
from grid_openai.dialects.dialect import NextToken, Piece, Prompt, Sampling, Usage

TEMPERATURE = 0.8
"""Used with a seed; without one (0) the most likely token is taken."""

FORCED = 100.0
"""Bias that makes a token certain to be taken; log-probabilities are those before it."""


class Completions:
    """`POST /v1/completions` of any server. Prompts are text: not every server takes ids."""

    takes_ids: ClassVar[bool] = False
    adds_bos: ClassVar[bool] = True
    scoring: ClassVar[str] = "it gives no log-probabilities of a prompt that are complete"

    def __init__(self, client: Client, description: Description) -> None:
        self._client, self._model = client, description.model

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[Piece | Usage]:
        body = self._body(prompt, sampling)
        finish, counts = "", dict[str, Any]()
        for event in self._client.events("/v1/completions", body):
            check_model(self._client, event, self._model)
            counts = event.get("usage") or counts
            for choice in event.get("choices") or ():
                finish = choice.get("finish_reason") or finish
                if piece := self._piece(choice):
                    yield piece
        if not finish:
            raise self._client.error("the stream ended before the answer was complete")
        yield Usage(finish, _whole(counts, "prompt_tokens"), _whole(counts, "completion_tokens"))

    def _body(self, prompt: Prompt, sampling: Sampling) -> Json:
        return {
            "model": self._model,
            "prompt": list(prompt.ids) if self.takes_ids else prompt.text,
            "max_tokens": sampling.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            **greedy_or_drawn(sampling),
        }

    def _piece(self, choice: Json) -> Piece | None:
        text = choice.get("text")
        if not isinstance(text, str | None):
            raise self._client.error(f"a choice whose text is none: {str(text)[:80]!r}")
        return Piece(text) if text else None

    def next_token(self, prompt: Prompt, token: int) -> NextToken:
        raise Unsupported(f"{self._client.url}: {self.scoring}")


class LlamaCppPython(Completions):
    """The server of llama-cpp-python. A bias decides the token whose log-probability it then tells:
    of a prompt's own tokens it tells shifted ones where the vocabulary adds no BOS."""

    scoring = ""

    def _body(self, prompt: Prompt, sampling: Sampling) -> Json:
        body = super()._body(prompt, sampling)
        body["repeat_penalty"] = 1.0  # its default changes what is likeliest
        if sampling.ignore_eos:
            body["logit_bias"] = {str(token): -FORCED for token in sampling.banned}
        return body

    def next_token(self, prompt: Prompt, token: int) -> NextToken:
        if not prompt.text:
            raise Unsupported(f"{self._client.url}: no log-probability of what follows BOS alone")
        body = {
            "model": self._model,
            "prompt": prompt.text,
            "max_tokens": 1,
            "temperature": 0.0,
            "repeat_penalty": 1.0,
            "logprobs": 1,
            "logit_bias": {str(token): FORCED},
        }
        answer = self._client.post("/v1/completions", body)
        try:
            usage = answer["usage"]["prompt_tokens"]
            entry = answer["choices"][0]["logprobs"]
            (log_prob,), (top,) = entry["token_logprobs"], entry["top_logprobs"]
            likeliest = max(top.values())
        except (LookupError, TypeError, ValueError, AttributeError):
            raise Unsupported(
                f"{self._client.url}: no log-probability of a token that ends a text"
                if _is_empty(answer)
                else f"{self._client.url}: log-probabilities that are incomplete"
            ) from None
        if usage != len(prompt.ids):
            raise other_tokens(self._client, usage, len(prompt.ids))
        return NextToken(log_prob, likeliest, token if log_prob >= likeliest else -1)


class LlamaServer(Completions):
    """llama-server of llama.cpp, by its own `/completion`, which takes and gives ids."""

    takes_ids = True
    adds_bos = False
    scoring = ""

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[Piece | Usage]:
        body = {
            "prompt": list(prompt.ids),
            "n_predict": sampling.max_tokens,
            "stream": True,
            "ignore_eos": sampling.ignore_eos,
            "cache_prompt": False,
            "return_tokens": True,
            **greedy_or_drawn(sampling),
        }
        for event in self._client.events("/completion", body):
            ids = event.get("tokens") or ()
            if event.get("content") or ids:
                yield Piece(str(event.get("content") or ""), tuple(ids))
            if event.get("stop"):
                yield self._usage(event)
                return
        raise self._client.error("the stream ended before the answer was complete")

    def _usage(self, event: Json) -> Usage:
        times = event.get("timings") or {}
        return Usage(
            "length" if event.get("stop_type") == "limit" else "stop",
            _whole(event, "tokens_evaluated"),
            _whole(event, "tokens_predicted"),
            _seconds(times, "prompt_ms", 1e-3),
            _seconds(times, "predicted_ms", 1e-3),
        )

    def next_token(self, prompt: Prompt, token: int) -> NextToken:
        body = {
            "prompt": list(prompt.ids),
            "n_predict": 1,
            "temperature": 0.0,
            "n_probs": 1,
            "post_sampling_probs": False,
            "cache_prompt": True,
            "logit_bias": [[token, FORCED]],
        }
        answer = self._client.post("/completion", body)
        try:
            (entry,) = answer["completion_probabilities"]
            taken, log_prob = entry["id"], float(entry["logprob"])
            likeliest = entry["top_logprobs"][0]
            top, top_log_prob = int(likeliest["id"]), float(likeliest["logprob"])
        except (LookupError, TypeError, ValueError):
            raise Unsupported(
                f"{self._client.url}: log-probabilities that are incomplete"
            ) from None
        if taken != token:
            raise Unsupported(f"{self._client.url}: it takes another token than its bias says")
        return NextToken(log_prob, top_log_prob, top)


class Vllm(Completions):
    """`vllm serve`, which takes and gives ids, and keeps no prompt of a salt that nobody else
    has."""

    takes_ids = True
    adds_bos = False
    scoring = ""

    def _body(self, prompt: Prompt, sampling: Sampling) -> Json:
        return {
            **super()._body(prompt, sampling),
            "ignore_eos": sampling.ignore_eos,
            "return_token_ids": True,
            "cache_salt": uuid4().hex,
        }

    def _piece(self, choice: Json) -> Piece | None:
        piece = super()._piece(choice)
        ids = tuple(choice.get("token_ids") or ())
        return Piece(piece.text if piece else "", ids) if ids else piece

    def next_token(self, prompt: Prompt, token: int) -> NextToken:
        body = {
            "model": self._model,
            "prompt": [*prompt.ids, token],
            "max_tokens": 1,
            "temperature": 0.0,
            "prompt_logprobs": 1,
        }
        answer = self._client.post("/v1/completions", body)
        try:
            entry = answer["choices"][0]["prompt_logprobs"][-1]
            log_probs = {
                int(token_id): float(value["logprob"]) for token_id, value in entry.items()
            }
            top = max(log_probs, key=log_probs.__getitem__)
            return NextToken(log_probs[token], log_probs[top], top)
        except (LookupError, TypeError, ValueError, AttributeError):
            raise Unsupported(
                f"{self._client.url}: log-probabilities that are incomplete"
            ) from None


def greedy_or_drawn(sampling: Sampling) -> Json:
    """Temperature and seed."""
    if sampling.seed == 0:
        return {"temperature": 0.0}
    return {"temperature": TEMPERATURE, "seed": sampling.seed}


def check_model(client: Client, event: Json, model: str) -> None:
    """Raises EngineError where an answer is of another model than was asked for; a name that is
    made more exact is the same."""
    answers = event.get("model")
    if isinstance(answers, str) and answers and answers not in model and model not in answers:
        raise client.error(f"asked for {model}, it answers as {answers}")


def other_tokens(client: Client, read: int, sent: int) -> EngineError:
    """The error where the server reads a prompt as another number of tokens."""
    return client.error(
        f"it read {read} tokens where the prompt has {sent}: its tokenizer is another than the "
        "artifact's, or it cut the prompt; name the right tokenizer, or raise its context"
    )


def _is_empty(answer: Any) -> bool:
    try:
        return not answer["choices"][0]["logprobs"]["tokens"]
    except (LookupError, TypeError):
        return False


def _whole(table: Json, name: str) -> int | None:
    value = table.get(name)
    return value if type(value) is int and value >= 0 else None


def _seconds(table: Json, name: str, unit: float) -> float | None:
    value = table.get(name)
    return value * unit if isinstance(value, int | float) and value > 0 else None
