"""`grid recommend` without a store: the answer from public figures in a terminal."""

from __future__ import annotations

from rich.text import Text

from grid.advice.public_figures import PublicAnswer, public_data
from grid.advice.public_figures.sentences import (
    card_rows,
    headline,
    offers_table,
    source_rows,
)
from grid.cli.views.console import console, print_json, print_script, table
from grid.cli.views.recommend import two_columns


def show_public_answer(answer: PublicAnswer, as_json: bool = False, why: bool = False) -> None:
    """Print what public figures say; `why` adds what else fits and where that is from."""
    if as_json:
        print_json(public_data(answer))
        return
    out = console()
    out.print(Text(headline(answer), style="bold"))
    out.print(Text(answer.basis, style="yellow"))
    if answer.run:
        out.print("Once the file is there, run it with")
        print_script(out, answer.run)
    out.print()
    hidden_rows = [] if why else [("more", "add --why: what else fits, sources, notes")]
    out.print(two_columns([*card_rows(answer), *hidden_rows]))
    if not why:
        return
    columns, rows = offers_table(answer)
    out.print()
    out.print(table(columns, rows, right=(1, 2, 3), names=(0,)))
    out.print()
    out.print(two_columns(list(source_rows(answer))))
    for note in answer.notes:
        out.print(Text(f"note: {note}", style="yellow"))
