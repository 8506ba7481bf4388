"""Passages that several documents of a task ask about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

FIELDS = ("passage", "flores_passage", "paragraph", "article", "story", "context")
"""Columns of data sets that hold a passage: of BoolQ and DROP, Belebele, MultiRC, RACE, stories,
and SQuAD."""


def passage_groups(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """The group of each document: the passage that it shares with others, by its number in the
    order of first appearance; empty where it shares none."""
    for field in FIELDS:
        passages = [document.get(field) for document in documents]
        if not all(isinstance(passage, str) and passage for passage in passages):
            continue
        counts = Counter(passages)
        numbers = {passage: number for number, passage in enumerate(counts, start=1)}
        if len(counts) < len(documents):
            return [f"passage {numbers[p]}" if counts[p] > 1 else "" for p in passages]
    return [""] * len(documents)
