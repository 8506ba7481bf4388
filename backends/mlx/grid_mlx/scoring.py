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

from grid.backend import TokenScores
from grid_mlx.context import Cache, Forward

Request = tuple[Sequence[int], Sequence[int]]
_ROWS_AT_ONCE = 64


def token_scores(logits: npt.NDArray[np.float32], targets: Sequence[int]) -> TokenScores:
    """Scores of `targets` [n] under logits [n, vocabulary]; the softmax is summed in 64 bits."""
    log_probs = np.empty(len(targets))
    for start in range(0, len(targets), _ROWS_AT_ONCE):
        rows = logits[start : start + _ROWS_AT_ONCE].astype(np.float64)
        rows -= rows.max(axis=1, keepdims=True)
        picked = rows[np.arange(len(rows)), list(targets[start : start + _ROWS_AT_ONCE])]
        log_probs[start : start + len(rows)] = picked - np.log(np.exp(rows).sum(axis=1))
    return TokenScores(log_probs, logits.argmax(axis=1).astype(np.int64))


def score(forward: Forward, requests: Sequence[Request]) -> Iterator[TokenScores]:
    """Scores in the order of the requests."""
    shares = forward.is_plain(forward.cache())
    for context, members in groupby(requests, key=lambda request: tuple(request[0])):
        rests = [tuple(rest) for _, rest in members]
        if shares:
            yield from _together(forward, context, rests)
        else:
            for rest in rests:
                yield token_scores(_alone(forward, context, rest), rest)


def _together(
    forward: Forward, context: Sequence[int], rests: Sequence[Sequence[int]]
) -> Iterator[TokenScores]:
    """Each row begins with the context's last token, whose logits score the first of `rest`."""
    cache = forward.cache()
    forward.fill(context[:-1], cache)
    longest = max(len(rest) for rest in rests)
    count = max(1, forward.batch // longest)
    for start in range(0, len(rests), count):
        part = rests[start : start + count]
        rows = [(context[-1], *rest[:-1]) for rest in part]
        logits = _logits(forward, rows, forward.branches(cache, len(part)))
        for row, rest in zip(logits, part, strict=True):
            yield token_scores(row[: len(rest)], rest)


def _alone(
    forward: Forward, context: Sequence[int], rest: Sequence[int]
) -> npt.NDArray[np.float32]:
    cache = forward.cache()
    forward.fill(context[:-1], cache)
    rows: npt.NDArray[np.float32] = _logits(forward, [(context[-1], *rest[:-1])], cache)[0]
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
    found: npt.NDArray[np.float32] = np.array(wide, np.float32)
    return found
