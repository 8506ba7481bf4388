"""Advice in sentences, the same for a page and for a terminal."""

from __future__ import annotations

from collections.abc import Callable

from grid.advice.advice import CAPABILITY, DECODE, MEMORY, TTFT, Advice, Candidate, Figure
from grid.advice.alternatives import KINDS_WITHIN_LIMITS
from grid.analysis.figures import interval_in_words, probability_in_words, rate, wait
from grid.results.statistics import Interval
from grid.units import format_bytes


def headline(advice: Advice) -> str:
    """The answer in one sentence."""
    if advice.pick is not None:
        return f"run {advice.pick.label} in {advice.pick.variant.backend}"
    needs = [
        (c.figures[MEMORY].value, c.label, c) for c in advice.candidates if MEMORY in c.figures
    ]
    if advice.budget_bytes is not None and needs:
        need, label, least = min(needs, key=lambda entry: entry[:2])
        if need > advice.budget_bytes:
            return (
                f"nothing fits: models can have {format_bytes(advice.budget_bytes)}, and the "
                f"least, {label}, needs {format_bytes(need)} with {least.context} tokens of context"
            )
    if all(rejection.kind == "unmeasured" for rejection in advice.rejected):
        return "nothing can be said: no variant has all that the limits are about"
    if advice.contradictory:
        return "the limits contradict each other: each can be met, but not all by one variant"
    return "nothing meets the limits"


def certainty_text(advice: Advice) -> str:
    """How sure the pick is, in one sentence; empty without a pick."""
    if advice.pick is None:
        return ""
    if not any(lost.kind in KINDS_WITHIN_LIMITS for lost in advice.rejected):
        text = "the only one that fits: nothing to compare with"
    elif advice.sure is None:
        text = "not known: some figures came without their uncertainty"
    else:
        text = (
            f"{probability_in_words(advice.sure)} that it is the most capable of what fits, give "
            f"or take {advice.tolerance:g}"
        )
    if advice.best is not None and advice.gap is not None:
        low, high = advice.gap.low, advice.gap.high
        ends = f" ({low:.3f} to {high:.3f})" if low is not None and high is not None else ""
        text += (
            f"; {advice.best.label} measures {advice.gap.value:.3f} more{ends}: a tie, which goes "
            "to the smaller"
        )
    return text


def costs_text(advice: Advice) -> list[str]:
    """What each limit costs; those that cost nothing in one sentence."""
    texts = [cost.text for cost in advice.costs if cost.without is not None]
    free = [cost.demand for cost in advice.costs if cost.without is None]
    if free:
        texts.append(f"nothing, the pick is the same without: {', '.join(free)}")
    return texts


def replay_text(advice: Advice) -> str:
    """The command that measures the pick, and where to run it if it is predicted."""
    if advice.pick is None:
        return ""
    where = f" (on {advice.hardware} itself)" if advice.pick.predicted else ""
    return f"{advice.replay}{where}"


def weights_text(advice: Advice) -> str:
    """`math 75 %, reasoning 25 %`, the largest first."""
    order = sorted(advice.weights.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{name} {100 * weight:.0f} %" for name, weight in order)


def figure_text(quantity: str, figure: Figure) -> str:
    """A figure with its unit and, where there is one, its interval."""
    return interval_in_words(Interval(figure.value, figure.low, figure.high), _WRITERS[quantity])


def parts_text(candidate: Candidate) -> str:
    """What a candidate's memory is made of."""
    parts = [f"weights {format_bytes(candidate.weights_bytes)}"]
    if candidate.kv_bytes is not None:
        parts.append(f"KV cache {format_bytes(candidate.kv_bytes)}")
    if candidate.overhead_bytes is not None:
        parts.append(f"the rest {format_bytes(candidate.overhead_bytes)}")
    return " + ".join(parts)


def _capability(value: float) -> str:
    return f"{value:.3f}"


_WRITERS: dict[str, Callable[[float], str]] = {
    CAPABILITY: _capability,
    DECODE: rate,
    TTFT: wait,
    MEMORY: format_bytes,
}

UNITS = {CAPABILITY: "0 to 1", DECODE: "token/s", TTFT: "", MEMORY: ""}
