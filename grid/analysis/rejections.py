"""Why each rival of a pick lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from grid.analysis.axes import axis_of, estimate, lacks_uncertainty
from grid.analysis.figures import divergence, interval_in_words, number, score
from grid.analysis.limit_check import LimitCheck
from grid.analysis.limits import LIMIT_KINDS, limit_text
from grid.analysis.quality_order import CAPABILITY, KLD
from grid.analysis.text_draws import text_scope
from grid.analysis.variant import Variant
from grid.results.statistics import Interval
from grid.units import format_bytes

WITHIN_LIMITS = ("tied", "less capable", "less close", "expected loss")
"""Kinds of rejection of those that meet all limits."""


@dataclass(frozen=True)
class Rejection:
    """Why a rival is not the pick. `kind`: `limit`, `unmeasured`, `tied`, surely `less capable` or
    `less close` to 16 bits (by KL divergence or perplexity), or an `expected loss` that is over the
    tolerance, but not sure."""

    variant: Variant
    kind: str
    reason: str


@dataclass(frozen=True)
class ChoiceReasons:
    """The choice among those that meet all limits, by their places in the posterior: the `chosen`,
    what each is expected to lose, a surely better one of each, and one surely `closer` to 16 bits
    of those that are not surely less capable."""

    chosen: int
    losses: Mapping[int, float]
    superiors: Mapping[int, int | None]
    closer: Mapping[int, int]


def limit_rejection(check: LimitCheck, i: int) -> Rejection:
    """A variant that was not admitted: unmeasured, or beyond a limit."""
    variant = check.posterior.variants[i]
    if not check.order.measured[i]:
        what = ", ".join(variant.missing) if check.order.axis.name == CAPABILITY else ""
        lack = f"no {check.order.axis.title}"
        if estimate(variant, check.order.axis) is not None:
            lack = f"its {check.order.axis.title} is of another model, text or reference"
        return Rejection(variant, "unmeasured", f"{lack} (no {what})" if what else lack)
    if unknown := [LIMIT_KINDS[field].title for field in check.unknown(i)]:
        return Rejection(variant, "unmeasured", "no " + ", ".join(unknown))
    parts = [
        limit_text(field, check.bounds[field]) + _probability_text(float(check.chances[field][i]))
        for field in check.failing(i)
    ]
    return Rejection(variant, "limit", "; ".join(parts))


def rejection(check: LimitCheck, i: int, outcome: ChoiceReasons) -> Rejection:
    """A variant that meets the limits and lost."""
    variant, pick = check.posterior.variants[i], check.posterior.variants[outcome.chosen]
    capability = check.order.axis.name == CAPABILITY
    if i in outcome.closer:
        return Rejection(variant, "less close", _further(check, i, outcome.closer[i]))
    if text := _unsure_text(check, i, outcome.chosen):
        return Rejection(variant, "tied", text)
    if outcome.losses[i] > check.order.tolerance:
        better = outcome.superiors[i]
        if better is None:
            return Rejection(variant, "expected loss", _expected_loss(check, i, outcome))
        if capability:
            return Rejection(variant, "less capable", _less_capable(check, i, better))
        return Rejection(variant, "less close", _less_close(check, i, better))
    tie = f"tied within {_tolerance_text(check)}"
    if variant.artifact_bytes > pick.artifact_bytes:
        excess = format_bytes(variant.artifact_bytes - pick.artifact_bytes)
        return Rejection(variant, "tied", f"{tie}, but {excess} larger")
    if variant.artifact_bytes < pick.artifact_bytes:
        return Rejection(variant, "tied", f"{tie}, but how close to 16 bits is not known")
    return Rejection(variant, "tied", f"{tie}, of one size, but not faster")


def _tolerance_text(check: LimitCheck) -> str:
    """What counts as equal: `0.01 of capability`, `0.01 nat of KLD`."""
    axis, tolerance = check.order.axis.name, check.order.tolerance
    if axis == CAPABILITY:
        return f"{tolerance:g} of capability"
    return f"{tolerance:g} nat of KLD" if axis == KLD else f"{100 * tolerance:g} % of perplexity"


def _probability_text(chance: float) -> str:
    return " is not met" if chance == 0 else f" holds with probability {chance:.2f} only"


def _unsure_text(check: LimitCheck, i: int, chosen: int) -> str:
    """A difference of which it is not known how sure it is; empty where there is none."""
    variant, pick = (check.posterior.variants[index] for index in (i, chosen))
    gap = check.order.value(chosen) - check.order.value(i)
    if gap and check.order.lack_uncertainty(i, chosen):
        if check.order.axis.name != CAPABILITY:
            return f"{_figures_text(check, i, chosen)}, but how sure is not known"
        side = "below" if gap > 0 else "above"
        return f"capability {score(abs(gap))} {side} {pick.label}, but how sure is not known"
    same = text_scope(variant, KLD) is not None
    same = same and text_scope(variant, KLD) == text_scope(pick, KLD)
    axis = axis_of(KLD)
    if same and any(lacks_uncertainty(v, axis) for v in (variant, pick)):
        mine, rivals = (estimate(v, axis) or 0.0 for v in (variant, pick))
        if mine > rivals:
            return (
                f"no sure difference in capability; KLD {divergence(mine)} against "
                f"{divergence(rivals)} of {pick.label}, but how sure is not known"
            )
    return ""


def _less_capable(check: LimitCheck, i: int, better: int) -> str:
    posterior = check.posterior
    low, high = np.quantile(
        posterior.capability[:, better] - posterior.capability[:, i], [0.025, 0.975]
    )
    mean = check.order.value(better) - check.order.value(i)
    loss = interval_in_words(Interval(mean, float(low), float(high)), score)
    variant, rival = posterior.variants[i], posterior.variants[better]
    return _dominated(f"capability {loss} below {rival.label}", variant, rival)


def _less_close(check: LimitCheck, i: int, better: int) -> str:
    variant, rival = (check.posterior.variants[index] for index in (i, better))
    apart = f"surely more than {_tolerance_text(check)} apart"
    return _dominated(f"{_figures_text(check, i, better)}, {apart}", variant, rival)


def _further(check: LimitCheck, i: int, closer: int) -> str:
    variant, rival = (check.posterior.variants[index] for index in (i, closer))
    mine, rivals = (estimate(v, axis_of(KLD)) for v in (variant, rival))
    text = f"KLD {divergence(mine)} against {divergence(rivals)} of {rival.label}"
    return f"no sure difference in capability, but further from 16 bits: {text}"


def _expected_loss(check: LimitCheck, i: int, outcome: ChoiceReasons) -> str:
    """`expected to lose 0.023 of capability, more than the 0.01 that counts as a tie (not
    sure)`."""
    order = check.order
    loss, limit = outcome.losses[i], order.tolerance
    if order.axis.name == CAPABILITY:
        what = f"{score(loss)} of capability"
    elif order.axis.name == KLD:
        what = f"{divergence(loss)} of KLD"
    else:
        what = f"{number(100 * loss)} % of perplexity"
        limit *= 100
    return f"expected to lose {what}, more than the {limit:g} that counts as a tie (not sure)"


def _figures_text(check: LimitCheck, i: int, better: int) -> str:
    """`KLD 0.0554 nat against 0.0039 nat of base Q8_0`."""
    variant, rival = (check.posterior.variants[index] for index in (i, better))
    mine, rivals = (estimate(v, check.order.axis) for v in (variant, rival))
    if check.order.axis.name == KLD:
        return f"KLD {divergence(mine)} against {divergence(rivals)} of {rival.label}"
    return f"perplexity {number(mine, 5)} against {number(rivals, 5)} of {rival.label}"


def _dominated(text: str, variant: Variant, rival: Variant) -> str:
    if variant.artifact_bytes >= rival.artifact_bytes and _not_faster(variant, rival):
        return "dominated: " + text + ", and neither smaller nor faster"
    return text


def _not_faster(variant: Variant, rival: Variant) -> bool:
    rate, rival_rate = variant.decode_tps, rival.decode_tps
    return rate is None or rival_rate is None or rate.value <= rival_rate.value
