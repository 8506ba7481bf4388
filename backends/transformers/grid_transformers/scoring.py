"""Log-probabilities of continuations, many short requests in one evaluation.

In packs (`packing`) where the model computes them. Else in rows: one context with one continuation,
padded on the right. What follows a token does not change it under causal attention, so no mask is
wanted and the result is the model's own. Contexts that several rows share (the choices of one item)
are evaluated once, as far as the shortest context of the rows goes.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from grid.backend import TokenScores, token_scores
from grid.backend.scoring import Request
from grid.backend.shared_contexts import shared_runs
from grid_transformers.context import Forward, to_host
from grid_transformers.memory import SCORED_TOKENS
from grid_transformers.packing import Packer


class Row(NamedTuple):
    """A request, its place among the requests, and the group of equal contexts it is in."""

    place: int
    group: int
    context: tuple[int, ...]
    continuation: tuple[int, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """What is evaluated: all but the last token, which nothing is asked after."""
        return self.context + self.continuation[:-1]


def score(forward: Forward, packer: Packer, requests: Sequence[Request]) -> Iterator[TokenScores]:
    """Scores in the order of the requests: in packs where the model computes them, else in rows, of
    contexts of like length."""
    scores: dict[int, TokenScores] = {}
    runs = shared_runs(requests) if packer.works else []
    if runs and packer.fits(runs):
        scores.update(packer.score(runs))
    else:
        for pack in packs(_rows(requests), forward.batch):
            scores.update(_score_pack(forward, pack, forward.plain))
    yield from (scores[place] for place in range(len(requests)))


def _rows(requests: Sequence[Request]) -> list[Row]:
    rows, place = [], 0
    groups = groupby(requests, key=lambda request: tuple(request[0]))
    for group, (context, members) in enumerate(groups):
        for _, continuation in members:
            rows.append(Row(place, group, context, tuple(continuation)))
            place += 1
    return rows


def packs(rows: Sequence[Row], tokens: int) -> Iterator[list[Row]]:
    """Whole groups of like context length, put together while the rows, padded to the longest,
    have at most `tokens` tokens after the pack's shared part and SCORED_TOKENS with it; a larger
    group stands alone."""
    ordered = sorted(rows, key=lambda row: (len(row.context), row.group))
    pack: list[Row] = []
    for _, members in groupby(ordered, key=lambda row: row.group):
        group = list(members)
        if pack and not _fits(pack + group, tokens):
            yield pack
            pack = []
        pack = pack + group
    if pack:
        yield pack


def _shared_tokens(pack: Sequence[Row]) -> int:
    """Tokens that are evaluated once per context: all but the last of the shortest one."""
    return min(len(row.context) for row in pack) - 1


def _fits(pack: Sequence[Row], tokens: int) -> bool:
    longest = max(len(row.ids) for row in pack)
    return (
        len(pack) * (longest - _shared_tokens(pack)) <= tokens
        and len(pack) * longest <= SCORED_TOKENS
    )


def _score_pack(
    forward: Forward, pack: Sequence[Row], shares: bool
) -> Iterator[tuple[int, TokenScores]]:
    groups = list(dict.fromkeys(row.group for row in pack))
    cut = _shared_tokens(pack) if shares and len(groups) < len(pack) else 0
    cache = _prefix(forward, pack, cut) if cut else None
    width = max(len(row.ids) for row in pack) - cut
    at_once = max(1, min(forward.batch // width, SCORED_TOKENS // (cut + width)))
    for start in range(0, len(pack), at_once):
        part = pack[start : start + at_once]
        last = start + at_once >= len(pack)
        chosen = _select_rows(forward, cache, [groups.index(row.group) for row in part], last)
        yield from _score_rows(forward, part, cut, chosen)


def _prefix(forward: Forward, pack: Sequence[Row], cut: int) -> Any:
    """A cache of the first `cut` tokens of each group's context, a row a group."""
    contexts = list({row.group: row.context[:cut] for row in pack}.values())
    cache = forward.cache()
    step = max(1, forward.batch // len(contexts))
    for start in range(0, cut, step):
        forward(forward.ids([c[start : start + step] for c in contexts]), cache, 1)
    return cache


def _select_rows(forward: Forward, cache: Any, rows: Sequence[int], last: bool) -> Any:
    """The cache with a row for each of `rows`; the original is used up by the last part."""
    if cache is None:
        return None
    chosen = cache if last else copy.deepcopy(cache)
    with forward.torch.inference_mode():
        chosen.batch_select_indices(forward.ids(rows))
    return chosen


def _score_rows(
    forward: Forward, part: Sequence[Row], cut: int, cache: Any
) -> Iterator[tuple[int, TokenScores]]:
    width = max(len(row.ids) for row in part) - cut
    if len(part) == 1 and width > forward.piece:
        yield part[0].place, _score_long(forward, part[0], cut, cache)
        return
    keep = width - min(len(row.context) - 1 for row in part) + cut
    padded = [_pad(row.ids[cut:], width) for row in part]
    logits = forward(forward.ids(padded), cache, keep)
    forward.evaluated -= sum(width + cut - len(row.ids) for row in part)
    for index, row in enumerate(part):
        first = len(row.context) - 1 - cut - (width - keep)
        wanted = to_host(logits[index, first : first + len(row.continuation)])
        yield row.place, token_scores(wanted, row.continuation)


def _score_long(forward: Forward, row: Row, cut: int, cache: Any) -> TokenScores:
    """Scores of a row that is longer than what is evaluated at once."""
    held = forward.cache() if cache is None else cache
    logits = forward.append(row.ids[cut:], held, len(row.context) - 1 - cut)
    return token_scores(logits, row.continuation)


def _pad(ids: Sequence[int], width: int) -> list[int]:
    return [*ids, *[0] * (width - len(ids))]
