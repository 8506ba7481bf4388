"""`grid predict`: rates on hardware that nobody measured."""

from __future__ import annotations

from typing import Annotated

import typer

from grid.cli.options import Json, StoreUri


def register(app: typer.Typer) -> None:
    """Add the command to `grid`."""
    app.command()(predict)


def predict(
    chip: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Card, Mac or memory: 4090, 'm2 ultra 76', ddr5-5600, 7900 xtx."
        ),
    ] = None,
    quant: Annotated[
        list[str] | None, typer.Option(metavar="TYPE", help="Quant types; repeatable.")
    ] = None,
    params: Annotated[
        str | None,
        typer.Option(metavar="COUNT", help="Weights: 8B; 30B-A3B of a mixture. Default: 7B."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option("--bytes", metavar="SIZE", help="Size of the weights, such as 4.9GB."),
    ] = None,
    engine: Annotated[str, typer.Option(help="Engine, by its backend's name.")] = "llamacpp",
    store: StoreUri = "results",
    list_text: Annotated[
        str | None,
        typer.Option("--list", metavar="TEXT", help="List chips whose names hold TEXT; '' all."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Predict rates on hardware that nobody measured.

    Decode and prefill, with intervals and how wrong such predictions were. Fitted to the
    bundled published tables and to your own rows; docs/prediction.md says how. A
    model in a card and in main memory: grid recommend --for 30B-A3B --ram 64.
    """
    from grid.cli.views.predict import PredictArgs, list_chips, show_prediction

    if list_text is not None:
        list_chips(list_text, as_json)
        return
    show_prediction(PredictArgs(chip, tuple(quant or ()), params, size, engine), store, as_json)
