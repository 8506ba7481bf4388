"""nDCG@10: how well a ranking puts what is relevant first.

With linear gains, as trec_eval and MTEB have it: DCG = sum over ranks r of grade / log2(r + 1),
divided by that of the best ranking (Jarvelin and Kekalainen 2002).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

DEPTH = 10
"""Ranks that count."""


def ndcg(grades: Sequence[float], order: Sequence[int]) -> float:
    """nDCG@10, 0 to 1, of documents with these grades of relevance (0: not relevant, at least one
    is) put in that order, indices best first."""
    return _dcg([grades[index] for index in order]) / _dcg(sorted(grades, reverse=True))


def expected_ndcg(grades: Sequence[float]) -> float:
    """Mean nDCG@10 of all orders of these documents: what guessing gets."""
    mean = sum(grades) / len(grades)
    return _dcg([mean] * len(grades)) / _dcg(sorted(grades, reverse=True))


def _dcg(gains: Sequence[float]) -> float:
    return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains[:DEPTH], start=1))
