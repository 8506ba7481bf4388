"""Streaming generation: all prompts of a call take their next token in one evaluation."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from typing import Any

from grid_transformers.context import Forward

TEMPERATURE = 0.8
"""Used with a seed; without one (0) the most likely token is taken."""

Stream = Generator[tuple[int, int], bool | None, None]


class Sampler:
    """Picks a token from logits [vocabulary]; each prompt draws from a sequence of its own."""

    def __init__(self, torch: Any, seed: int, index: int) -> None:
        self._torch, self._generator = torch, None
        if seed:
            self._generator = torch.Generator(device="cpu")
            self._generator.manual_seed(seed + index)

    def __call__(self, logits: Any) -> int:
        if self._generator is None:
            return int(logits.argmax())
        # On the host in 64 bits, so that a seed draws the same tokens on every device.
        weights = self._torch.softmax(logits.double().cpu() / TEMPERATURE, dim=-1)
        return int(self._torch.multinomial(weights, 1, generator=self._generator))


def generate(
    forward: Forward,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    ends: Collection[int],
    seed: int,
) -> Stream:
    """Yield (index of the prompt, token) as each is sampled.

    A sequence ends after `max_tokens`, at one of `ends` (yielded as well), or where true is sent
    for its token. Prompts of one length run as the rows of one evaluation; so do others where the
    model's layers can mask padding.
    """
    samplers = [Sampler(forward.torch, seed, index) for index in range(len(prompts))]
    if max_tokens > 1:
        forward.check_continued(1)
    together = forward.plain or len({len(prompt) for prompt in prompts}) == 1
    everyone = list(range(len(prompts)))
    groups = [everyone] if together else [[index] for index in everyone]
    streams = [_Rows(forward, prompts, group, samplers) for group in groups]
    for done in range(1, max_tokens + 1):
        for rows in streams:
            yield from rows.next(done == max_tokens, ends)


class _Rows:
    """Prompts that are evaluated together, padded on the left to one length."""

    def __init__(
        self,
        forward: Forward,
        prompts: Sequence[Sequence[int]],
        members: Sequence[int],
        samplers: Sequence[Sampler],
    ) -> None:
        self._forward, self._samplers = forward, samplers
        self._running = list(members)
        lengths = [len(prompts[index]) for index in members]
        self._length = max(lengths)
        self._pads = [self._length - length for length in lengths]
        self._ids = forward.ids(
            [[*[0] * pad, *prompts[i]] for pad, i in zip(self._pads, members, strict=True)]
        )
        self._cache = forward.cache()
        self._evaluated = 0

    def next(self, last: bool, ends: Collection[int]) -> Stream:
        """The next token of every running row; rows that end leave the batch."""
        if not self._running:
            return
        logits = self._evaluate()
        tokens, running = list[int](), list[bool]()
        for row, index in enumerate(self._running):
            token = self._samplers[index](logits[row])
            tokens.append(token)
            stopped = yield index, token
            running.append(token not in ends and not last and not stopped)
        staying = [row for row, runs in enumerate(running) if runs]
        if staying and len(staying) < len(tokens):
            self._cache.batch_select_indices(self._forward.ids(staying))
        self._running = [self._running[row] for row in staying]
        self._pads = [self._pads[row] for row in staying]
        self._ids = self._forward.ids([[tokens[row]] for row in staying])

    def _evaluate(self) -> Any:
        """Logits after the newest tokens, [rows, vocabulary]."""
        width = self._ids.shape[1]
        step = max(1, self._forward.piece // len(self._running))
        for start in range(0, width, step):
            piece = self._ids[:, start : start + step]
            logits = self._forward(piece, self._cache, 1, **self._mask(piece.shape[1]))
            self._evaluated += piece.shape[1]
        if width > 1:
            self._forward.evaluated -= sum(self._pads)
        return logits[:, -1]

    def _mask(self, tokens: int) -> dict[str, Any]:
        """What tells padding apart; nothing where there is none."""
        if not any(self._pads):
            return {}
        torch, device = self._forward.torch, self._forward.device
        pads = self._forward.ids(self._pads)[:, None]
        places = torch.arange(self._evaluated + tokens, device=device)[None, :]
        positions = (places[:, self._evaluated :] - pads).clamp(min=0)
        return {"attention_mask": (places >= pads).long(), "position_ids": positions}
