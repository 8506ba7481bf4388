"""Scores from logits, for engines that give whole distributions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from grid.backend.contract import TokenScores

Request = tuple[Sequence[int], Sequence[int]]
"""Ids of a context and of the continuation that is scored."""

_ROWS_AT_ONCE = 64
"""Rows that are widened to 64 bits at once, so that the work takes little memory."""


def token_scores(logits: npt.NDArray[np.float32], targets: Sequence[int]) -> TokenScores:
    """Scores of `targets` [n] under logits [n, vocabulary]; the softmax is summed in 64 bits."""
    log_probs = np.empty(len(targets))
    for start in range(0, len(targets), _ROWS_AT_ONCE):
        rows = logits[start : start + _ROWS_AT_ONCE].astype(np.float64)
        rows -= rows.max(axis=1, keepdims=True)
        picked = rows[np.arange(len(rows)), list(targets[start : start + _ROWS_AT_ONCE])]
        log_probs[start : start + len(rows)] = picked - np.log(np.exp(rows).sum(axis=1))
    return TokenScores(log_probs, logits.argmax(axis=1).astype(np.int64))
