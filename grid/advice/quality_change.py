"""By how much a variant is better or worse in quality than another, with how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grid.analysis import Posterior, Variant
from grid.analysis.axes import axis_of, estimate, lacks_uncertainty
from grid.analysis.figures import interval_in_words, signed, signed_number
from grid.analysis.quality_order import CAPABILITY, KLD
from grid.analysis.text_draws import CLOSEST, text_scope
from grid.results.statistics import Interval
from grid.results.statistics.interval import Floats


@dataclass(frozen=True)
class QualityChange:
    """A variant minus a reference: of capability (more is better), and of KL divergence from 16
    bits in nats (less is better); None where there is none. `text` says it."""

    capability: Interval | None
    kld: Interval | None
    text: str


def quality_change(
    posterior: Posterior, axis: str, variant: Variant, reference: Variant
) -> QualityChange:
    """The change on the axis that ranks; beside capability that of KL divergence."""
    if axis == CAPABILITY:
        change = capability_difference(posterior, variant, reference)
        kld = _divergence_beside(posterior, variant, reference)
        beside = "" if kld is None else f"; {_words('KLD', kld, ' nat')}"
        text = f"capability {interval_in_words(change, signed)}{_doubt_text(change)}{beside}"
        return QualityChange(change, kld, text)
    change = text_difference(posterior, axis, variant, reference)
    if axis == KLD:
        return QualityChange(None, change, _words("KLD", change, " nat"))
    return QualityChange(None, None, _words(axis, change))


def capability_difference(posterior: Posterior, variant: Variant, reference: Variant) -> Interval:
    """Capability of `variant` minus that of `reference`, with the 95 % interval of the joint draws;
    without an interval where the uncertainty of either is not known."""
    mine, theirs = (posterior.capability[:, posterior.index[v.id]] for v in (variant, reference))
    unknown = variant.lacks_uncertainty or reference.lacks_uncertainty
    difference = _value_of(variant, CAPABILITY) - _value_of(reference, CAPABILITY)
    return interval_of_draws(difference, mine - theirs, unknown)


def text_difference(
    posterior: Posterior, axis: str, variant: Variant, reference: Variant
) -> Interval:
    """The same of KLD, nat, or perplexity; a divergence not above the noise floor is 0."""
    drawn = []
    for side in (variant, reference):
        closeness = posterior.texts[axis][:, posterior.index[side.id]]
        drawn.append(np.where(closeness >= CLOSEST, 0.0, np.exp(-closeness)))
    unknown = any(lacks_uncertainty(side, axis_of(axis)) for side in (variant, reference))
    difference = _value_of(variant, axis) - _value_of(reference, axis)
    return interval_of_draws(difference, drawn[0] - drawn[1], unknown)


def interval_of_draws(value: float, drawn: Floats, unknown: bool) -> Interval:
    """The central 95 % of draws [draws]; without ends where the uncertainty is not known."""
    if unknown:
        return Interval(value, method="difference; uncertainty not known")
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    return Interval(value, low, high, n=len(drawn), method="difference of joint draws")


def excludes_zero(change: Interval) -> bool:
    return change.low is not None and change.high is not None and change.low * change.high > 0


def _divergence_beside(
    posterior: Posterior, variant: Variant, reference: Variant
) -> Interval | None:
    """Of two variants of one model, on one text."""
    scope = text_scope(variant, KLD)
    if scope is None or scope != text_scope(reference, KLD):
        return None
    return text_difference(posterior, KLD, variant, reference)


def _words(name: str, change: Interval, unit: str = "") -> str:
    return f"{name} {interval_in_words(change, signed_number)}{unit}{_doubt_text(change)}"


def _doubt_text(change: Interval) -> str:
    if change.low is None:
        return ", how sure is not known"
    return "" if excludes_zero(change) else ", no sure difference"


def _value_of(variant: Variant, axis: str) -> float:
    figure = estimate(variant, axis_of(axis))
    return float("nan") if figure is None else figure
