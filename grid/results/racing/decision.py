"""Which contenders are beaten, and of which more chunks or items would still decide something."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from grid.results.racing.contender import Contender
from grid.results.racing.order import (
    ERROR,
    OPPOSITE,
    STATEMENTS,
    Amount,
    Relation,
    are_materially_apart,
    common_texts,
    compare_quality,
    compare_tasks,
)
from grid.results.statistics.interval import Floats, t_quantile
from grid.results.statistics.sequential import look_alpha

AS_FAST = 0.9
"""A contender that surely has so much of another's rate, or more, counts as as fast."""

AS_SMALL = 1.01
"""As small, of weights and of peak memory: less is no reason to choose."""


@dataclass(frozen=True)
class Decision:
    """`beaten` are those that another surely replaces: by id the label of the other. Of `texts` and
    `tasks`, by id, more chunks or items may still decide something."""

    beaten: Mapping[str, str] = field(default_factory=dict)
    texts: frozenset[str] = frozenset()
    tasks: frozenset[str] = frozenset()


def decide(contenders: Sequence[Contender], totals: Mapping[str, int], looks: int) -> Decision:
    """What is decided by what was measured so far. `totals` are the chunks or items that were asked
    for, by text and task; `looks` how often it is looked at in all.

    A contender is beaten where another is surely no worse in quality, no larger, no slower at
    anything and takes no more memory, and surely better in one of them. Those that are not beaten
    need more of a text or task while some pair of them is open by it.
    """
    relations = _relations(contenders, totals, looks)
    speed = SpeedOrder(contenders)
    beaten: dict[str, str] = {}
    ranked = sorted(contenders, key=lambda c: (-c.weight_bytes, c.id))
    for loser in ranked:
        for winner in reversed(ranked):
            if winner.id in beaten or winner is loser:
                continue
            relation = relations[winner.quality, loser.quality]
            if _replaces(winner, loser, relation, speed):
                beaten[loser.id] = winner.label
                break
    texts, tasks = _undecided([c for c in contenders if c.id not in beaten], relations, totals)
    return Decision(beaten, texts, tasks)


def _undecided(
    alive: Sequence[Contender],
    relations: Mapping[tuple[str, str], Relation],
    totals: Mapping[str, int],
) -> tuple[frozenset[str], frozenset[str]]:
    """Ids of those of which more chunks, and more items, may decide something. Variants of a model
    that KL divergence does not tell apart by what chooses are told apart by tasks."""
    by_quality = {contender.quality: contender for contender in alive}
    pairs = list(combinations(by_quality.values(), 2))
    amount = Amount(ERROR / 2 / max(1, len(pairs)), totals)
    texts: set[str] = set()
    tasks: set[str] = set()
    for first, second in pairs:
        qualities = {first.quality, second.quality}
        relation = relations[first.quality, second.quality]
        if not common_texts(first, second):
            tasks |= qualities if relation is Relation.open else set()
            continue
        if relation is Relation.open:
            texts |= qualities
        if first.tasks and second.tasks and not are_materially_apart(first, second, amount):
            by_tasks = compare_tasks(first, second, amount)
            tasks |= qualities if by_tasks is Relation.open else set()
    return (
        frozenset(c.id for c in alive if c.quality in texts),
        frozenset(c.id for c in alive if c.quality in tasks),
    )


def _relations(
    contenders: Sequence[Contender], totals: Mapping[str, int], looks: int
) -> dict[tuple[str, str], Relation]:
    """By pair of qualities. Where many pairs are told apart, fewer share the error (Holm 1979)."""
    by_quality = {contender.quality: contender for contender in contenders}
    closest = _closest(by_quality.values())
    stated: dict[tuple[str, str], Relation] = {}
    pairs = list(combinations(by_quality, 2))
    while pairs:
        amount = Amount(look_alpha(ERROR / 2 / len(pairs), looks), totals)
        compared = {
            (first, second): compare_quality(
                by_quality[first], by_quality[second], amount, bool(closest & {first, second})
            )
            for first, second in pairs
        }
        stated |= compared
        left = [pair for pair, relation in compared.items() if relation not in STATEMENTS]
        if len(left) == len(pairs):
            break
        pairs = left
    relations = {(quality, quality): Relation.equal for quality in by_quality}
    for (first, second), relation in stated.items():
        relations[first, second] = relation
        relations[second, first] = OPPOSITE.get(relation, relation)
    return relations


def _closest(contenders: Iterable[Contender]) -> set[str]:
    """The quality that measured closest to 16 bits, of each model and text."""
    best: dict[tuple[str, str], tuple[float, str]] = {}
    for contender in contenders:
        for text, chunks in contender.texts.items():
            key = (contender.model, text)
            figure = (float(chunks.mean()), contender.quality)
            best[key] = min(best.get(key, figure), figure)
    return {quality for _, quality in best.values()}


class SpeedOrder:
    """Compares rates of contenders, all statements holding together with half of `ERROR`."""

    def __init__(self, contenders: Sequence[Contender]) -> None:
        self._alpha = ERROR / 2 / max(1, len(contenders) * (len(contenders) - 1))
        self._squares: dict[str, float] = {}
        self._degrees: dict[str, int] = {}
        for contender in contenders:
            for name, rates in contender.rates.items():
                logs = np.log(rates)
                square = float(((logs - logs.mean()) ** 2).sum())
                self._squares[name] = self._squares.get(name, 0.0) + square
                self._degrees[name] = self._degrees.get(name, 0) + len(logs) - 1

    def least_ratio(self, name: str, first: Floats, second: Floats) -> float:
        """Lower bound of the ratio of two rates from repetitions [n] of each: Student's of logs,
        with the variance of all contenders' repetitions, or that of these two where it is more."""
        logs = [np.log(first), np.log(second)]
        degrees = self._degrees[name]
        if degrees < 1:
            return 0.0
        own = sum(float(((log - log.mean()) ** 2).sum()) for log in logs)
        own_degrees = max(1, len(first) + len(second) - 2)
        variance = max(self._squares[name] / degrees, own / own_degrees)
        half = t_quantile(degrees, 1 - self._alpha) * variance**0.5
        half *= (1 / len(first) + 1 / len(second)) ** 0.5
        return float(np.exp(logs[0].mean() - logs[1].mean() - half))


def _replaces(winner: Contender, loser: Contender, relation: Relation, speed: SpeedOrder) -> bool:
    """Whether nobody would miss the loser."""
    if relation not in (Relation.better, Relation.equal):
        return False
    if winner.weight_bytes > AS_SMALL * loser.weight_bytes:
        return False
    if (winner.peak_bytes is None) != (loser.peak_bytes is None):
        return False
    if (winner.peak_bytes or 0) > AS_SMALL * (loser.peak_bytes or 0):
        return False
    shared = winner.rates.keys() & loser.rates.keys()
    if not shared and (winner.rates or loser.rates):
        return False
    ratios = [speed.least_ratio(name, winner.rates[name], loser.rates[name]) for name in shared]
    if any(ratio < AS_FAST for ratio in ratios):
        return False
    return (
        relation is Relation.better
        or AS_SMALL * winner.weight_bytes < loser.weight_bytes
        or AS_SMALL * (winner.peak_bytes or 0) < (loser.peak_bytes or 0)
        or any(ratio > 1 for ratio in ratios)
    )
