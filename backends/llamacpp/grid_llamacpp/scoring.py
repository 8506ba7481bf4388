"""Log-probabilities of continuations, several short requests in one evaluation.

Requests that follow each other with the same context (the choices of one item) share its tokens:
each context token is evaluated once, in all their sequences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt

from grid.backend import EngineError, TokenScores, token_scores
from grid.backend.scoring import Request
from grid_llamacpp.context import Context


class Group:
    """Requests with one context, packed together; `tokens` is what they take in the cache."""

    def __init__(self, context: Sequence[int], continuations: Sequence[Sequence[int]]) -> None:
        self.context, self.continuations = context, continuations
        self.tokens = len(context) + sum(len(c) - 1 for c in continuations)

    @property
    def sequences(self) -> int:
        return len(self.continuations)

    def halves(self) -> tuple[Group, Group]:
        middle = self.sequences // 2
        return (
            Group(self.context, self.continuations[:middle]),
            Group(self.context, self.continuations[middle:]),
        )


def groups(requests: Sequence[Request], cells: int, sequences: int) -> Iterator[Group]:
    """Neighbours of equal context, split where they exceed the cache or the sequences.

    Raises EngineError if a single request is longer than the cache.
    """
    for context, members in groupby(requests, key=lambda request: tuple(request[0])):
        waiting = [Group(context, [tuple(member[1]) for member in members])]
        while waiting:
            group = waiting.pop()
            if group.sequences > 1 and (group.tokens > cells or group.sequences > sequences):
                first, second = group.halves()
                waiting += [second, first]
                continue
            if group.tokens > cells:
                raise EngineError(f"a request of {group.tokens} tokens, the context has {cells}")
            yield group


def packs(waiting: Iterator[Group], tokens: int, sequences: int) -> Iterator[list[Group]]:
    """Groups put together up to `tokens` and `sequences`; a larger group stands alone."""
    pack: list[Group] = []
    for group in waiting:
        full = sum(g.tokens for g in pack) + group.tokens > tokens
        if pack and (full or sum(g.sequences for g in pack) + group.sequences > sequences):
            yield pack
            pack = []
        pack.append(group)
    if pack:
        yield pack


def score_pack(context: Context, pack: Sequence[Group]) -> Iterator[TokenScores]:
    """Scores of a pack's requests, in order; what the context held is forgotten."""
    context.clear()
    logits = _Collector(context)
    sequence = 0
    for group in pack:
        members = range(sequence, sequence + group.sequences)
        logits.add(group.context, 0, members, len(group.context) - 1)
        for member, continuation in zip(members, group.continuations, strict=True):
            logits.add(continuation[:-1], len(group.context), (member,), 0)
        sequence += group.sequences
    rows = logits.rows()
    at = 0
    for group in pack:
        after_context, at = rows[at : at + 1], at + 1
        for continuation in group.continuations:
            count = len(continuation) - 1
            yield token_scores(np.vstack((after_context, rows[at : at + count])), continuation)
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
