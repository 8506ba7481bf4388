"""Which contenders are beaten, and of which more chunks or items would still decide something."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from types import MappingProxyType

from grid.results.racing.contender import Contender
from grid.results.racing.order import (
    ERROR,
    OPPOSITE,
    Amount,
    Relation,
    are_materially_apart,
    common_texts,
    compare_quality,
    compare_tasks,
)
from grid.results.racing.speed_order import SpeedOrder
from grid.results.statistics.sequential import look_alpha

AS_FAST = 0.9
"""A contender that surely has so much of another's rate, or more, counts as as fast."""

AS_SMALL = 1.01
"""As small, of weights and of peak memory: less is no reason to choose."""


@dataclass(frozen=True)
class Decision:
    """`beaten` are those that another surely replaces: by id the id of the other, which is not
    beaten itself. Of `texts` and `tasks`, by id, more chunks or items may still decide
    something."""

    beaten: Mapping[str, str] = field(default_factory=dict)
    texts: frozenset[str] = frozenset()
    tasks: frozenset[str] = frozenset()


def decide(
    contenders: Sequence[Contender],
    totals: Mapping[str, int],
    looks: int,
    beaten_before: Mapping[str, str] = MappingProxyType({}),
) -> Decision:
    """What is decided by what was measured so far. `totals` are the chunks or items that were asked
    for, by text and task; `looks` how often it is looked at in all; `beaten_before` what the looks
    before called beaten, which stays so.

    A contender is beaten where another is surely no worse in quality, no larger, no slower at
    anything and takes no more memory, and surely better in one of them. Those that are not beaten
    need more of a text or task while some pair of them is open by it.
    """
    relations = _relations(contenders, totals, looks)
    replacements = _replacements(contenders, relations)
    for loser, winner in beaten_before.items():
        replacements.setdefault(loser, {})[winner] = None
    order = [c.id for c in sorted(contenders, key=lambda c: (c.weight_bytes, c.id))]
    beaten = beaten_by_unbeaten(order, replacements, beaten_before)
    texts, tasks = _undecided([c for c in contenders if c.id not in beaten], relations, totals)
    return Decision(beaten, texts, tasks)


def _replacements(
    contenders: Sequence[Contender], relations: Mapping[tuple[str, str], Relation]
) -> dict[str, dict[str, None]]:
    """By id those that surely replace it. Sizes say which others may be compared with it in speed
    at any look; these statements share its error."""
    speed = SpeedOrder(contenders)
    replacements: dict[str, dict[str, None]] = {}
    for loser in contenders:
        smaller = [c for c in contenders if c is not loser and _is_as_small(c, loser)]
        alpha = _share_of_error(len(smaller))
        winners = {
            winner.id: None
            for winner in smaller
            if _replaces(winner, loser, relations[winner.quality, loser.quality], speed, alpha)
        }
        if winners:
            replacements[loser.id] = winners
    return replacements


def beaten_by_unbeaten(
    order: Sequence[str], replacements: Mapping[str, Container[str]], beaten_before: Container[str]
) -> dict[str, str]:
    """By id of what is beaten the first of `order` that replaces it and is not beaten.

    That A replaces B and B replaces C does not say that A replaces C, for each may be a little
    worse than what it replaces: where nothing unbeaten replaces C, something that does is kept, or
    C itself. What was beaten before stays so.
    """
    beaten = {name for name in order if name in replacements}
    while True:
        unbeaten = [name for name in order if name not in beaten]
        first = {
            name: next((winner for winner in unbeaten if winner in replacements[name]), "")
            for name in order
            if name in beaten
        }
        orphans = [name for name, winner in first.items() if not winner]
        if not orphans:
            return first
        beaten.remove(
            max(
                (name for name in order if name in beaten and name not in beaten_before),
                key=lambda name: sum(n == name or name in replacements[n] for n in orphans),
            )
        )


def _undecided(
    alive: Sequence[Contender],
    relations: Mapping[tuple[str, str], Relation],
    totals: Mapping[str, int],
) -> tuple[frozenset[str], frozenset[str]]:
    """Ids of those of which more chunks, and more items, may decide something. Variants of a model
    that KL divergence does not tell apart by what chooses are told apart by tasks."""
    by_quality = {contender.quality: contender for contender in alive}
    pairs = list(combinations(by_quality.values(), 2))
    amount = Amount(_share_of_error(len(by_quality) - 1), totals)
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
    """By pair of qualities. Statements about a contender share its error."""
    by_quality = {contender.quality: contender for contender in contenders}
    closest = _closest(by_quality.values())
    amount = Amount(look_alpha(_share_of_error(len(by_quality) - 1), looks), totals)
    relations = {(quality, quality): Relation.equal for quality in by_quality}
    for first, second in combinations(by_quality, 2):
        relation = compare_quality(
            by_quality[first], by_quality[second], amount, bool(closest & {first, second})
        )
        relations[first, second] = relation
        relations[second, first] = OPPOSITE.get(relation, relation)
    return relations


def _share_of_error(statements: int) -> float:
    """Error of each of so many statements about a contender, of its quality or of its speed."""
    return ERROR / 2 / max(1, statements)


def _closest(contenders: Iterable[Contender]) -> set[str]:
    """The quality that measured closest to 16 bits, of each model and text."""
    best: dict[tuple[str, str], tuple[float, str]] = {}
    for contender in contenders:
        for text, chunks in contender.texts.items():
            key = (contender.model, text)
            figure = (float(chunks.mean()), contender.quality)
            best[key] = min(best.get(key, figure), figure)
    return {quality for _, quality in best.values()}


def _covers(winner: Contender, loser: Contender) -> bool:
    """Whether all that is known of the loser is known of the winner, and nothing of the loser is
    missing: what was not measured may be what it is good at."""
    return not loser.missing and all(
        of_loser.keys() <= of_winner.keys()
        for of_loser, of_winner in (
            (loser.rates, winner.rates),
            (loser.texts, winner.texts),
            (loser.tasks, winner.tasks),
        )
    )


def _is_as_small(winner: Contender, loser: Contender) -> bool:
    """In weights, and in memory where that was measured of both."""
    if (winner.peak_bytes is None) != (loser.peak_bytes is None):
        return False
    return winner.weight_bytes <= AS_SMALL * loser.weight_bytes and (
        winner.peak_bytes or 0
    ) <= AS_SMALL * (loser.peak_bytes or 0)


def _replaces(
    winner: Contender, loser: Contender, relation: Relation, speed: SpeedOrder, alpha: float
) -> bool:
    """Whether nobody would miss the loser, which is no smaller; `alpha` is the error of a statement
    of a pair's speed. As fast in all means as fast in each, which needs no share of it; to be
    faster in any does."""
    if relation not in (Relation.better, Relation.equal) or not _covers(winner, loser):
        return False
    names = loser.rates.keys()

    def is_faster(least: float, error: float) -> Iterator[bool]:
        return (speed.least_ratio(n, winner.id, loser.id, error) >= least for n in names)

    return all(is_faster(AS_FAST, alpha)) and (
        relation is Relation.better
        or AS_SMALL * winner.weight_bytes < loser.weight_bytes
        or AS_SMALL * (winner.peak_bytes or 0) < (loser.peak_bytes or 0)
        or any(is_faster(1.0, alpha / len(names)) if names else ())
    )
