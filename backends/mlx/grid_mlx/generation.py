"""Streaming generation as mlx-lm streams: the next token is begun before the last is handed out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from grid_mlx.context import Forward

TEMPERATURE = 0.8
"""Used with a seed; without one (0) the most likely token is taken."""


def generate(
    forward: Forward,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    ends: Collection[int],
    seed: int,
) -> Iterator[tuple[int, int]]:
    """Yield (index of the prompt, token) as each is sampled; every prompt has its own cache.

    Running prompts take turns. One ends after `max_tokens`, or at one of `ends` (yielded as well).
    """
    running = {}
    for index, prompt in enumerate(prompts):
        running[index] = _Stream(forward, prompt, seed + index if seed else None)
    for done in range(1, max_tokens + 1):
        for index, stream in list(running.items()):
            token = stream.next(last=done == max_tokens)
            yield index, token
            if token in ends:
                del running[index]


class _Stream:
    """One prompt's tokens, each drawn with a key of its own."""

    def __init__(self, forward: Forward, prompt: Sequence[int], seed: int | None) -> None:
        self._forward, self._cache = forward, forward.cache()
        self._key = None if seed is None else forward.mx.random.key(seed)
        forward.fill(prompt[:-1], self._cache)
        self._token = self._begin([prompt[-1:]])

    def next(self, last: bool) -> int:
        """The token that was begun; unless it is the last one, the one after it is begun first."""
        token = self._token
        if not last:
            self._token = self._begin(token[None])
        return int(token.item())

    def _begin(self, ids: Any) -> Any:
        """The token after `ids` [1, 1], still being computed; an array of shape [1]."""
        logits = self._forward(ids, self._cache)[0, -1:]
        token = self._sample(logits)
        self._forward.mx.async_eval(token)
        return token

    def _sample(self, logits: Any) -> Any:
        mx = self._forward.mx
        if self._key is None:
            return mx.argmax(logits, axis=-1)
        self._key, key = mx.random.split(self._key)
        return mx.random.categorical(logits.astype(mx.float32) / TEMPERATURE, key=key)
