"""Advice in sentences, the same for a page and for a terminal."""

from __future__ import annotations

from collections.abc import Callable

from grid.advice.advice import (
    CAPABILITY,
    DECODE,
    KLD,
    MEMORY,
    PERPLEXITY,
    QUANTITIES,
    TTFT,
    Advice,
    Candidate,
    Figure,
)
from grid.advice.reason import certainty_line, tolerance_text
from grid.analysis import quality_order
from grid.analysis.figures import (
    divergence,
    interval_in_words,
    number,
    probability_in_words,
    rate,
    wait,
)
from grid.results.statistics import Interval
from grid.units import format_bytes


def headline(advice: Advice) -> str:
    """The answer in one sentence."""
    if advice.pick is not None:
        doubt = ""
        if advice.measure_more is not None and advice.sure is not None:
            doubt = f", but measure more: {probability_in_words(advice.sure)} sure"
        return f"run {advice.pick.label} in {advice.pick.variant.backend}{doubt}"
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
    """How sure the pick is and what it is expected to lose, in one sentence; empty without a
    pick."""
    if advice.pick is None:
        return ""
    text, loss = certainty_line(advice), advice.expected_loss or 0.0
    if advice.sure is None:
        return text
    if loss < _NO_LOSS:
        return f"{text}; nothing that fits is expected to be better"
    unit = {quality_order.KLD: " nat", quality_order.PERPLEXITY: " of ln perplexity"}
    lost = f"{loss:.2g}{unit.get(advice.quality.axis, '')}"
    return f"{text}; it is expected to lose {lost} against the best that fits"


_NO_LOSS = 5e-5


def tie_text(advice: Advice) -> str:
    """Why a pick counts as equal to what measured better; empty where nothing did.

    `large Q6_K scored 0.024 higher (0.003 to 0.046). Who scores best of many was lucky, too: 0.0089
    is expected to remain, and up to 0.01 counts as a tie (--tolerance)`: the expected loss is of
    the posterior, which takes back a part of what the best measured has by luck.
    """
    best, gap, loss = advice.best, advice.gap, advice.expected_loss or 0.0
    if advice.pick is None or best is None or gap is None:
        return ""
    limit = f"up to {tolerance_text(advice)} counts as a tie (--tolerance)"
    if advice.quality.axis == quality_order.KLD:
        return f"the KLD of {best.label} is {number(abs(gap.value))} nat less, and {limit}"
    if advice.quality.axis != quality_order.CAPABILITY:
        return f"the perplexity of {best.label} is {number(abs(gap.value))} less, and {limit}"
    low, high = gap.low, gap.high
    ends = f" ({low:.3f} to {high:.3f})" if low is not None and high is not None else ""
    text = f"{best.label} scored {gap.value:.3f} higher{ends}"
    if loss >= gap.value:
        return f"{text}, and {limit}"
    return (
        f"{text}. The best of many scores is partly luck: {_loss_text(loss)} is expected to "
        f"remain, and {limit}"
    )


def _loss_text(loss: float) -> str:
    return "nothing" if loss < _NO_LOSS else f"{loss:.2g}"


def smallest_text(advice: Advice) -> str:
    """The smallest that the measurements cannot surely tell from the best, where that is smaller
    than the pick, and why it is not the pick; else empty."""
    pick, smallest = advice.pick, advice.smallest
    if pick is None or smallest is None or smallest is pick:
        return ""
    less = pick.variant.artifact_bytes - smallest.variant.artifact_bytes
    if less <= 0:
        return ""
    why = next((r.reason for r in advice.rejected if r.variant is smallest.variant), "")
    beside = "" if "KLD" in why else _divergences_text(advice)
    return f"{smallest.label}, {format_bytes(less)} smaller: {why}{beside}"


def _divergences_text(advice: Advice) -> str:
    """`; KLD 0.00692 nat against 0.00132`, beside a capability, where both have one."""
    figures = [c.figures.get(KLD) for c in (advice.smallest, advice.pick) if c is not None]
    if advice.quality.axis != quality_order.CAPABILITY or None in figures:
        return ""
    mine, picked = (figure.value for figure in figures if figure is not None)
    return f"; KLD {divergence(mine)} against {number(picked)}" if mine > picked else ""


def quality_text(advice: Advice) -> str:
    """What ranks the candidates, and why."""
    if advice.quality.axis != quality_order.CAPABILITY:
        return advice.quality.why
    return f"capability, 0 chance to 1 perfect: {weights_text(advice)}"


def shown_quantities(advice: Advice) -> list[str]:
    """The quantities of the pick that are shown: those that are always asked for, and of the text
    those that rank or stand beside capability."""
    figures = advice.pick.figures if advice.pick else {}
    hidden = {CAPABILITY} if advice.quality.axis != quality_order.CAPABILITY else {PERPLEXITY}
    hidden |= {PERPLEXITY} if advice.quality.axis == quality_order.KLD else set()
    hidden |= {name for name in (KLD, PERPLEXITY) if name not in figures}
    return [quantity for quantity in QUANTITIES if quantity not in hidden]


def costs_text(advice: Advice) -> list[str]:
    """What each limit costs; those that cost nothing in one sentence."""
    texts = [cost.text for cost in advice.costs if cost.without is not None]
    free = [cost.demand for cost in advice.costs if cost.without is None]
    if free:
        texts.append(f"none: the pick is the same without {', '.join(free)}")
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
    low, high = (None, None) if figure.low == figure.high else (figure.low, figure.high)
    return interval_in_words(Interval(figure.value, low, high), _WRITERS[quantity])


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
    KLD: number,
    PERPLEXITY: lambda value: number(value, 5),
    DECODE: rate,
    TTFT: wait,
    MEMORY: format_bytes,
}

UNITS = {CAPABILITY: "", KLD: "nat", PERPLEXITY: "", DECODE: "token/s", TTFT: "", MEMORY: ""}
