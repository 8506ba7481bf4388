"""`/generate_stream` of Hugging Face's text-generation-inference, a token an event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from grid.backend import Unsupported
from grid_openai.client import Client, Json
from grid_openai.description import Description
from grid_openai.dialects.completions import TEMPERATURE
from grid_openai.dialects.dialect import NextToken, Piece, Prompt, Sampling, Usage


class Tgi:
    """Prompts are text, to which TGI adds the model's special tokens; answers have ids."""

    takes_ids: ClassVar[bool] = False
    adds_bos: ClassVar[bool] = True
    scoring: ClassVar[str] = "TGI does not say which token of a prompt is the likeliest"

    def __init__(self, client: Client, description: Description) -> None:
        self._client = client

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[Piece | Usage]:
        parameters: Json = {"max_new_tokens": sampling.max_tokens, "details": True}
        if sampling.seed:
            parameters |= {"do_sample": True, "temperature": TEMPERATURE, "seed": sampling.seed}
        body = {"inputs": prompt.text, "parameters": parameters}
        for event in self._client.events("/generate_stream", body):
            token = event.get("token")
            if not isinstance(token, dict) or type(token.get("id")) is not int:
                raise self._client.error(f"an event without a token: {str(event)[:80]!r}")
            text = "" if token.get("special") else str(token.get("text", ""))
            yield Piece(text, (token["id"],))
            details = event.get("details")
            if event.get("generated_text") is not None or details:
                facts = details if isinstance(details, dict) else {}
                finish = "length" if facts.get("finish_reason") == "length" else "stop"
                yield Usage(finish, facts.get("input_length"), facts.get("generated_tokens"))
                return
        raise self._client.error("the stream ended before the answer was complete")

    def next_token(self, prompt: Prompt, token: int) -> NextToken:
        raise Unsupported(f"{self._client.url}: {self.scoring}")
