"""The answer from public figures in words: what the command prints and the page shows."""

from __future__ import annotations

from collections.abc import Iterator

from grid.advice.public_figures.answer import PublicAnswer, RatedOffer
from grid.advice.public_figures.offers import ModelOffer
from grid.analysis.figures import rate
from grid.units import format_bytes


def headline(answer: PublicAnswer) -> str:
    """The answer in a few words."""
    if answer.pick is None:
        least = max(answer.others, key=lambda rated: rated.offer.weights)
        return f"nothing fits at little loss; {least.offer.label} fits at much"
    return f"try {answer.pick.offer.label} on {answer.machine.name}"


def answer_rows(answer: PublicAnswer) -> Iterator[tuple[str, str]]:
    """All that is said of the answer, a name and a text each."""
    yield from card_rows(answer)
    yield from source_rows(answer)


def card_rows(answer: PublicAnswer) -> Iterator[tuple[str, str]]:
    """How good the pick is, how fast, whether it fits, and what else could be run."""
    place, rated = answer.machine, answer.pick
    if rated is not None:
        offer = rated.offer
        yield "quality", _quality_text(offer)
        yield "speed", _speed_text(rated) + _assumed_text(answer)
        yield (
            "memory",
            f"needs {format_bytes(offer.total)} of {format_bytes(place.budget_bytes)}, with "
            f"{answer.question.context:,} tokens of context; up to {offer.room:,} fit",
        )
    if answer.others:
        names = ", ".join(offer.label for offer in answer.others[:NAMED])
        yield "smaller" if rated else "fits", names
    for kind in answer.places:
        size = format_bytes(kind.budget_bytes)
        yield "otherwise", f"on {kind.name}, {size} for models: {kind.pick or 'nothing fits'}"
    yield "measure", answer.measure


NAMED = 3
"""Offers that a line names."""


def _assumed_text(answer: PublicAnswer) -> str:
    least = answer.assumed_tps
    return (
        ""
        if least is None
        else f"; larger models would be below {least:g} token/s (--min-decode 0.1 shows them)"
    )


def source_rows(answer: PublicAnswer) -> Iterator[tuple[str, str]]:
    """Where the figures are from, and what they are made of."""
    place, question = answer.machine, answer.question
    yield "budget", f"{format_bytes(place.budget_bytes)} for models. {place.budget_why}"
    if answer.pick is not None:
        offer = answer.pick.offer
        sessions = f" for each of {question.sessions} sessions" if question.sessions > 1 else ""
        yield (
            "memory",
            f"weights {format_bytes(offer.weights)} + cache of {question.context:,} tokens of "
            f"{question.kv_type}{sessions} {format_bytes(offer.kv)} + the rest "
            f"{format_bytes(offer.overhead)}, assumed",
        )
        if answer.pick.decode is not None:
            yield "speed", answer.pick.decode.evidence.text
    for source in answer.sources:
        yield "from", source


def _quality_text(offer: ModelOffer) -> str:
    if offer.native:
        return "nothing lost by quantizing: its makers publish it at so few bits"
    if offer.loss is None:
        return f"what {offer.preset} loses is not published"
    loss = offer.loss
    return (
        f"KLD {loss.kld:.3g} nat from 16 bits, perplexity {loss.perplexity_rise:+.3g}: "
        f"third-party, of {loss.model}"
    )


def _speed_text(rated: RatedOffer) -> str:
    if rated.decode is None:
        return "not known: name the --chip, or its --bandwidth"
    return f"{_rate_text(rated)} token/s, predicted"


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
