"""Logits and scores of prompts, read from vLLM's engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from grid.backend import EngineError, TokenScores
from grid.backend.scoring import Request
from grid_vllm.context import GREEDY, Requests
from grid_vllm.failures import computing

Rows = npt.NDArray[np.float32]


class Scorer:
    """Reads what the model computes of prompts, in pieces of `batch` tokens."""

    def __init__(self, requests: Requests, batch: int) -> None:
        self._requests, self._batch = requests, batch
        self._tap = Tap(requests.engine)

    def logits(self, ids: Sequence[int], first: int) -> Rows:
        """Rows from `first` on, [len(ids) - first, vocabulary], as the model computed them.

        vLLM hands out log-probabilities through Python lists, an entry at a time and sorted. Here
        they are read where the model computes them, which it does for every token of a prompt
        whose log-probabilities are asked for.
        """
        rows: list[Rows] = []
        done = 0
        with self._requests.open([ids], prompt_logprobs=0, **GREEDY), computing("logits"):
            while done < len(ids):
                tokens = min(self._batch, len(ids) - done)
                with self._tap.open() as calls:
                    self._requests.engine.step()
                step_rows = rows_of_step(calls, tokens)
                rows.append(step_rows[max(first - done, 0) :])
                done += tokens
            self._check_finished()
        return np.concatenate(rows)

    def _check_finished(self) -> None:
        """The request has to be done with its last piece, else the pieces were others."""
        if self._requests.engine.has_unfinished_requests():
            raise EngineError(f"vLLM cut a prompt at another length than {self._batch} tokens")

    def score(self, requests: Sequence[Request]) -> Iterator[TokenScores]:
        """Scores of continuations, in order; as many requests at once as vLLM takes."""
        prompts = [[*context, *continuation] for context, continuation in requests]
        answers: dict[int, TokenScores] = {}
        wanted = 0
        with self._requests.open(prompts, prompt_logprobs=1, **GREEDY) as names:
            while wanted < len(requests):
                if not self._requests.engine.has_unfinished_requests():
                    raise EngineError("vLLM ended without an answer to every request")
                with computing("scores"):
                    for output in self._requests.engine.step():
                        index = names[output.request_id]
                        context, continuation = requests[index]
                        scores = _token_scores(
                            output.prompt_logprobs, len(context), len(continuation)
                        )
                        answers[index] = scores
                while wanted in answers:
                    yield answers.pop(wanted)
                    wanted += 1


def _token_scores(flat: Any, context: int, tokens: int) -> TokenScores:
    """From vLLM's flat log-probabilities of a prompt: at each position those of its own token
    first, then of the most likely one."""
    if flat is None or len(flat) != context + tokens:
        raise EngineError("vLLM gave no log-probabilities for a prompt")
    starts = [flat.start_indices[at] for at in range(context, context + tokens)]
    log_probs = [flat.logprobs[at] for at in starts]
    argmax = [flat.token_ids[at + 1] for at in starts]
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

                copy = logits.detach().to(device="cpu", dtype=torch.float32, copy=True)
                self._calls.append(copy.numpy())
            return logits

        model.compute_logits = tapped

    @contextmanager
    def open(self) -> Iterator[list[Rows]]:
        self._calls = calls = list[Rows]()
        try:
            yield calls
        finally:
            self._calls = None
