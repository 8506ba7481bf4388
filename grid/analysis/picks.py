"""The pick under stated limits, why each rival lost, and what to relax where nothing is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from grid.analysis.limits import (
    LIMIT_KINDS,
    REQUIRED_PROBABILITY,
    ExtraDraws,
    Limits,
    limit_text,
    probability_met,
    quantity_draws,
    stated_limits,
    tightest_limits,
)
from grid.analysis.posterior import DRAWS, SEED, Posterior, draw_posterior
from grid.analysis.variant import Variant
from grid.results.statistics.interval import LEVEL, Floats
from grid.units import format_bytes


@dataclass(frozen=True)
class Rejection:
    """Why a rival is not the pick. `kind`: `limit`, `unmeasured`, `tied` or `less capable`."""

    variant: Variant
    kind: str
    reason: str


@dataclass(frozen=True)
class Relaxation:
    """Loosening the limit from `now` to `to` lets `variant` in: one alone is enough, but of those
    that are `together` it takes all."""

    limit: str
    now: float
    to: float
    variant: Variant
    text: str
    together: bool = False


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
    `known` has draws of what a posterior does not hold.
    """
    posterior = (
        variants if isinstance(variants, Posterior) else draw_posterior(variants, draws, seed)
    )
    return [_pick(posterior, limits, extra_draws or {}) for limits in demands]


def _pick(posterior: Posterior, limits: Limits, extra_draws: ExtraDraws) -> Pick:
    measured = np.array([variant.capability is not None for variant in posterior.variants], bool)
    wanted = stated_limits(limits)
    drawn = {field: quantity_draws(posterior, field, extra_draws) for field in wanted}
    chances = {f: probability_met(drawn[f], v, LIMIT_KINDS[f].upper) for f, v in wanted.items()}
    admitted = measured & _all_met(chances, len(measured))
    failed = [
        _limit_rejection(variant, i, wanted, chances)
        for i, variant in enumerate(posterior.variants)
        if not admitted[i]
    ]
    if not admitted.any():
        relax = _relaxations(posterior, measured, wanted, chances, drawn)
        return Pick(limits, None, None, (), tuple(failed), relax)
    at = np.flatnonzero(admitted).tolist()
    best = min(at, key=lambda i: (-_capability(posterior.variants[i]), _rank(posterior, i)))
    better = _surely_better(posterior, at, best)
    equal = [i for i in at if better[i] is None]
    able = [i for i in equal if i == best or not _lack_uncertainty(posterior, i, best)]
    chosen = min(able, key=lambda i: _rank(posterior, i))
    lost = [_rejection(posterior, i, chosen, better[i]) for i in at if i != chosen]
    return Pick(
        limits,
        posterior.variants[chosen],
        posterior.variants[best],
        tuple(posterior.variants[i] for i in equal if i != chosen),
        tuple(lost + failed),
        (),
    )


def _surely_better(posterior: Posterior, at: list[int], best: int) -> dict[int, int | None]:
    """For each of `at` who of them is surely more capable: the best if it is, else the surest; None
    where nobody is. So loosening a limit never leads to a pick that the former one surely beats."""
    drawn = posterior.capability[:, at]
    sure = 1 - (1 - LEVEL) / 2
    unknown = np.array([posterior.variants[i].lacks_uncertainty for i in at], dtype=bool)
    by_best = (posterior.capability[:, [best]] > drawn).mean(axis=0)
    by_best[unknown | posterior.variants[best].lacks_uncertainty] = 0.0
    superior: dict[int, int | None] = {}
    for place, i in enumerate(at):
        if by_best[place] > sure:
            superior[i] = best
            continue
        better = (drawn > drawn[:, [place]]).mean(axis=0)
        better[unknown | unknown[place]] = 0.0
        surest = int(np.argmax(better))
        superior[i] = at[surest] if better[surest] > sure and i != best else None
    return superior


def _all_met(chances: dict[str, Floats], size: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    met = np.ones(size, dtype=bool)
    for chance in chances.values():
        met &= np.nan_to_num(chance, nan=0.0) >= REQUIRED_PROBABILITY
    return met


def _capability(variant: Variant) -> float:
    return -np.inf if variant.capability is None else variant.capability.value


def _lack_uncertainty(posterior: Posterior, *pair: int) -> bool:
    """True where it is not known how sure the capability of one of them is."""
    return any(posterior.variants[i].lacks_uncertainty for i in pair)


def _rank(posterior: Posterior, i: int) -> tuple[float, float, str]:
    """Smaller first, then faster, by a predicted rate where none was measured; the id keeps the
    choice from depending on the order of rows."""
    variant = posterior.variants[i]
    rate = variant.decode_tps.value if variant.decode_tps else 0.0
    if not rate:
        drawn = float(np.median(posterior.rates["decode_tps"][:, i]))
        rate = 0.0 if np.isnan(drawn) else float(np.exp(drawn))
    return variant.artifact_bytes or float("inf"), -rate, variant.id


def _limit_rejection(
    variant: Variant, i: int, wanted: dict[str, float], chances: dict[str, Floats]
) -> Rejection:
    if variant.capability is None:
        what = ", ".join(variant.missing)
        return Rejection(variant, "unmeasured", f"no capability{f' (no {what})' if what else ''}")
    unknown = [LIMIT_KINDS[name].title for name, chance in chances.items() if np.isnan(chance[i])]
    if unknown:
        return Rejection(variant, "unmeasured", "no " + ", ".join(unknown))
    parts = [
        limit_text(name, limit) + _probability_text(float(chances[name][i]))
        for name, limit in wanted.items()
        if chances[name][i] < REQUIRED_PROBABILITY
    ]
    return Rejection(variant, "limit", "; ".join(parts))


def _probability_text(chance: float) -> str:
    return " is not met" if chance == 0 else f" holds with probability {chance:.2f} only"


def _rejection(posterior: Posterior, i: int, chosen: int, better: int | None) -> Rejection:
    """A variant that meets the limits and lost: to a surely better one, or in the tie."""
    variant, pick = posterior.variants[i], posterior.variants[chosen]
    if better is not None:
        return Rejection(variant, "less capable", _less_capable(posterior, i, better))
    if _lack_uncertainty(posterior, i, chosen) and (
        gap := _capability(pick) - _capability(variant)
    ):
        side = "below" if gap > 0 else "above"
        text = f"capability {abs(gap):.3f} {side} {pick.label}, but how sure is not known"
        return Rejection(variant, "tied", text)
    if variant.artifact_bytes > pick.artifact_bytes:
        excess = format_bytes(variant.artifact_bytes - pick.artifact_bytes)
        return Rejection(variant, "tied", f"tied in capability, but {excess} larger")
    return Rejection(variant, "tied", "tied in capability and size, but not faster")


def _less_capable(posterior: Posterior, i: int, best: int) -> str:
    loss = posterior.capability[:, best] - posterior.capability[:, i]
    low, high = np.quantile(loss, [0.025, 0.975])
    most, variant = posterior.variants[best], posterior.variants[i]
    mean = _capability(most) - _capability(variant)
    text = f"capability {mean:.3f} ({low:.3f} to {high:.3f}) below {most.label}"
    if variant.artifact_bytes >= most.artifact_bytes and _slower(variant, most):
        return "dominated: " + text + ", and neither smaller nor faster"
    return text


def _slower(variant: Variant, rival: Variant) -> bool:
    mine, theirs = variant.decode_tps, rival.decode_tps
    return mine is None or theirs is None or mine.value <= theirs.value


def _relaxations(
    posterior: Posterior,
    measured: np.ndarray[tuple[int], np.dtype[np.bool_]],
    wanted: dict[str, float],
    chances: dict[str, Floats],
    drawn: dict[str, Floats],
) -> tuple[Relaxation, ...]:
    """For each limit, the least change that lets a variant in that meets all the others; where no
    single change is enough, all changes for the variant with the fewest limits in its way."""
    relaxations = []
    for name, limit in wanted.items():
        others = {field: chance for field, chance in chances.items() if field != name}
        able = measured & _all_met(others, len(measured))
        step = _smallest_relaxation(posterior, name, limit, able, drawn[name])
        if step is not None:
            relaxations.append(step)
    return tuple(relaxations) or _joint_relaxations(posterior, measured, wanted, chances, drawn)


def _smallest_relaxation(
    posterior: Posterior,
    name: str,
    limit: float,
    able: np.ndarray[tuple[int], np.dtype[np.bool_]],
    draws: Floats,
) -> Relaxation | None:
    reach = tightest_limits(draws, LIMIT_KINDS[name].upper)
    at = np.flatnonzero(able & np.isfinite(reach))
    if not at.size:
        return None
    sign = 1.0 if LIMIT_KINDS[name].upper else -1.0
    variants = posterior.variants
    nearest = min(
        at.tolist(), key=lambda i: (sign * reach[i], -_capability(variants[i]), _rank(posterior, i))
    )
    variant, to = variants[nearest], float(reach[nearest])
    kind = LIMIT_KINDS[name]
    verb = "raise" if kind.upper else "lower"
    text = f"{verb} {kind.title} from {kind.text(limit)} to {kind.text(to)} for {variant.label}"
    return Relaxation(name, limit, to, variant, text)


def _joint_relaxations(
    posterior: Posterior,
    measured: np.ndarray[tuple[int], np.dtype[np.bool_]],
    wanted: dict[str, float],
    chances: dict[str, Floats],
    drawn: dict[str, Floats],
) -> tuple[Relaxation, ...]:
    measurable = measured & ~np.isnan(np.array(list(chances.values()))).any(axis=0)
    at = np.flatnonzero(measurable)
    if not wanted or not at.size:
        return ()
    failing = {i: [n for n in wanted if chances[n][i] < REQUIRED_PROBABILITY] for i in at}
    nearest = min(at, key=lambda i: (len(failing[i]), -_capability(posterior.variants[i])))
    only = np.arange(len(posterior.variants)) == nearest
    steps = [
        _smallest_relaxation(posterior, name, wanted[name], only, drawn[name])
        for name in failing[nearest]
    ]
    return tuple(replace(step, together=len(steps) > 1) for step in steps if step is not None)
