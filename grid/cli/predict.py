"""`grid predict`: rates on hardware that nobody measured."""

from __future__ import annotations

from typing import Annotated

import typer

from grid.cli.completion import complete_backend, complete_model
from grid.cli.help_text import Commands
from grid.cli.options import Json, StoreUri, split_names

EXAMPLES = """
grid predict --chip 4090 --params 8B --quant Q4_K_M,Q8_0
grid predict --chip 'm2 ultra 76' --bytes 40GB
grid predict --chip 4090 --model Llama-3.1-8B
grid predict --list nvidia
grid recommend --for 30B-A3B --ram 64     a model in a card and in main memory
"""


def register(app: Commands) -> None:
    """Add the command to the command line."""
    app.command(epilog=EXAMPLES)(predict)


def predict(
    chip: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Card, Mac or memory: 4090, 'm2 ultra 76', ddr5-5600."),
    ] = None,
    quant: Annotated[
        list[str] | None,
        typer.Option(metavar="TYPE", help="Quants, such as Q4_K_M; repeat, or separate by commas."),
    ] = None,
    params: Annotated[
        str | None,
        typer.Option(metavar="COUNT", help="Parameters: 8B, or 30B-A3B of a mixture. Default: 7B."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option("--bytes", metavar="SIZE", help="Size of the weights: 4.9GB."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Instead: a model of the store, a public one, or a file or folder.",
            autocompletion=complete_model,
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            metavar="BACKEND",
            help="The backend whose engine runs it.",
            autocompletion=complete_backend,
        ),
    ] = "llamacpp",
    store: StoreUri = "results",
    list_text: Annotated[
        str | None,
        typer.Option(
            "--list", metavar="TEXT", help="List the chips whose names hold TEXT; '': all."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Predict the speed on hardware that nobody measured.

    Decode and prefill rates with their intervals, and how wrong such predictions were. They come
    from published tables and your own rows; docs/prediction.md says how.
    """
    from grid.cli.views.predict import PredictArgs, list_chips, show_prediction

    if list_text is not None:
        list_chips(list_text, as_json)
        return
    args = PredictArgs(chip, split_names(quant), params, size, engine, model)
    show_prediction(args, store, as_json)
