"""`grid folklore`: rules of thumb, tested against the rows at hand."""

from __future__ import annotations

from typing import Annotated

import typer

from grid.cli.help_text import Commands
from grid.cli.options import Hardware, Json, Model, StoreUri

EXAMPLES = """
grid folklore
grid folklore --all                      with the figures behind each verdict
grid folklore --rule math-larger         one rule with all its numbers
"""


def register(app: Commands) -> None:
    """Add the command to the command line."""
    app.command(epilog=EXAMPLES)(folklore)


def folklore(
    store: StoreUri = "results",
    model: Model = None,
    hardware: Hardware = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="One rule with all its numbers; repeatable."),
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--all", "--why", help="Every rule, with the figures behind its verdict."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Test the usual rules of thumb against your own rows.

    Each holds, is contradicted, or has too little data. First come the verdicts of your rows, a
    line each; --all has all rules. docs/folklore.md lists them and says how they are judged.
    """
    from grid.cli.views.folklore import show_folklore

    show_folklore(store, model, hardware, rule or (), full=every, as_json=as_json)
