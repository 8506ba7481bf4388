"""Which limits to relax, and how far, where no variant meets all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from grid.analysis.limit_check import LimitCheck, Mask
from grid.analysis.limits import LIMIT_KINDS, tightest_limits
from grid.analysis.variant import Variant


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


def relaxations(check: LimitCheck) -> tuple[Relaxation, ...]:
    """For each limit, the least change that lets a variant in that meets all the others; where no
    single change is enough, all changes for the variant with the fewest limits in its way."""
    steps = [_smallest(check, field, check.admitted(except_for=field)) for field in check.bounds]
    return tuple(step for step in steps if step is not None) or _joint(check)


def _smallest(check: LimitCheck, field: str, candidates: Mask) -> Relaxation | None:
    """The least change of one limit that lets a candidate in."""
    kind, bound = LIMIT_KINDS[field], check.bounds[field]
    reach = tightest_limits(check.draws[field], kind.upper)
    indices = np.flatnonzero(candidates & np.isfinite(reach)).tolist()
    if not indices:
        return None
    sign = 1.0 if kind.upper else -1.0
    nearest = min(indices, key=lambda i: (sign * reach[i], -check.order.value(i), check.rank(i)))
    variant, to = check.posterior.variants[nearest], float(reach[nearest])
    verb = "raise" if kind.upper else "lower"
    text = f"{verb} {kind.title} from {kind.text(bound)} to {kind.text(to)} for {variant.label}"
    return Relaxation(field, bound, to, variant, text)


def _joint(check: LimitCheck) -> tuple[Relaxation, ...]:
    """All changes for the variant with the fewest limits in its way."""
    indices = [i for i in np.flatnonzero(check.order.measured).tolist() if not check.unknown(i)]
    if not check.bounds or not indices:
        return ()
    nearest = min(indices, key=lambda i: (len(check.failing(i)), -check.order.value(i)))
    only = np.arange(len(check.posterior.variants)) == nearest
    fields = check.failing(nearest)
    steps = [_smallest(check, field, only) for field in fields]
    return tuple(replace(step, together=len(fields) > 1) for step in steps if step is not None)
