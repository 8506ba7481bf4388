"""Streaming generation with llama.cpp's own samplers."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from grid_llamacpp.context import Context

TEMPERATURE = 0.8
"""Used with a seed; without one (0) the most likely token is taken."""


def generate(
    api: Any,
    vocabulary: Any,
    context: Context,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    ignore_eos: bool,
    seed: int,
) -> Generator[tuple[int, int], bool | None, None]:
    """Yield (index of the prompt, token) as each is sampled; every prompt is its own sequence.

    All running sequences take their next step in one evaluation. A sequence ends after
    `max_tokens`, at an end-of-generation token (yielded as well) unless that is ignored, or where
    true is sent for its token.
    """
    context.clear()
    with _samplers(api, len(prompts), seed) as samplers:
        running: dict[int, int] = {}
        for index, prompt in enumerate(prompts):
            token = _prefill(api, context, samplers[index], index, prompt)
            stopped = yield index, token
            ended = stopped or (not ignore_eos and api.llama_vocab_is_eog(vocabulary, token))
            if max_tokens > 1 and not ended:
                running[index] = token
        done = 1
        while running:
            context.batch.clear()
            for index, token in running.items():
                context.batch.add((token,), len(prompts[index]) + done - 1, (index,), 0)
            context.evaluate()
            done += 1
            for row, index in enumerate(list(running)):
                token = int(api.llama_sampler_sample(samplers[index], context.pointer, row))
                stopped = yield index, token
                ended = stopped or (not ignore_eos and api.llama_vocab_is_eog(vocabulary, token))
                running[index] = token
                if ended or done == max_tokens:
                    del running[index]


def _prefill(api: Any, context: Context, sampler: Any, sequence: int, prompt: Sequence[int]) -> int:
    """Evaluate a prompt and sample the token after it."""
    size = context.batch.size
    for start in range(0, len(prompt), size):
        part = prompt[start : start + size]
        context.batch.clear()
        context.batch.add(part, start, (sequence,), len(prompt) - 1 - start)
        context.evaluate()
    return int(api.llama_sampler_sample(sampler, context.pointer, -1))


@contextmanager
def _samplers(api: Any, count: int, seed: int) -> Iterator[list[Any]]:
    """One sampler a sequence, freed at the end; their seeds differ."""
    chains = []
    try:
        for index in range(count):
            chain = api.llama_sampler_chain_init(api.llama_sampler_chain_default_params())
            chains.append(chain)
            if seed == 0:
                api.llama_sampler_chain_add(chain, api.llama_sampler_init_greedy())
                continue
            api.llama_sampler_chain_add(chain, api.llama_sampler_init_temp(TEMPERATURE))
            drawn = api.llama_sampler_init_dist((seed + index) & 0xFFFFFFFF)
            api.llama_sampler_chain_add(chain, drawn)
        yield chains
    finally:
        for chain in chains:
            api.llama_sampler_free(chain)
