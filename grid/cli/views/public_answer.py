"""`grid recommend` without a store: the answer from public figures in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from grid.advice.public_figures import PublicAnswer, public_data
from grid.advice.public_figures import public_answer as answer_to
from grid.advice.public_figures.sentences import answer_rows, headline, offers_table
from grid.cli.views.console import console, print_json, table
from grid.cli.views.recommend import two_columns

if TYPE_CHECKING:
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
    out.print(Text(headline(answer), style="bold"))
    out.print(Text(answer.basis, style="yellow"))
    if answer.run:
        out.print(Text("Run it, once the file is there:"))
        out.print(Text(answer.run, style="cyan"), soft_wrap=True)
        out.print()
    out.print(two_columns(list(answer_rows(answer))))
    columns, rows = offers_table(answer)
    out.print()
    out.print(table(columns, rows, right=(1, 2, 3), wrap=(4,)))
    for note in answer.notes:
        out.print(Text(f"note: {note}", style="yellow"))
