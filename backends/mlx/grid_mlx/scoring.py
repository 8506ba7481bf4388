"""Log-probabilities of continuations; the choices of one item share its context.

What the contexts of several items begin with is evaluated once, and each context on a copy of that
cache. Its continuations are rows of one evaluation on top, padded on the right: what follows a
token does not change it. Each row evaluates the context's last token again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from grid.backend import TokenScores, token_scores
from grid.backend.scoring import Request
from grid.backend.shared_contexts import Group, shared_runs
from grid_mlx.context import Cache, Forward


def score(forward: Forward, requests: Sequence[Request]) -> Iterator[TokenScores]:
    """Scores in the order of the requests."""
    if not forward.is_plain(forward.cache()):
        for context, continuation in requests:
            yield token_scores(_logits_alone(forward, context, continuation), continuation)
        return
    scores: dict[int, TokenScores] = {}
    for run in shared_runs(requests):
        beginning = forward.cache()
        forward.fill(run.prefix, beginning)
        for group in run.groups:
            scores.update(_score_group(forward, group, beginning))
    yield from (scores[place] for place in range(len(requests)))


def _score_group(
    forward: Forward, group: Group, beginning: Cache
) -> Iterator[tuple[int, TokenScores]]:
    """Each row begins with the context's last token, whose logits score the first of the rest."""
    context, cache = group.context, forward.branches(beginning, 1)
    forward.fill(context[:-1], cache)
    longest = max(len(continuation) for continuation in group.continuations)
    count = max(1, forward.batch // longest)
    for start in range(0, len(group.places), count):
        part = group.continuations[start : start + count]
        rows = [(context[-1], *continuation[:-1]) for continuation in part]
        logits = _logits(forward, rows, forward.branches(cache, len(part)))
        for place, row, continuation in zip(group.places[start:], logits, part, strict=False):
            yield place, token_scores(row[: len(continuation)], continuation)


def _logits_alone(
    forward: Forward, context: Sequence[int], continuation: Sequence[int]
) -> npt.NDArray[np.float32]:
    cache = forward.cache()
    forward.fill(context[:-1], cache)
    rows: npt.NDArray[np.float32] = _logits(forward, [(context[-1], *continuation[:-1])], cache)[0]
    return rows


def _logits(
    forward: Forward, rows: Sequence[Sequence[int]], cache: Cache
) -> npt.NDArray[np.float32]:
    """[rows, longest, vocabulary]; shorter rows are filled up with token 0."""
    width = max(map(len, rows))
    padded = [[*row, *[0] * (width - len(row))] for row in rows]
    parts = []
    for start in range(0, width, forward.batch):
        out = forward([row[start : start + forward.batch] for row in padded], cache)
        parts.append(to_host(forward, out, cache))
    forward.evaluated -= sum(width - len(row) for row in rows)
    return np.concatenate(parts, axis=1)


def to_host(forward: Forward, logits: Any, cache: Cache) -> npt.NDArray[np.float32]:
    """Evaluated, in 32 bits, as numpy's."""
    wide = logits.astype(forward.mx.float32)
    forward.evaluate(cache, wide)
    copy: npt.NDArray[np.float32] = np.array(wide, np.float32)
    return copy
