"""The pick under stated limits, why each rival lost, and what to relax where none is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grid.analysis.figures import interval_in_words, score
from grid.analysis.limit_check import LimitCheck, check_limits
from grid.analysis.limits import LIMIT_KINDS, ExtraDraws, Limits, limit_text
from grid.analysis.posterior import DRAWS, SEED, Posterior, as_posterior
from grid.analysis.relaxations import Relaxation, relaxations
from grid.analysis.variant import Variant
from grid.results.statistics.interval import LEVEL, Interval
from grid.units import format_bytes


@dataclass(frozen=True)
class Rejection:
    """Why a rival is not the pick. `kind`: `limit`, `unmeasured`, `tied` or `less capable`."""

    variant: Variant
    kind: str
    reason: str


@dataclass(frozen=True)
class Pick:
    """The variant to run under the limits, or None with the relaxations that would give one.

    `tied` are those whose capability the data cannot tell from the pick's; `best` is the most
    capable that meets the limits, which the pick ties with or is.
    """

    limits: Limits
    variant: Variant | None
    best: Variant | None
    tied: tuple[Variant, ...]
    rejected: tuple[Rejection, ...]
    relax: tuple[Relaxation, ...]


def picks(
    variants: Sequence[Variant] | Posterior,
    demands: Sequence[Limits],
    draws: int = DRAWS,
    seed: int = SEED,
    extra_draws: ExtraDraws | None = None,
) -> list[Pick]:
    """A pick for each of the demands, on one hardware class.

    The rule: a limit on something uncertain must hold with probability 0.9. Among those that meet
    all limits the highest capability counts; the ones that none of the others surely beats (its
    capability is higher in at most 97.5 % of the joint draws) are taken as equal, and the smallest
    of them wins, then the fastest. Of a pair of which it is not known how sure one is neither
    surely beats the other, and the one that measured less does not win for its size either.
    `extra_draws` has draws of what a posterior does not hold.
    """
    posterior = as_posterior(variants, draws, seed)
    return [_pick(limits, check_limits(posterior, limits, extra_draws or {})) for limits in demands]


def _pick(limits: Limits, check: LimitCheck) -> Pick:
    variants = check.posterior.variants
    admitted = check.admitted()
    failed = [_limit_rejection(check, i) for i in np.flatnonzero(~admitted).tolist()]
    if not admitted.any():
        return Pick(limits, None, None, (), tuple(failed), relaxations(check))
    indices = np.flatnonzero(admitted).tolist()
    best = min(indices, key=lambda i: (-check.capability(i), check.rank(i)))
    better = _surely_better(check.posterior, indices, best)
    equal = [i for i in indices if better[i] is None]
    eligible = [i for i in equal if i == best or not _lack_uncertainty(check, i, best)]
    chosen = min(eligible, key=check.rank)
    lost = [_rejection(check, i, chosen, better[i]) for i in indices if i != chosen]
    return Pick(
        limits,
        variants[chosen],
        variants[best],
        tuple(variants[i] for i in equal if i != chosen),
        tuple(lost + failed),
        (),
    )


def _surely_better(
    posterior: Posterior, indices: Sequence[int], best: int
) -> dict[int, int | None]:
    """By index of each variant the one that is surely more capable: the best if it is, else the
    surest; None where none is. So loosening a limit never leads to a pick that the former one
    surely beats."""
    drawn = posterior.capability[:, indices]
    sure = 1 - (1 - LEVEL) / 2
    unknown = np.array([posterior.variants[i].lacks_uncertainty for i in indices], dtype=bool)
    by_best = (posterior.capability[:, [best]] > drawn).mean(axis=0)
    by_best[unknown | posterior.variants[best].lacks_uncertainty] = 0.0
    superior: dict[int, int | None] = {}
    for place, i in enumerate(indices):
        if by_best[place] > sure:
            superior[i] = best
            continue
        better = (drawn > drawn[:, [place]]).mean(axis=0)
        better[unknown | unknown[place]] = 0.0
        surest = int(np.argmax(better))
        superior[i] = indices[surest] if better[surest] > sure and i != best else None
    return superior


def _lack_uncertainty(check: LimitCheck, *pair: int) -> bool:
    """True where the uncertainty of one of the pair's capabilities is unknown."""
    return any(check.posterior.variants[i].lacks_uncertainty for i in pair)


def _limit_rejection(check: LimitCheck, i: int) -> Rejection:
    """A variant that was not admitted: unmeasured, or beyond a limit."""
    variant = check.posterior.variants[i]
    if variant.capability is None:
        what = ", ".join(variant.missing)
        return Rejection(variant, "unmeasured", f"no capability{f' (no {what})' if what else ''}")
    if unknown := [LIMIT_KINDS[field].title for field in check.unknown(i)]:
        return Rejection(variant, "unmeasured", "no " + ", ".join(unknown))
    parts = [
        limit_text(field, check.bounds[field]) + _probability_text(float(check.chances[field][i]))
        for field in check.failing(i)
    ]
    return Rejection(variant, "limit", "; ".join(parts))


def _probability_text(chance: float) -> str:
    return " is not met" if chance == 0 else f" holds with probability {chance:.2f} only"


def _rejection(check: LimitCheck, i: int, chosen: int, better: int | None) -> Rejection:
    """A variant that meets the limits and lost: to a surely better one, or in the tie."""
    variant, pick = check.posterior.variants[i], check.posterior.variants[chosen]
    if better is not None:
        return Rejection(variant, "less capable", _less_capable(check, i, better))
    gap = check.capability(chosen) - check.capability(i)
    if gap and _lack_uncertainty(check, i, chosen):
        side = "below" if gap > 0 else "above"
        text = f"capability {score(abs(gap))} {side} {pick.label}, but how sure is not known"
        return Rejection(variant, "tied", text)
    if variant.artifact_bytes > pick.artifact_bytes:
        excess = format_bytes(variant.artifact_bytes - pick.artifact_bytes)
        return Rejection(variant, "tied", f"tied in capability, but {excess} larger")
    return Rejection(variant, "tied", "tied in capability and size, but not faster")


def _less_capable(check: LimitCheck, i: int, better: int) -> str:
    posterior = check.posterior
    low, high = np.quantile(
        posterior.capability[:, better] - posterior.capability[:, i], [0.025, 0.975]
    )
    mean = check.capability(better) - check.capability(i)
    loss = interval_in_words(Interval(mean, float(low), float(high)), score)
    variant, rival = posterior.variants[i], posterior.variants[better]
    text = f"capability {loss} below {rival.label}"
    if variant.artifact_bytes >= rival.artifact_bytes and _not_faster(variant, rival):
        return "dominated: " + text + ", and neither smaller nor faster"
    return text


def _not_faster(variant: Variant, rival: Variant) -> bool:
    rate, rival_rate = variant.decode_tps, rival.decode_tps
    return rate is None or rival_rate is None or rate.value <= rival_rate.value
