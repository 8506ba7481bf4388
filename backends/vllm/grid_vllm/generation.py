"""Streaming generation by vLLM's own loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from grid_vllm.context import GREEDY, Requests
from grid_vllm.failures import computing

TEMPERATURE = 0.8
"""Used with a seed; without one (0) the most likely token is taken."""


def generate(
    requests: Requests,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    ends: Sequence[int],
    seed: int,
) -> Iterator[tuple[int, int]]:
    """Yields (index of the prompt, token) as each step ends; one of `ends`, which end a text, is
    yielded as well."""
    how: dict[str, Any] = {"temperature": TEMPERATURE, "seed": seed} if seed else GREEDY
    how = {**how, "max_tokens": max_tokens, "stop_token_ids": list(ends)}
    with requests.open(prompts, **how) as names:
        while requests.engine.has_unfinished_requests():
            with computing("generation"):
                outputs = requests.engine.step()
            for output in outputs:
                for token in output.outputs[0].token_ids:
                    yield names[output.request_id], int(token)
