"""Advice in sentences, the same for a page and for a terminal."""

from __future__ import annotations

from collections.abc import Callable

from grid.advice.advice import CAPABILITY, DECODE, MEMORY, TTFT, Advice, Candidate, Figure
from grid.advice.alternatives import MET
from grid.units import format_bytes, format_seconds


def headline(advice: Advice) -> str:
    """The answer in one sentence."""
    if advice.pick is not None:
        return f"run {advice.pick.label} in {advice.pick.variant.backend}"
    needs = [one.figures[MEMORY].value for one in advice.candidates if MEMORY in one.figures]
    if advice.budget_bytes is not None and needs and min(needs) > advice.budget_bytes:
        least = min(
            (one for one in advice.candidates if MEMORY in one.figures),
            key=lambda one: (one.figures[MEMORY].value, one.label),
        )
        return (
            f"nothing fits: models can have {format_bytes(advice.budget_bytes)}, and the least, "
            f"{least.label}, needs {format_bytes(least.figures[MEMORY].value)} "
            f"with {least.context} tokens of context"
        )
    if all(one.kind == "unmeasured" for one in advice.rejected):
        return "nothing can be said: no variant has all that the limits are about"
    if advice.contradictory:
        return "the limits contradict each other: each can be met, but not all by one variant"
    return "nothing meets the limits"


def certainty_text(advice: Advice) -> str:
    """How sure the pick is, in one sentence; empty without a pick."""
    if advice.pick is None:
        return ""
    if not any(lost.kind in MET for lost in advice.rejected):
        told = "the only one that fits: nothing to compare with"
    elif advice.sure is None:
        told = "not known: some figures came without their uncertainty"
    else:
        told = (
            f"{_share(advice.sure)} that it is the most capable of what fits, give or take "
            f"{advice.tolerance:g}"
        )
    if advice.best is not None and advice.gap is not None:
        low, high = advice.gap.low, advice.gap.high
        ends = f" ({low:.3f} to {high:.3f})" if low is not None and high is not None else ""
        told += (
            f"; {advice.best.label} measures {advice.gap.value:.3f} more{ends}: a tie, which goes "
            "to the smaller"
        )
    return told


def _share(probability: float) -> str:
    if probability < 0.005:
        return "under 1 %"
    return "over 99 %" if probability > 0.995 else f"{100 * probability:.0f} %"


def costs_text(advice: Advice) -> list[str]:
    """What each limit costs; those that cost nothing in one sentence."""
    told = [cost.text for cost in advice.costs if cost.without is not None]
    free = [cost.demand for cost in advice.costs if cost.without is None]
    if free:
        told.append(f"nothing, the pick is the same without: {', '.join(free)}")
    return told


def replay_text(advice: Advice) -> str:
    """The command that measures the pick, and where to run it if it is predicted."""
    if advice.pick is None:
        return ""
    where = f" (on {advice.hardware} itself)" if advice.pick.predicted else ""
    return f"{advice.replay}{where}"


def weights_text(advice: Advice) -> str:
    """`math 75 %, reasoning 25 %`, the largest first."""
    order = sorted(advice.weights.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{name} {100 * weight:.0f} %" for name, weight in order)


def figure_text(quantity: str, figure: Figure) -> str:
    """A figure with its unit and, where there is one, its interval."""
    form = _FORMS[quantity]
    if figure.low is None or figure.high is None:
        return form(figure.value)
    return f"{form(figure.value)} ({form(figure.low)} to {form(figure.high)})"


def parts_text(candidate: Candidate) -> str:
    """What its memory is made of."""
    parts = [f"weights {format_bytes(candidate.weights_bytes)}"]
    if candidate.kv_bytes is not None:
        parts.append(f"KV cache {format_bytes(candidate.kv_bytes)}")
    if candidate.overhead_bytes is not None:
        parts.append(f"the rest {format_bytes(candidate.overhead_bytes)}")
    return " + ".join(parts)


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _wait(seconds: float) -> str:
    """`0.35 ms` where whole milliseconds would say nothing."""
    return f"{1000 * seconds:.2g} ms" if seconds < 0.01 else format_seconds(seconds)


_FORMS: dict[str, Callable[[float], str]] = {
    CAPABILITY: lambda value: f"{value:.3f}",
    DECODE: _rate,
    TTFT: _wait,
    MEMORY: format_bytes,
}

UNITS = {CAPABILITY: "0 to 1", DECODE: "token/s", TTFT: "", MEMORY: ""}
