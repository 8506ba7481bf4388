"""Requests to vLLM's engine: one that is scored, one whose logits are read, ones that generate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from grid.backend import TokenScores
from grid.errors import EngineError
from grid_vllm.failures import computing

Request = tuple[Sequence[int], Sequence[int]]
Rows = npt.NDArray[np.float32]

TEMPERATURE = 0.8
"""Used with a seed; without one (0) the most likely token is taken."""


class Runner:
    """Feeds a loaded `vllm.LLMEngine`; what it was asked is forgotten when a call ends."""

    def __init__(self, engine: Any, batch: int, end_ids: Sequence[int]) -> None:
        self._engine, self._batch, self._end_ids = engine, batch, list(end_ids)
        self._numbers = count()
        self._tap = Tap(engine)

    def logits(self, ids: Sequence[int], first: int) -> Rows:
        """Rows from `first` on, [len(ids) - first, vocabulary], as the model computed them.

        vLLM hands out log-probabilities through Python lists, an entry at a time and sorted. Here
        they are read where the model computes them, which it does for every token of a prompt
        whose log-probabilities are asked for.
        """
        rows: list[Rows] = []
        done = 0
        with self._asked([ids], prompt_logprobs=0, **_GREEDY) as names, computing("logits"):
            while done < len(ids):
                tokens = min(self._batch, len(ids) - done)
                with self._tap.open() as calls:
                    self._engine.step()
                found = rows_of_step(calls, tokens)
                rows.append(found[max(first - done, 0) :])
                done += tokens
            self._finish(names)
        return np.concatenate(rows)

    def _finish(self, names: Mapping[str, int]) -> None:
        """The request has to be done with its last piece, else the pieces were others."""
        if self._engine.has_unfinished_requests():
            raise EngineError(f"vLLM cut a prompt at another length than {self._batch} tokens")

    def score(self, requests: Sequence[Request]) -> Iterator[TokenScores]:
        """Scores of continuations, in order; as many requests at once as vLLM takes."""
        prompts = [[*context, *rest] for context, rest in requests]
        found: dict[int, TokenScores] = {}
        wanted = 0
        with self._asked(prompts, prompt_logprobs=1, **_GREEDY) as names:
            while wanted < len(requests):
                if not self._engine.has_unfinished_requests():
                    raise EngineError("vLLM ended without an answer to every request")
                with computing("scores"):
                    for output in self._engine.step():
                        index = names[output.request_id]
                        context, rest = requests[index]
                        scores = _token_scores(output.prompt_logprobs, len(context), len(rest))
                        found[index] = scores
                while wanted in found:
                    yield found.pop(wanted)
                    wanted += 1

    def generate(
        self, prompts: Sequence[Sequence[int]], max_tokens: int, ignore_eos: bool, seed: int
    ) -> Iterator[tuple[int, int]]:
        """Yields (index of the prompt, token) as each step ends; a token that ends a text is
        yielded as well."""
        stops = [] if ignore_eos else self._end_ids
        how: dict[str, Any] = {"temperature": TEMPERATURE, "seed": seed} if seed else _GREEDY
        how = {**how, "max_tokens": max_tokens, "stop_token_ids": stops}
        with self._asked(prompts, **how) as names:
            while self._engine.has_unfinished_requests():
                with computing("generation"):
                    outputs = self._engine.step()
                for output in outputs:
                    for token in output.outputs[0].token_ids:
                        yield names[output.request_id], int(token)

    @contextmanager
    def _asked(self, prompts: Sequence[Sequence[int]], **how: Any) -> Iterator[Mapping[str, int]]:
        """Prompts are in the engine, named -> their index; what is unfinished at the end leaves."""
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
                    self._engine.add_request(name, content, parameters)
                    names[name] = index
            yield names
        finally:
            self._engine.abort_request(list(names))


_GREEDY: dict[str, Any] = {"temperature": 0.0, "max_tokens": 1}


def _token_scores(found: Any, context: int, tokens: int) -> TokenScores:
    """From vLLM's flat log-probabilities of a prompt: at each position those of its own token
    first, then of the most likely one."""
    if found is None or len(found) != context + tokens:
        raise EngineError("vLLM gave no log-probabilities for a prompt")
    starts = [found.start_indices[at] for at in range(context, context + tokens)]
    log_probs = [found.logprobs[at] for at in starts]
    argmax = [found.token_ids[at + 1] for at in starts]
    return TokenScores(np.array(log_probs, np.float64), np.array(argmax, np.int64))


def rows_of_step(calls: Sequence[Rows], tokens: int) -> Rows:
    """Logits after each of a step's `tokens` tokens, of what the model was asked in that step.

    The row to sample from comes first and alone. It is the prompt's last token's, which one of
    vLLM's two model runners then leaves out of the prompt's rows, and the other repeats there; the
    rows of a prompt may come in several calls. Raises EngineError where they do not add up.
    """
    sizes = [len(rows) for rows in calls]
    if sizes and tokens == 1 and set(sizes) == {1}:
        return calls[-1]
    if sum(sizes) == tokens and sizes[0] > 1:
        return np.concatenate(calls)
    if sum(sizes) == tokens + 1 and sizes[0] == 1:
        return np.concatenate(calls[1:])
    if sum(sizes) == tokens and sizes[0] == 1:
        return np.concatenate([*calls[1:], calls[0]])
    raise EngineError(f"vLLM computed {sizes} rows of logits for {tokens} tokens of a prompt")


class Tap:
    """Copies of the logits that the model computes while it is open, one array a call."""

    def __init__(self, engine: Any) -> None:
        self._calls: list[Rows] | None = None
        engine.apply_model(self._install)

    def _install(self, model: Any) -> None:
        compute: Callable[..., Any] = model.compute_logits

        def tapped(*arguments: Any, **named: Any) -> Any:
            logits = compute(*arguments, **named)
            if self._calls is not None and logits is not None:
                import torch

                kept = logits.detach().to(device="cpu", dtype=torch.float32, copy=True)
                self._calls.append(kept.numpy())
            return logits

        model.compute_logits = tapped

    @contextmanager
    def open(self) -> Iterator[list[Rows]]:
        self._calls = calls = list[Rows]()
        try:
            yield calls
        finally:
            self._calls = None
