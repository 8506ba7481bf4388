"""Ollama's own `/api/generate`, with its counts and times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from grid.backend import Unsupported
from grid_openai.client import Client
from grid_openai.description import Description
from grid_openai.dialects.completions import check_model, greedy_or_drawn
from grid_openai.dialects.dialect import NextToken, Piece, Prompt, Sampling, Usage

KEEP_ALIVE = "10m"
"""How long Ollama keeps a model loaded after a request: longer than between two of a sweep."""

_NS = 1e-9


class Ollama:
    """Raw prompts, to which Ollama adds nothing but BOS; `num_ctx` is the context asked for."""

    takes_ids: ClassVar[bool] = False
    adds_bos: ClassVar[bool] = True
    scoring: ClassVar[str] = "Ollama gives no log-probabilities of a prompt's tokens"

    def __init__(self, client: Client, description: Description) -> None:
        self._client, self._model = client, description.model

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[Piece | Usage]:
        body = {
            "model": self._model,
            "prompt": prompt.text,
            "raw": True,
            "stream": True,
            "keep_alive": KEEP_ALIVE,
            "options": {
                "num_predict": sampling.max_tokens,
                "num_ctx": sampling.context,
                "repeat_penalty": 1.0,
                **greedy_or_drawn(sampling),
            },
        }
        for event in self._client.events("/api/generate", body):
            check_model(self._client, event, self._model)
            if text := event.get("response"):
                yield Piece(str(text))
            if event.get("done"):
                yield Usage(
                    "length" if event.get("done_reason") == "length" else "stop",
                    event.get("prompt_eval_count"),
                    event.get("eval_count"),
                    _seconds(event.get("prompt_eval_duration")),
                    _seconds(event.get("eval_duration")),
                )
                return
        raise self._client.error("the stream ended before the answer was complete")

    def next_token(self, prompt: Prompt, token: int) -> NextToken:
        raise Unsupported(f"{self._client.url}: {self.scoring}")


def _seconds(nanoseconds: object) -> float | None:
    return nanoseconds * _NS if isinstance(nanoseconds, int) and nanoseconds > 0 else None
