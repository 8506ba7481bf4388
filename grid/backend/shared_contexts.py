"""What requests have in common: each context is computed once for all its continuations, and the
beginning that contexts share (the few-shot examples of a task) once for all of them.

An engine computes a run's prefix, keeps it, and evaluates the run's groups on top of it, as many at
once as it likes. Sequences that cannot be continued twice (recurrent states) share nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np

from grid.backend.scoring import Request

RUN_TOKENS = 64
"""What a prefix of its own costs, in tokens: an evaluation more, and packs that end with it."""


SHORTEST_PREFIX = 16
"""Tokens that a prefix has at least: BOS and a word or two gain nothing."""


class Group(NamedTuple):
    """Continuations of one context; `places` are those of their requests, `context` and
    `continuations` are token ids. In a run, `context` lacks the run's prefix."""

    places: tuple[int, ...]
    context: tuple[int, ...]
    continuations: tuple[tuple[int, ...], ...]

    @property
    def tokens(self) -> int:
        """What is evaluated: the context once, and each continuation but for its last token, which
        nothing is asked after."""
        return len(self.context) + sum(len(ids) - 1 for ids in self.continuations)

    def halves(self) -> tuple[Group, Group]:
        middle = len(self.places) // 2
        return (
            Group(self.places[:middle], self.context, self.continuations[:middle]),
            Group(self.places[middle:], self.context, self.continuations[middle:]),
        )


class Run(NamedTuple):
    """Groups whose contexts begin with `prefix`; each has a token of context or more after it."""

    prefix: tuple[int, ...]
    groups: list[Group]


def group_requests(requests: Sequence[Request]) -> list[Group]:
    """Neighbours of equal context as one group: the choices of an item."""
    groups = []
    numbered = enumerate(requests)
    for context, members in groupby(numbered, key=lambda pair: tuple(pair[1][0])):
        listed = list(members)
        continuations = tuple(tuple(request[1]) for _, request in listed)
        groups.append(Group(tuple(place for place, _ in listed), context, continuations))
    return groups


def shared_runs(requests: Sequence[Request]) -> list[Run]:
    """Runs in which the fewest tokens are evaluated, prefixes of prefixes aside. Groups that gain
    nothing by sharing come first, in a run without prefix, in the order of the requests."""
    groups = group_requests(requests)
    order = sorted(range(len(groups)), key=lambda index: _sortable(groups[index].context))
    alone: list[int] = []
    runs = []
    for start, end, length in _cheapest([groups[index].context for index in order]):
        if not length:
            alone += order[start:end]
            continue
        members = [groups[index] for index in sorted(order[start:end])]
        cut = [group._replace(context=group.context[length:]) for group in members]
        runs.append(Run(members[0].context[:length], cut))
    return ([Run((), [groups[index] for index in sorted(alone)])] if alone else []) + runs


def packs(groups: Sequence[Group], tokens: int, room: int, sequences: int) -> Iterator[list[Group]]:
    """Groups put together up to `tokens` and `sequences`; a larger group stands alone, split in
    halves where its continuations exceed `sequences` or it exceeds `room` tokens."""
    pack: list[Group] = []
    for group in _split(groups, room, sequences):
        count = sum(len(member.places) for member in pack) + len(group.places)
        if pack and (sum(member.tokens for member in pack) + group.tokens > tokens
                     or count > sequences):  # fmt: skip
            yield pack
            pack = []
        pack.append(group)
    if pack:
        yield pack


def _split(groups: Sequence[Group], room: int, sequences: int) -> Iterator[Group]:
    for whole in groups:
        waiting = [whole]
        while waiting:
            group = waiting.pop()
            count = len(group.places)
            if count > 1 and (group.tokens > room or count > sequences):
                waiting += reversed(group.halves())
            else:
                yield group


class _Span(NamedTuple):
    """Neighbours in sorted order, with the cheapest way to evaluate their contexts: all on one
    prefix of `length` tokens, or as `parts`."""

    start: int
    end: int
    total: int
    cost: int
    length: int = 0
    parts: tuple[_Span, ...] = ()


def _cheapest(contexts: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
    """(start, end, prefix length) of spans of sorted contexts. Borders are removed from the one
    with the longest common beginning on, so each step joins two spans at their best."""
    common = [_common(left, right) for left, right in pairwise(contexts)]
    spans = [_Span(i, i + 1, len(ids), len(ids)) for i, ids in enumerate(contexts)]
    by_start, by_end = {s.start: s for s in spans}, {s.end: s for s in spans}
    for border in sorted(range(len(common)), key=lambda i: -common[i]):
        left, right = by_end.pop(border + 1), by_start.pop(border + 1)
        joined = _join(left, right, common[border])
        by_start[joined.start] = by_end[joined.end] = joined
    return list(_leaves(by_start[0])) if spans else []


def _join(left: _Span, right: _Span, length: int) -> _Span:
    count, total = right.end - left.start, left.total + right.total
    apart = left.cost + right.cost
    together = RUN_TOKENS + length + total - count * length
    if length >= SHORTEST_PREFIX and together < apart:
        return _Span(left.start, right.end, total, together, length)
    return _Span(left.start, right.end, total, apart, parts=(left, right))


def _leaves(span: _Span) -> Iterator[tuple[int, int, int]]:
    waiting = [span]
    while waiting:
        last = waiting.pop()
        if last.parts:
            waiting += reversed(last.parts)
        else:
            yield last.start, last.end, last.length


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    """Tokens that both begin with; at least one of each is left over."""
    length = min(len(left), len(right)) - 1
    differing = np.flatnonzero(np.array(left[:length]) != np.array(right[:length]))
    return int(differing[0]) if len(differing) else length


def _sortable(context: Sequence[int]) -> bytes:
    """Bytes that sort as the ids do."""
    return np.array(context, dtype=">u4").tobytes()
