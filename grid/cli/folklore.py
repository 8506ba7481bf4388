"""`grid folklore`: rules of thumb, tested against the rows at hand."""

from __future__ import annotations

from typing import Annotated

import typer

from grid.cli.options import Json, StoreUri


def register(app: typer.Typer) -> None:
    app.command()(folklore)


def folklore(
    store: StoreUri = "results",
    hardware: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="One hardware class: its name, or a part of it."),
    ] = None,
    rule: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="One rule, told at length; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge the usual rules of thumb by your own rows.

    Each holds, is contradicted, or has not enough data. Each is told with its numbers;
    docs/folklore.md lists them and how they are judged.
    """
    from grid.cli.views.folklore import show_folklore

    show_folklore(store, hardware, rule or (), as_json=as_json)
