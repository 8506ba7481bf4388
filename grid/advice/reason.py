"""Why a pick was chosen and how sure that is, each in one short sentence."""

from __future__ import annotations

from grid.advice.advice import Advice, Candidate
from grid.analysis import quality_order
from grid.analysis.axes import axis_of, estimate
from grid.analysis.figures import probability_in_words
from grid.analysis.labels import disambiguating_labels
from grid.analysis.rejections import WITHIN_LIMITS
from grid.units import format_bytes

_BEST = {
    quality_order.CAPABILITY: "the most capable",
    quality_order.KLD: "the closest to 16 bits",
    quality_order.PERPLEXITY: "the lowest in perplexity",
}


def reason_text(advice: Advice) -> str:
    """`Ties with large Q6_K; chosen because it is 850 KiB smaller`; empty without a pick."""
    pick, best = advice.pick, _best_rival(advice)
    if pick is None:
        return ""
    fitting = _count_within_limits(advice)
    if fitting == 1:
        return f"The only one of {len(advice.candidates)} that meets the limits"
    if best is None:
        return f"Measured {_BEST[advice.quality.axis]} of the {fitting} that fit"
    less = best.variant.artifact_bytes - pick.variant.artifact_bytes
    if less > 0:
        advantage = f"{format_bytes(less)} smaller"
    elif less == 0:
        advantage = "faster at the same size"
    else:
        advantage = "closer to 16 bits"
    return f"Ties with {label_beside(best, pick)}; chosen because it is {advantage}"


def _best_rival(advice: Advice) -> Candidate | None:
    """The one that measured best within the limits, where that is not the pick alone."""
    if advice.pick is None or advice.best is not advice.pick:
        return advice.best
    axis = axis_of(advice.quality.axis)
    figure = estimate(advice.pick.variant, axis)
    tied = {lost.variant.id for lost in advice.rejected if lost.kind == "tied"}
    equal = [
        candidate
        for candidate in advice.candidates
        if candidate.variant.id in tied and estimate(candidate.variant, axis) == figure
    ]
    return max(equal, key=lambda candidate: candidate.variant.artifact_bytes, default=None)


def label_beside(candidate: Candidate, pick: Candidate) -> str:
    """A candidate's label, with what tells it from the pick where both have the same."""
    words = disambiguating_labels([candidate.variant, pick.variant])[candidate.variant.id]
    return f"{candidate.label} ({words})" if words else candidate.label


def certainty_line(advice: Advice) -> str:
    """`62 % sure that nothing that fits is better by more than 0.01`; empty without a pick."""
    if advice.pick is None:
        return ""
    if _count_within_limits(advice) == 1:
        return "nothing else meets the limits"
    if advice.sure is None:
        return "not known: some figures came without their uncertainty"
    sure = probability_in_words(advice.sure)
    return f"{sure} sure that nothing that fits is better by more than {tolerance_text(advice)}"


def tolerance_text(advice: Advice) -> str:
    """What counts as a tie, with its unit: `0.01`, `0.01 nat`, `1 %`."""
    if advice.quality.axis == quality_order.PERPLEXITY:
        return f"{100 * advice.tolerance:g} %"
    unit = " nat" if advice.quality.axis == quality_order.KLD else ""
    return f"{advice.tolerance:g}{unit}"


def _count_within_limits(advice: Advice) -> int:
    return 1 + sum(lost.kind in WITHIN_LIMITS for lost in advice.rejected)
