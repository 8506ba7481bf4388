"""The pick under stated limits, why each rival lost, and what to relax where none is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from grid.analysis.limit_check import LimitCheck, check_limits
from grid.analysis.limits import ExtraDraws, Limits
from grid.analysis.posterior import DRAWS, SEED, Posterior, as_posterior
from grid.analysis.quality_order import CAPABILITY, TOLERANCE, QualityOrder
from grid.analysis.rejections import ChoiceReasons, Rejection, limit_rejection, rejection
from grid.analysis.relaxations import Relaxation, relaxations
from grid.analysis.variant import Variant


@dataclass(frozen=True)
class Pick:
    """The variant to run under the limits, or None with the relaxations that would give one.

    `expected_loss` is what it is expected to lose of the best that fits, at most the tolerance.
    `tied` are the others of which that holds, or of which it is not known how sure a figure is.
    `best` is the one that measured most within the limits, `smallest` the smallest that what was
    measured cannot surely tell from it: the pick itself, or one that is expected to lose more or is
    surely further from 16 bits.
    """

    limits: Limits
    variant: Variant | None
    best: Variant | None
    tied: tuple[Variant, ...]
    rejected: tuple[Rejection, ...]
    relax: tuple[Relaxation, ...]
    smallest: Variant | None = None
    expected_loss: float = 0.0


def picks(
    variants: Sequence[Variant] | Posterior,
    demands: Sequence[Limits],
    draws: int = DRAWS,
    seed: int = SEED,
    extra_draws: ExtraDraws | None = None,
    axis: str = CAPABILITY,
    tolerance: float = TOLERANCE,
) -> list[Pick]:
    """A pick for each of the demands, on one hardware class.

    The rule: a limit on something uncertain must hold with probability 0.9. Of those that meet all
    limits, a variant may be chosen that is expected to lose at most `tolerance` of the best, by
    `quality_order`: in capability, and within one model no variant that is surely further from 16
    bits than another that may be chosen. The smallest of them wins, then the fastest. Of a pair of
    which it is not known how sure one is, the one that measured less does not win for its size.
    `axis` is capability, or where no tasks were run kld_mean or perplexity, of one model; the
    tolerance is in its unit. `extra_draws` has draws of what a posterior does not hold.
    """
    order = QualityOrder(as_posterior(variants, draws, seed), axis, tolerance)
    return [pick_of(order, limits, extra_draws) for limits in demands]


def pick_of(order: QualityOrder, limits: Limits, extra_draws: ExtraDraws | None = None) -> Pick:
    """The pick by the same rule, of an order of quality."""
    return _pick(limits, check_limits(order, limits, extra_draws or {}))


def picked_variant(
    order: QualityOrder, limits: Limits, extra_draws: ExtraDraws | None = None
) -> Variant | None:
    """The variant of that pick alone: why the others lost, which takes most of the time, is left
    out."""
    choice = _choose(check_limits(order, limits, extra_draws or {}))
    return None if choice is None else order.posterior.variants[choice.chosen]


class _Choice(NamedTuple):
    """The choice among those that meet all limits, by their places in the posterior: `losses` and
    `closer` as in ChoiceReasons."""

    indices: list[int]
    chosen: int
    losses: Mapping[int, float]
    closer: Mapping[int, int]


def _choose(check: LimitCheck) -> _Choice | None:
    """None where nothing meets all limits."""
    order = check.order
    indices = np.flatnonzero(check.admitted()).tolist()
    if not indices:
        return None
    losses = order.losses(indices)
    # Sums in another order differ in the last bits.
    equal = [i for i in indices if losses[i] <= order.tolerance + 1e-12]
    closer = order.closer(equal) if order.axis.name == CAPABILITY else {}
    open_to_choice = [i for i in equal if i not in closer]
    held_back = order.held_back(open_to_choice)
    chosen = _smallest(check, [i for i in open_to_choice if i not in held_back])
    return _Choice(indices, chosen, losses, closer)


def _pick(limits: Limits, check: LimitCheck) -> Pick:
    order, variants = check.order, check.posterior.variants
    choice = _choose(check)
    failed = [limit_rejection(check, i) for i in np.flatnonzero(~check.admitted()).tolist()]
    if choice is None:
        return Pick(limits, None, None, (), tuple(failed), relaxations(check))
    indices, chosen, losses, closer = choice
    best = _best(check, indices)
    superiors = order.superiors(indices, best)
    unbeaten = [i for i in indices if superiors[i] is None]
    if order.axis.name == CAPABILITY:
        closer = {**order.closer(unbeaten), **closer}
    outcome = ChoiceReasons(chosen, losses, superiors, closer)
    lost = [rejection(check, i, outcome) for i in indices if i != chosen]
    return Pick(
        limits,
        variants[chosen],
        variants[best],
        tuple(loser.variant for loser in lost if loser.kind == "tied"),
        tuple(lost + failed),
        (),
        variants[_smallest(check, unbeaten)],
        max(0.0, losses[chosen]),
    )


def _best(check: LimitCheck, indices: Sequence[int]) -> int:
    """The one that measured most."""
    return min(indices, key=lambda i: (-check.order.value(i), check.rank(i)))


def _smallest(check: LimitCheck, equal: Sequence[int]) -> int:
    """The smallest, of those of which it is known how sure they are equal to the best."""
    best = _best(check, equal)
    eligible = [i for i in equal if i == best or not check.order.lack_uncertainty(i, best)]
    return min(eligible, key=check.rank)
