"""Log-probabilities of continuations, several short requests in one evaluation.

The choices of an item share the tokens of its context, which are evaluated once, in all their
sequences. What the contexts of a task begin with is evaluated once and stays in a sequence of its
own, from which the others are copied; that takes no memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from grid.backend import EngineError, TokenScores, token_scores
from grid.backend.scoring import Request
from grid.backend.shared_contexts import Group, Run, group_requests, packs, shared_runs
from grid_llamacpp.context import Context

PREFIX = 0
"""The sequence that holds a run's prefix, if it has one."""

Placed = Iterator[tuple[int, TokenScores]]


def score(
    context: Context, requests: Sequence[Request], at_once: int, shares: bool
) -> Iterator[TokenScores]:
    """Scores in the order of the requests. `at_once` is how many tokens are packed together;
    without `shares` (recurrent states) each request is evaluated alone.

    Raises EngineError if a single request is longer than the context.
    """
    longest = max((len(c) + len(ids) - 1 for c, ids in requests), default=0)
    if longest > context.cells:
        raise EngineError(f"a request of {longest} tokens, the context has {context.cells}")
    runs = shared_runs(requests) if shares else [Run((), group_requests(requests))]
    scores: dict[int, TokenScores] = {}
    for run in runs:
        scores.update(_score_run(context, run, at_once))
    yield from (scores[place] for place in range(len(requests)))


def _score_run(context: Context, run: Run, at_once: int) -> Placed:
    context.clear()
    first = 0
    if run.prefix:
        context.append(run.prefix, 0, len(run.prefix))
        first = PREFIX + 1
    room = context.cells - len(run.prefix)
    for pack in packs(run.groups, min(at_once, room), room, context.sequences - first):
        members = range(first, first + sum(len(group.places) for group in pack))
        for member in members:
            if run.prefix:
                context.copy(PREFIX, member)
        yield from _score_pack(context, pack, len(run.prefix), members)
        if run.prefix:
            for member in members:
                context.forget(member, 0)
        else:
            context.clear()


def _score_pack(
    context: Context, pack: Sequence[Group], start: int, members: Sequence[int]
) -> Placed:
    """Scores of a pack's requests, whose sequences hold `start` tokens already."""
    logits = _Collector(context)
    at = 0
    for group in pack:
        sequences = members[at : at + len(group.places)]
        logits.add(group.context, start, sequences, len(group.context) - 1)
        for member, continuation in zip(sequences, group.continuations, strict=True):
            logits.add(continuation[:-1], start + len(group.context), (member,), 0)
        at += len(group.places)
    rows = logits.rows()
    at = 0
    for group in pack:
        after_context, at = rows[at : at + 1], at + 1
        for place, continuation in zip(group.places, group.continuations, strict=True):
            count = len(continuation) - 1
            mine = np.vstack((after_context, rows[at : at + count])) if count else after_context
            yield place, token_scores(mine, continuation)
            at += count


class _Collector:
    """Feeds tokens to a context, a full batch at a time, and keeps the logits asked for."""

    def __init__(self, context: Context) -> None:
        self._context, self._rows = context, list[npt.NDArray[np.float32]]()
        context.batch.clear()

    def add(
        self, ids: Sequence[int], position: int, sequences: Sequence[int], wanted_from: int
    ) -> None:
        batch = self._context.batch
        while ids:
            if not batch.room:
                self._flush()
            count = min(batch.room, len(ids))
            batch.add(ids[:count], position, sequences, wanted_from)
            ids, position, wanted_from = ids[count:], position + count, wanted_from - count

    def _flush(self) -> None:
        if self._context.batch.length:
            self._rows.append(self._context.evaluate().copy())
            self._context.batch.clear()

    def rows(self) -> npt.NDArray[np.float32]:
        self._flush()
        return np.concatenate(self._rows)
