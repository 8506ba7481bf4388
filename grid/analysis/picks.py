"""The pick under stated limits, why each rival lost, and what to relax where none is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grid.analysis.limit_check import LimitCheck, check_limits
from grid.analysis.limits import ExtraDraws, Limits
from grid.analysis.posterior import DRAWS, SEED, Posterior, as_posterior
from grid.analysis.quality_order import CAPABILITY, QualityOrder
from grid.analysis.rejections import Rejection, limit_rejection, rejection
from grid.analysis.relaxations import Relaxation, relaxations
from grid.analysis.variant import Variant


@dataclass(frozen=True)
class Pick:
    """The variant to run under the limits, or None with the relaxations that would give one.

    `tied` are those that nothing surely beats either, like the pick; `best` is the one that
    measured most on the axis within the limits. `smallest` is the smallest of those that tie with
    it on that axis: the pick itself, unless KL divergence shows that the pick is closer to 16 bits.
    """

    limits: Limits
    variant: Variant | None
    best: Variant | None
    tied: tuple[Variant, ...]
    rejected: tuple[Rejection, ...]
    relax: tuple[Relaxation, ...]
    smallest: Variant | None = None


def picks(
    variants: Sequence[Variant] | Posterior,
    demands: Sequence[Limits],
    draws: int = DRAWS,
    seed: int = SEED,
    extra_draws: ExtraDraws | None = None,
    axis: str = CAPABILITY,
) -> list[Pick]:
    """A pick for each of the demands, on one hardware class.

    The rule: a limit on something uncertain must hold with probability 0.9. Of those that meet all
    limits the ones that none of the others surely beats, by the order of `quality_order`, are taken
    as equal: in capability, and where that is a tie, within one model, in KL divergence from 16
    bits. The smallest of them wins, then the fastest. Of a pair of which it is not known how sure
    one is neither surely beats the other, and the one that measured less does not win for its size
    either. `axis` is capability, or where no tasks were run kld_mean or perplexity, of one model.
    `extra_draws` has draws of what a posterior does not hold.
    """
    order = QualityOrder(as_posterior(variants, draws, seed), axis)
    return [_pick(limits, check_limits(order, limits, extra_draws or {})) for limits in demands]


def _pick(limits: Limits, check: LimitCheck) -> Pick:
    order, variants = check.order, check.posterior.variants
    admitted = check.admitted()
    failed = [limit_rejection(check, i) for i in np.flatnonzero(~admitted).tolist()]
    if not admitted.any():
        return Pick(limits, None, None, (), tuple(failed), relaxations(check))
    indices = np.flatnonzero(admitted).tolist()
    best = _best(check, indices)
    superiors = order.superiors(indices, best)
    equal = [i for i in indices if superiors[i] is None]
    held_back = order.held_back(equal)
    chosen = _smallest(check, [i for i in equal if i not in held_back])
    tied_on_axis = [i for i in indices if (s := superiors[i]) is None or s.axis != order.axis.name]
    lost = [rejection(check, i, chosen, superiors[i]) for i in indices if i != chosen]
    return Pick(
        limits,
        variants[chosen],
        variants[best],
        tuple(variants[i] for i in equal if i != chosen),
        tuple(lost + failed),
        (),
        variants[_smallest(check, tied_on_axis)],
    )


def _best(check: LimitCheck, indices: Sequence[int]) -> int:
    """The one that measured most."""
    return min(indices, key=lambda i: (-check.order.value(i), check.rank(i)))


def _smallest(check: LimitCheck, equal: Sequence[int]) -> int:
    """The smallest, of those of which it is known how sure they are equal to the best."""
    best = _best(check, equal)
    eligible = [i for i in equal if i == best or not check.order.lack_uncertainty(i, best)]
    return min(eligible, key=check.rank)
