"""`grid folklore`: rules of thumb, tested against the rows at hand."""

from __future__ import annotations

from typing import Annotated

import typer

from grid.cli.help_text import Commands
from grid.cli.options import Hardware, Json, StoreUri

EXAMPLES = """
grid folklore
grid folklore --rule q4-is-free          one rule with all its numbers
"""


def register(app: Commands) -> None:
    """Add the command to the command line."""
    app.command(epilog=EXAMPLES)(folklore)


def folklore(
    store: StoreUri = "results",
    hardware: Hardware = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="One rule with all its numbers; repeatable."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Test the usual rules of thumb against your own rows.

    Each holds, is contradicted, or has too little data. docs/folklore.md lists them and says how
    they are judged.
    """
    from grid.cli.views.folklore import show_folklore

    show_folklore(store, hardware, rule or (), as_json=as_json)
