"""The answer from public figures in words: what the command prints and the page shows."""

from __future__ import annotations

from collections.abc import Iterator

from grid.advice.public_figures.answer import PublicAnswer, RatedOffer
from grid.advice.public_figures.offers import MemoryQuestion
from grid.analysis.figures import rate
from grid.units import format_bytes


def headline(answer: PublicAnswer) -> str:
    if answer.pick is None:
        least = max(answer.others, key=lambda rated: rated.offer.weights)
        return f"nothing fits at little loss; {least.offer.label} fits at much"
    return f"try {answer.pick.offer.label}"


def answer_rows(answer: PublicAnswer) -> Iterator[tuple[str, str]]:
    place, question = answer.machine, answer.question
    yield "machine", place.name
    yield "budget", f"{format_bytes(place.budget_bytes)} for models. {place.budget_why}"
    if answer.pick is not None:
        yield from _pick_rows(answer.pick, question)
    for kind in answer.places:
        size = format_bytes(kind.budget_bytes)
        yield "otherwise", f"on {kind.name}, {size} for models: {kind.pick or 'nothing fits'}"
    for source in answer.sources:
        yield "from", source
    yield "measure it", answer.measure


def _pick_rows(rated: RatedOffer, question: MemoryQuestion) -> Iterator[tuple[str, str]]:
    offer = rated.offer
    sessions = f" for each of {question.sessions} sessions" if question.sessions > 1 else ""
    yield (
        "memory",
        f"{format_bytes(offer.total)}: weights {format_bytes(offer.weights)} + cache of "
        f"{question.context:,} tokens of {question.kv_type}{sessions} {format_bytes(offer.kv)} "
        f"+ the rest {format_bytes(offer.overhead)}, assumed; up to {offer.room:,} tokens fit",
    )
    if offer.native:
        yield "loss", "none by quantizing: its makers publish it at so few bits"
    elif offer.loss is not None:
        loss = offer.loss
        yield (
            "loss",
            f"KLD {loss.kld:.3g} nat a token, perplexity {loss.perplexity_rise:+.3g}: of "
            f"{loss.model} at {offer.preset}, third-party",
        )
    if rated.decode is not None:
        yield "decode rate", f"{_rate_text(rated)} token/s; {rated.decode.evidence.text}"


def _rate_text(rated: RatedOffer) -> str:
    figure = rated.decode
    if figure is None:
        return ""
    ends = () if figure.low is None or figure.high is None else (figure.low, figure.high)
    span = f" ({' to '.join(map(rate, ends))})" if ends else ""
    return f"{rate(figure.value)}{span}"


def offers_table(answer: PublicAnswer) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of all offers, the larger ones with more loss first."""
    rated = [*answer.larger, *([answer.pick] if answer.pick else []), *answer.others]
    columns = ["what fits", "in all", "context", "KLD", "token/s"]
    rows = [_cells(offer) for offer in rated]
    if not any(offer.decode for offer in rated):
        return columns[:-1], [row[:-1] for row in rows]
    return columns, rows


def _cells(rated: RatedOffer) -> list[str]:
    offer = rated.offer
    kld = "native" if offer.native else "" if offer.kld is None else f"{offer.kld:.2g}"
    room = f"{offer.room:,}"
    return [offer.label, format_bytes(offer.total), room, kld, _rate_text(rated)]
