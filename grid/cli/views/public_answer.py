"""`grid recommend` without a store: the answer from public figures in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.text import Text

from grid.advice.public_figures import PublicAnswer, RatedOffer, public_data
from grid.advice.public_figures import public_answer as answer_to
from grid.analysis.figures import rate
from grid.cli.views.console import console, print_json, table
from grid.cli.views.recommend import two_columns
from grid.units import format_bytes

if TYPE_CHECKING:
    from rich.table import Table

    from grid.advice import Ask


def show_public_answer(ask: Ask, as_json: bool = False) -> None:
    """Print what public figures say. Raises InputError where they allow no answer."""
    answer = answer_to(ask)
    if as_json:
        print_json(public_data(answer))
    else:
        print_public_answer(answer)


def print_public_answer(answer: PublicAnswer) -> None:
    """Print the answer first, then what else fits, then where it is from."""
    out = console()
    out.print(Text(_headline(answer), style="bold"))
    out.print(Text(answer.basis, style="yellow"))
    if answer.run:
        how = ", made like this or downloaded as it is" if answer.make else ""
        out.print(Text(f"Run it, once the file is there{how}:"))
        lines = "\n".join(filter(None, [answer.make, answer.run]))
        out.print(Text(lines, style="cyan"), soft_wrap=True)
        out.print()
    out.print(two_columns(list(_rows(answer))))
    if answer.others or answer.larger:
        out.print()
        out.print(_table(answer))
    for note in answer.notes:
        out.print(Text(f"note: {note}", style="yellow"))


def _headline(answer: PublicAnswer) -> str:
    if answer.pick is None:
        least = max(answer.others, key=lambda rated: rated.offer.weights)
        return f"nothing fits at little loss; {least.offer.label} fits at much"
    return f"try {answer.pick.offer.label}"


def _rows(answer: PublicAnswer) -> Iterator[tuple[str, str]]:
    place, question = answer.machine, answer.question
    yield "machine", place.name
    yield "budget", f"{format_bytes(place.budget_bytes)} for models. {place.budget_why}"
    if answer.pick is not None:
        yield from _pick_rows(answer.pick, question.context, question.kv_type)
    for kind in answer.places:
        size = format_bytes(kind.budget_bytes)
        yield "otherwise", f"on {kind.name}, {size} for models: {kind.pick or 'nothing fits'}"
    for source in answer.sources:
        yield "from", source
    yield "measure it", answer.measure


def _pick_rows(rated: RatedOffer, context: int, kv_type: str) -> Iterator[tuple[str, str]]:
    offer = rated.offer
    yield (
        "memory",
        f"{format_bytes(offer.total)}: weights {format_bytes(offer.weights)} + cache of "
        f"{context:,} tokens of {kv_type} {format_bytes(offer.kv)} + the rest "
        f"{format_bytes(offer.overhead)}, assumed; up to {offer.room:,} tokens fit",
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


def _table(answer: PublicAnswer) -> Table:
    """All offers, the larger ones with more loss first."""
    rated = [*answer.larger, *([answer.pick] if answer.pick else []), *answer.others]
    columns = ["what fits", "in all", "context", "KLD", "token/s"]
    rows = [_cells(offer) for offer in rated]
    if not any(offer.decode for offer in rated):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    return table(columns, rows, right=(1, 2, 3), wrap=(4,))


def _cells(rated: RatedOffer) -> list[str]:
    offer = rated.offer
    kld = "native" if offer.native else "" if offer.kld is None else f"{offer.kld:.2g}"
    room = f"{offer.room:,}"
    return [offer.label, format_bytes(offer.total), room, kld, _rate_text(rated)]
