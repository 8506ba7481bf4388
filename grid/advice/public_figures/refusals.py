"""Why public figures allow no answer, in one line that says what would."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from grid.advice.ask import Ask
from grid.advice.public_figures.offers import MemoryQuestion, ladder_of
from grid.advice.public_figures.rates import OfferRates
from grid.models.public import PublicModel
from grid.units import format_bytes


def nothing_text(
    free: float,
    models: Sequence[PublicModel],
    question: MemoryQuestion,
    rates: OfferRates,
    ask: Ask,
) -> str:
    """Why nothing can be offered in `free` bytes, and what could."""
    short = [model for model in models if model.context_length >= question.context]
    if not short:
        most = max(model.context_length for model in models)
        return f"no such model is made for {question.context:,} tokens; lower --context to {most:,}"
    unlimited = replace(question, max_bytes=None)
    ladders = [ladder_of(model, math.inf, unlimited) for model in short]
    every = [offer for rungs in ladders for offer in rungs]
    if not every:
        return f"no public model can be stored at {question.preset}; leave out --quant"
    smallest = min(every, key=lambda offer: offer.total)
    fitting = [offer for offer in every if offer.total <= free]
    if not fitting:
        return (
            f"nothing fits {format_bytes(free)}: {smallest.label} needs "
            f"{format_bytes(smallest.total)} with a cache of {question.context:,} tokens; give "
            "more --memory or a shorter --context"
        )
    sized = [o for o in fitting if o.weights <= (ask.max_bytes or math.inf)]
    if not sized:
        least = min(fitting, key=lambda offer: offer.weights)
        return f"no weights are so small: {least.label} takes {format_bytes(least.weights)}"
    rated = [(figure.value, offer) for offer in sized if (figure := rates.decode(offer))]
    value, fastest = max(rated, key=lambda pair: (pair[0], pair[1].label))
    return (
        f"nothing surely reaches {ask.min_decode_tps:g} token/s: {fastest.label} is predicted at "
        f"{value:.3g}; lower --min-decode"
    )
