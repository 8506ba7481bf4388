"""Log-probabilities of many continuations in one row of tokens, none of them computed twice.

A pack is contexts, each with its continuations after it, one behind the other. A mask lets a token
see its own context and continuation only, and what all contexts begin with, which is evaluated once
and stays in the cache. Positions are those that each continuation has by itself. So there is no
padding, and the head computes the rows alone that score a token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from grid.backend import TokenScores
from grid.backend.shared_contexts import Group, Run, packs
from grid_transformers.context import Forward, can_be_cut

Placed = Iterator[tuple[int, TokenScores]]

_ROWS_AT_ONCE = 64
"""Rows whose softmax is summed in 64 bits at once, so that the work takes little memory."""
_MASKED = frozenset({"eager", "sdpa"})
"""Kinds of attention that take a mask of one's own."""


class Packer:
    """Scores requests in packs, where a model computes in them what it does in rows: `works`."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self.works = self._can_mask() and self._agrees()

    def fits(self, runs: Sequence[Run]) -> bool:
        """Whether the runs stay within the model's sliding window, if it has one."""
        return all(
            len(run.prefix) + max(group.tokens for group in run.groups) < self._window
            for run in runs
        )

    def score(self, runs: Sequence[Run]) -> Placed:
        """(place of the request, its scores), in the order of the runs."""
        for run in runs:
            yield from self._score_run(run)

    @property
    def _window(self) -> float:
        windows = (getattr(layer, "sliding_window", None) for layer in self._forward.cache().layers)
        return min((window for window in windows if window), default=float("inf"))

    def _can_mask(self) -> bool:
        kind = getattr(self._forward.model.config, "_attn_implementation", "")
        return self._forward.plain and self._forward.places and kind in _MASKED

    def _agrees(self) -> bool:
        """Whether continuations in a pack, on a prefix, have the logits that each has by itself."""
        forward = self._forward
        before = forward.evaluated
        prefix, contexts, continuations = (5, 3, 7, 2), ((11, 4), (9, 6, 8)), ((3, 5, 8), (4, 1))
        groups = [Group((0, 1), context, continuations) for context in contexts]
        layout, cache = _Layout(groups, len(prefix)), forward.cache()
        forward.fill(prefix, cache)
        packed = self._logits(layout, cache, len(prefix)).double()[layout.rows]
        whole = [
            forward(forward.ids([[*prefix, *context, *ids[:-1]]]), None, len(ids))[0].double()
            for context in contexts
            for ids in continuations
        ]
        forward.evaluated = before
        return bool(
            (packed - forward.torch.cat(whole)).abs().max()
            <= forward.near * whole[0].std().clamp(min=1e-6)
        )

    def _score_run(self, run: Run) -> Placed:
        forward, length = self._forward, len(run.prefix)
        cache = forward.cache() if length else None
        forward.fill(run.prefix, cache)
        tokens = int(min(forward.batch, self._window - length - 1))
        short = [group for group in run.groups if group.tokens <= tokens]
        for pack in packs(short, tokens, tokens, tokens):
            yield from self._score_pack(pack, cache, length)
            cut_back(cache, length)
        for group in run.groups:
            if group.tokens > tokens:
                yield from self._score_long(group, run.prefix)

    def _score_long(self, group: Group, prefix: Sequence[int]) -> Placed:
        """A group that takes several evaluations: its context first, all but the last token; a
        continuation that is long by itself goes alone."""
        forward = self._forward
        before = (*prefix, *group.context[:-1])
        cache = forward.cache()
        forward.fill(before, cache)
        last = group._replace(context=group.context[-1:])
        for pack in packs([last], forward.batch, forward.batch, forward.batch):
            if pack[0].tokens <= forward.batch:
                yield from self._score_pack(pack, cache, len(before))
            else:
                ids = (group.context[-1], *pack[0].continuations[0])
                yield pack[0].places[0], score_pieces(forward, ids, cache)
            cut_back(cache, len(before))

    def _score_pack(self, pack: Sequence[Group], cache: Any, length: int) -> Placed:
        layout = _Layout(pack, length)
        logits = self._logits(layout, cache, length)
        torch = self._forward.torch
        log_probs, argmax = score_rows(torch, logits, layout.rows, layout.targets)
        for place, start, end in layout.answers:
            yield place, TokenScores(log_probs[start:end], argmax[start:end])

    def _logits(self, layout: _Layout, cache: Any, length: int) -> Any:
        return self._forward.rows(
            layout.tokens,
            cache,
            layout.wanted,
            position_ids=self._forward.ids([layout.positions]),
            attention_mask=self._mask(layout, length),
        )

    def _mask(self, layout: _Layout, length: int) -> Any:
        """What is added to attention scores, [1, 1, tokens, prefix + tokens]."""
        torch, forward = self._forward.torch, self._forward
        group, branch = np.array(layout.groups), np.array(layout.branches)
        order = np.arange(len(group))
        visible = (group[:, None] == group) & (order[:, None] >= order)
        visible &= (branch == 0) | (branch[:, None] == branch)
        hidden = torch.as_tensor(~visible, device=forward.device)
        dtype = forward.model.dtype
        mask = torch.zeros(1, 1, len(group), length + len(group), dtype=dtype, device=hidden.device)
        mask[0, 0, :, length:].masked_fill_(hidden, torch.finfo(dtype).min)
        return mask


class _Layout:
    """Where a pack's tokens stand. Of each token: its position, the number of its group, and that
    of its continuation, 0 for a context's. `wanted` are the tokens whose logits score something;
    `rows` and `targets` what is read of them, `answers` (place, start, end) in these."""

    def __init__(self, pack: Sequence[Group], length: int) -> None:
        self.tokens: list[int] = []
        self.positions: list[int] = []
        self.groups: list[int] = []
        self.branches: list[int] = []
        self.wanted: list[int] = []
        self.rows: list[int] = []
        self.targets: list[int] = []
        self.answers: list[tuple[int, int, int]] = []
        for number, group in enumerate(pack):
            self._add(group.context, length, number, 0)
            self.wanted.append(len(self.tokens) - 1)
            last = len(self.wanted) - 1
            start = length + len(group.context)
            for branch, place in enumerate(group.places, start=1):
                self._add_continuation(group.continuations[branch - 1], start, number, branch)
                count = len(group.continuations[branch - 1])
                end = len(self.wanted)
                self.rows += [last, *range(end - count + 1, end)]
                self.targets += group.continuations[branch - 1]
                self.answers.append((place, len(self.rows) - count, len(self.rows)))

    def _add_continuation(self, ids: Sequence[int], start: int, group: int, branch: int) -> None:
        first = len(self.tokens)
        self._add(ids[:-1], start, group, branch)
        self.wanted += range(first, len(self.tokens))

    def _add(self, ids: Sequence[int], start: int, group: int, branch: int) -> None:
        self.tokens += ids
        self.positions += range(start, start + len(ids))
        self.groups += [group] * len(ids)
        self.branches += [branch] * len(ids)


class _Scores(NamedTuple):
    log_probs: Any
    argmax: Any


def score_rows(torch: Any, logits: Any, rows: Sequence[int], targets: Sequence[int]) -> _Scores:
    """Log-probabilities of `targets` under logits [n, vocabulary] in `rows`, and what is most
    likely there. Only these figures leave the device; softmax is summed in 64 bits where it can."""
    wide = torch.float32 if logits.device.type == "mps" else torch.float64
    sums = torch.cat(
        [
            torch.logsumexp(logits[start : start + _ROWS_AT_ONCE].to(wide), dim=-1)
            for start in range(0, len(logits), _ROWS_AT_ONCE)
        ]
    )
    at = torch.as_tensor(rows, device=logits.device)
    picked = logits[at, torch.as_tensor(targets, device=logits.device)].to(wide)
    best = logits.argmax(dim=-1)[at]
    return _Scores((picked - sums[at]).cpu().double().numpy(), best.cpu().numpy())


def score_pieces(forward: Forward, ids: Sequence[int], cache: Any) -> TokenScores:
    """Scores of `ids[1:]` on top of a cache, as many at once as are evaluated at once."""
    parts = []
    for start in range(0, len(ids) - 1, forward.batch):
        piece = ids[start : min(start + forward.batch, len(ids) - 1)]
        logits = forward(forward.ids([piece]), cache, len(piece))[0]
        targets = ids[start + 1 : start + 1 + len(piece)]
        parts.append(score_rows(forward.torch, logits, range(len(piece)), targets))
    return TokenScores(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def cut_back(cache: Any, length: int) -> None:
    """Let a cache hold its first `length` tokens again."""
    if cache is None:
        return
    assert can_be_cut(cache)
    surplus = int(cache.get_seq_length()) - length
    if surplus > 0:
        cache.crop(-surplus)
