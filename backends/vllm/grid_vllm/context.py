"""Requests that are in vLLM's engine: all that it holds in its context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

from grid_vllm.failures import computing

GREEDY: dict[str, Any] = {"temperature": 0.0, "max_tokens": 1}


class Requests:
    """Feeds a loaded `vllm.LLMEngine`; what it was asked is forgotten when a call ends."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self._numbers = count()

    @contextmanager
    def open(self, prompts: Sequence[Sequence[int]], **how: Any) -> Iterator[Mapping[str, int]]:
        """Add prompts to the engine; gives the names of their requests -> the prompts' indices.
        What is unfinished at the end leaves. `how` are vLLM's sampling parameters."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        names: dict[str, int] = {}
        seed = how.pop("seed", None)
        try:
            with computing("a request"):
                for index, prompt in enumerate(prompts):
                    name = str(next(self._numbers))
                    parameters = SamplingParams(
                        ignore_eos=True,
                        detokenize=False,
                        flat_logprobs=True,
                        output_kind=RequestOutputKind.DELTA,
                        seed=None if seed is None else seed + index,
                        **how,
                    )
                    content = {"prompt_token_ids": [int(token) for token in prompt]}
                    self.engine.add_request(name, content, parameters)
                    names[name] = index
            yield names
        finally:
            self.engine.abort_request(list(names))
