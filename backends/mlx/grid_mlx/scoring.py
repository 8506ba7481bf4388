"""Log-probabilities of continuations; the choices of one item share its context.

Requests that follow each other with the same context are rows of one evaluation on top of the
context's cache, padded on the right: what follows a token does not change it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from grid.backend import TokenScores, token_scores
from grid.backend.scoring import Request
from grid_mlx.context import Cache, Forward


def score(forward: Forward, requests: Sequence[Request]) -> Iterator[TokenScores]:
    """Scores in the order of the requests."""
    shares = forward.is_plain(forward.cache())
    for context, members in groupby(requests, key=lambda request: tuple(request[0])):
        continuations = [tuple(continuation) for _, continuation in members]
        if shares:
            yield from _score_together(forward, context, continuations)
        else:
            for continuation in continuations:
                yield token_scores(_logits_alone(forward, context, continuation), continuation)


def _score_together(
    forward: Forward, context: Sequence[int], continuations: Sequence[Sequence[int]]
) -> Iterator[TokenScores]:
    """Each row begins with the context's last token, whose logits score the first of `rest`."""
    cache = forward.cache()
    forward.fill(context[:-1], cache)
    longest = max(len(continuation) for continuation in continuations)
    count = max(1, forward.batch // longest)
    for start in range(0, len(continuations), count):
        part = continuations[start : start + count]
        rows = [(context[-1], *continuation[:-1]) for continuation in part]
        logits = _logits(forward, rows, forward.branches(cache, len(part)))
        for row, continuation in zip(logits, part, strict=True):
            yield token_scores(row[: len(continuation)], continuation)


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
    return np.concatenate(parts, axis=1)


def to_host(forward: Forward, logits: Any, cache: Cache) -> npt.NDArray[np.float32]:
    """Evaluated, in 32 bits, as numpy's."""
    wide = logits.astype(forward.mx.float32)
    forward.evaluate(cache, wide)
    copy: npt.NDArray[np.float32] = np.array(wide, np.float32)
    return copy
